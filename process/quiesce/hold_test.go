package quiesce

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What comes on a connection that is held back does not reach its program, and comes again when it is released; where
// the program has closed it meanwhile the client knows that not a byte arrived.
func TestHoldBack(t *testing.T) {
	t.Parallel()
	for _, s := range []server{{Addr: "127.0.0.1:0"}, {Addr: "[::1]:0"}, {Addr: "[::]:0"}, {Addr: "[::]:0", MPTCP: true}} {
		t.Run(s.String(), func(t *testing.T) {
			r := start(t, s)
			r.tell("accept")
			first, h := holdBack(t, r)
			if h == nil {
				return
			}
			h.Release()
			if _, err := io.WriteString(first, "and released\n"); err != nil {
				t.Fatal(err)
			}
			const said = "held back and released\n"
			got := make([]byte, len(said))
			if _, err := io.ReadFull(first, got); err != nil || string(got) != said {
				t.Errorf("it was released: %q, %v", got, err)
			}
			second, h := holdBack(t, r)
			before := taken(t, second)
			if h.Dropped() {
				t.Error("the program has it still")
			}
			r.stop()
			if !h.Dropped() {
				t.Error("the program is gone")
			}
			if err := h.shut(); err != nil {
				t.Fatal(err)
			}
			if err := restoreTTL(h.fd, h.was); err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(second, "comes in between the two\n")
			h.Release()
			if _, err := second.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("the client reads %v", err)
			}
			if now := taken(t, second); now != before {
				t.Errorf("%d bytes were taken", now-before)
			}
		})
	}
}

// holdBack makes a connection that is held back, sees that a request does not get through, and that the client knows.
// The Hold is nil where there are no duplicates.
func holdBack(t *testing.T, r *running) (*net.TCPConn, *Hold) {
	t.Helper()
	c, p := preconnect(t, r)
	fd, err := descriptor(p.PID, p.Inode)
	if err != nil {
		t.Fatal(err)
	}
	h, err := HoldBack(p.PID, fd, p.Inode)
	if !mayDuplicate() {
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("held back: %v", err)
		}
		return nil, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	before := taken(t, c)
	if _, err := io.WriteString(c, "held back "); err != nil {
		t.Fatal(err)
	}
	unread, err := unix.IoctlGetInt(h.fd, unix.SIOCINQ) // over the loopback device it would have come by now
	if err != nil || unread != 0 {
		t.Errorf("%d bytes got through: %v", unread, err)
	}
	if now := taken(t, c); now != before {
		t.Errorf("%d bytes were taken", now-before)
	}
	if err := c.SetDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	return c, h
}

// taken is how many bytes the other end has acknowledged.
func taken(t *testing.T, c *net.TCPConn) uint64 {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var info *unix.TCPInfo
	if cannot := raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); cannot != nil || err != nil {
		t.Fatal(cannot, err)
	}
	return info.Bytes_acked
}
