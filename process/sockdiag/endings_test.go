package sockdiag

import (
	"net"
	"testing"
	"time"
)

// What a connection was at its end is heard: one that got its answer, and one that did not.
func TestEndings(t *testing.T) {
	e, err := OpenEndings()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	end := func(answer bool) uint16 {
		client, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 16)
		if _, err = client.Write([]byte("question")); err == nil {
			_, err = server.Read(b)
		}
		if err == nil && answer {
			if _, err = server.Write([]byte("answer")); err == nil {
				_, err = client.Read(b)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		server.Close()
		return uint16(client.LocalAddr().(*net.TCPAddr).Port)
	}
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	want := map[uint16]bool{end(true): false, end(false): true}
	for deadline := time.Now().Add(10 * time.Second); len(want) > 0; {
		e.Wait(time.Second)
		_, err := e.Read(func(s *Sample) {
			cut, ok := want[s.Peer.Port()]
			if !ok || s.Local.Port() != port {
				return
			}
			if s.CutOff() != cut {
				t.Errorf("cut off: %v, want %v: %+v", !cut, cut, s)
			}
			delete(want, s.Peer.Port())
		})
		if err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing was heard of %d connections", len(want))
		}
	}
}
