package engine

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// That a tree cannot be looked into is said once, however many of its processes that is true of as time goes by.
func TestUnseenIsSaidOnce(t *testing.T) {
	v := newView(nil)
	if err := v.open(); err != nil {
		t.Fatal(err)
	}
	defer v.close()
	v.diag.Proc = t.TempDir()
	for _, pid := range []string{"self", "10", "11"} {
		dir := filepath.Join(v.diag.Proc, pid)
		err := os.MkdirAll(filepath.Join(dir, "ns"), 0o755)
		if err == nil {
			err = os.Symlink("net:[1]", filepath.Join(dir, "ns/net"))
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "fd"), nil, 0o600) // no folder, so that nobody can look into it
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if said := v.find([]int{10}); len(said) != 1 {
		t.Errorf("at first: %q", said)
	}
	if said := v.find([]int{10, 11}); len(said) != 0 || v.light() != darkness {
		t.Errorf("again: %q", said)
	}
}

// Who was in hand and is gone at the next look was cut off, also if the kernel says so only later, and keeps a little of
// the connection until its client closes it.
func TestVanishedIsHeardOut(t *testing.T) {
	for name, closes := range map[string]bool{"the client closes, too": true, "the client keeps it open": false} {
		t.Run(name, func(t *testing.T) { vanish(t, closes) })
	}
}

func vanish(t *testing.T, closes bool) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err == nil {
		_, err = client.Write([]byte("question"))
	}
	if err == nil {
		_, err = server.Read(make([]byte, 16))
	}
	if err != nil {
		t.Fatal(err)
	}
	d := &drainer{host: &Host{}, view: newView([]int{l.Addr().(*net.TCPAddr).Port})}
	d.orders.Store(&orders{})
	defer d.view.close()
	d.listen(false, time.Now())
	defer d.hearing.close()
	look := func() {
		t.Helper()
		if _, err := d.view.look(func() []int { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	look()
	if len(d.view.holding) != 1 {
		t.Fatalf("%d connections are in hand", len(d.view.holding))
	}
	peer := client.LocalAddr().String()
	server.Close()
	if closes {
		client.Close()
	}
	look()
	if len(d.view.holding) != 0 || len(d.view.vanished) != 1 {
		t.Errorf("%d in hand, %d vanished", len(d.view.holding), len(d.view.vanished))
	}
	if cut := d.cutOff(time.Now()); len(cut) != 1 || cut[0].Peer != peer {
		t.Errorf("cut off: %+v, want %s", cut, peer)
	}
	if len(d.view.vanished) != 0 {
		t.Errorf("nothing was heard of %d that vanished", len(d.view.vanished))
	}
}
