package quiesce

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// preconnect makes a connection that its server has accepted, and finds it.
func preconnect(t *testing.T, r *running) (*net.TCPConn, Preconnect) {
	t.Helper()
	to := r.dialTo()[len(r.dialTo())-1] // of a dual-stack listener the IPv4 side, whose socket is of IPv6
	c, err := net.DialTimeout("tcp", to, bound)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	p := Preconnect{PID: r.pid, FD: -1, Local: netip.MustParseAddrPort(to)}
	p.Remote = c.LocalAddr().(*net.TCPAddr).AddrPort()
	for end := time.Now().Add(bound); p.Inode == 0; {
		_, p.Inode = connection(t, p.Local, p.Remote)
		if time.Now().After(end) {
			t.Fatal("the connection was not accepted")
		}
	}
	if err := c.SetDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn), p
}

func TestEndPreconnect(t *testing.T) {
	t.Parallel()
	for _, s := range []server{{Addr: "127.0.0.1:0"}, {Addr: "[::1]:0"}, {Addr: "[::]:0"}, {Addr: "[::]:0", MPTCP: true}} {
		t.Run(s.String(), func(t *testing.T) {
			r := start(t, s)
			r.tell("accept")
			byShutdown(t, r)
			byDestroy(t, r)
			notWhenUsed(t, r)
		})
	}
}

// byShutdown: the program reads end of file and closes; the client sees no reset.
func byShutdown(t *testing.T, r *running) {
	c, p := preconnect(t, r)
	how, err := EndPreconnect(p, false)
	if !mayDuplicate() {
		if how != Kept || !errors.Is(err, unix.EPERM) {
			t.Errorf("it was %v: %v", how, err)
		}
		return
	}
	if how != Shutdown || err != nil {
		t.Fatalf("it was %v: %v", how, err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("the client read %d bytes: %v", n, err)
	}
	if how, err := EndPreconnect(p, true); how != Kept || !errors.Is(err, ErrGone) {
		t.Errorf("once more it was %v: %v", how, err)
	}
}

// byDestroy: without a duplicate the kernel is asked to end it, where that is wished and granted.
func byDestroy(t *testing.T, r *running) {
	c, p := preconnect(t, r)
	p.PID = 0
	if how, err := EndPreconnect(p, false); how != Kept || !errors.Is(err, ErrNoDuplicate) {
		t.Errorf("unasked it was %v: %v", how, err)
	}
	wrong := p
	wrong.Cookie = 1<<63 + 1
	if how, err := EndPreconnect(wrong, true); how != Kept || !errors.Is(err, ErrGone) && !errors.Is(err, unix.ESTALE) {
		t.Errorf("another one's cookie: it was %v: %v", how, err)
	}
	how, err := EndPreconnect(p, true)
	if !mayAdmin(t) {
		if how != Kept || !errors.Is(err, unix.EPERM) {
			t.Errorf("without the right it was %v: %v", how, err)
		}
		r.served(c)
		return
	}
	if how != Destroyed || !errors.Is(err, ErrNoDuplicate) {
		t.Fatalf("it was %v: %v", how, err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the client read: %v", err)
	}
}

// notWhenUsed: a connection with a byte on it is no preconnect, by whichever way.
func notWhenUsed(t *testing.T, r *running) {
	c, p := preconnect(t, r)
	if _, err := io.WriteString(c, "h"); err != nil {
		t.Fatal(err)
	}
	want := ErrCarried
	if !mayDuplicate() {
		want = unix.EPERM
	}
	if how, err := EndPreconnect(p, false); how != Kept || !errors.Is(err, want) {
		t.Errorf("it was %v: %v", how, err)
	}
	p.PID = 0
	if how, err := EndPreconnect(p, true); how != Kept || !errors.Is(err, ErrCarried) {
		t.Errorf("it was %v: %v", how, err)
	}
	if _, err := io.WriteString(c, "ello"); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

// TestLateByte: what a client sends after the shutdown of a preconnect can still be read and answered.
func TestLateByte(t *testing.T) {
	if !mayDuplicate() {
		t.Skip("no connection is shut down here")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p := Preconnect{PID: os.Getpid(), FD: -1, Local: netip.MustParseAddrPort(l.Addr().String())}
	p.Remote = netip.MustParseAddrPort(c.LocalAddr().String())
	_, p.Inode = connection(t, p.Local, p.Remote)
	if how, err := EndPreconnect(p, false); how != Shutdown {
		t.Fatalf("it was %v: %v", how, err)
	}
	if _, err := s.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the program read: %v", err)
	}
	if _, err := io.WriteString(c, "late"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	if _, err := io.ReadFull(s, buf); err != nil || string(buf) != "late" {
		t.Errorf("the program read %q: %v", buf, err)
	}
	if _, err := s.Write(buf); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, buf); err != nil {
		t.Errorf("the client read: %v", err)
	}
}
