package acceptance

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// slowSite is a server of large answers. What its client is slow to read is not waited for in its drain.
const slowSite = `
[shutdown]
linger = "$LINGER"
[process.edge]
role = "gateway"
fronts = []
command = ["web", "worker", "-listen", "10.0.0.1:8080", "-takes", "0s"]
ready = { log = "listening on" }
drain = { timeout = "100ms", settle = "0s" }
`

// slowBytes is what the client asks for.
const slowBytes = 3_000_000

// TestContainerLinger deletes the link of a container as soon as its PID 1 has ended, as runtimes do, while a client has
// still to read most of an answer that the kernel keeps for a gateway that is gone. With the time to linger all of it
// arrives, and without it does not.
func TestContainerLinger(t *testing.T) {
	t.Parallel()
	r := newOCI(t, "runc")
	for linger, whole := range map[string]bool{"2s": true, "0s": false} {
		t.Run(linger, func(t *testing.T) {
			for i := range repetitions() {
				t.Run(fmt.Sprint(i+1), func(t *testing.T) {
					got := readSlowly(t, r, linger)
					t.Logf("%d of %d bytes arrived", got, slowBytes)
					if whole != (got == slowBytes) {
						t.Errorf("with linger = %q %d of %d bytes arrived", linger, got, slowBytes)
					}
				})
			}
		})
	}
}

// link joins two network namespaces by a veth, whose ends have the addresses 10.0.0.1 and 10.0.0.2.
func link(t *testing.T, a, b *space) {
	t.Helper()
	var errs []error
	a.do(func() {
		errs = append(errs,
			ip("link", "add", "here", "type", "veth", "peer", "name", "there", "netns", strconv.Itoa(b.tid)),
			ip("address", "add", "10.0.0.1/24", "dev", "here"), ip("link", "set", "here", "up"))
	})
	b.do(func() {
		errs = append(errs, ip("address", "add", "10.0.0.2/24", "dev", "there"), ip("link", "set", "there", "up"))
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// readSlowly says how much of an answer arrives at a client that begins to read when the gateway has left.
func readSlowly(t *testing.T, r *oci, linger string) int {
	home, away := newNet(t), newNet(t)
	link(t, home, away)
	home.do(func() { // the kernel takes the whole answer at once
		if err := os.WriteFile("/proc/sys/net/ipv4/tcp_wmem", []byte("4096 8000000 8000000"), 0); err != nil {
			t.Error(err)
		}
	})
	c := r.run(t, bundle{args: lastoutRun, net: home, files: map[string]string{
		"lastout.toml": strings.ReplaceAll(slowSite, "$LINGER", linger),
	}})
	c.await("edge: a drain here ")
	conn, err := away.dial(netip.MustParseAddrPort("10.0.0.1:8080"), clientPatience, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 64<<10)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET /?bytes=%d HTTP/1.0\r\n\r\n", slowBytes); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1)
	if _, err := conn.Read(first); err != nil {
		t.Fatal(err)
	}
	deleted := make(chan struct{})
	go func() {
		defer close(deleted)
		if code, _ := c.stop(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		home.do(func() {
			if err := ip("link", "delete", "here"); err != nil {
				t.Error(err)
			}
		})
	}()
	c.await("edge has left")
	text := string(first) + sip(t, conn, deleted)
	_, body, _ := strings.Cut(text, "\r\n\r\n")
	return len(body)
}

// sip reads 64 KiB each 10 ms, until the end of the connection, or of all that has arrived when its link is no more.
func sip(t *testing.T, conn net.Conn, deleted <-chan struct{}) string {
	t.Helper()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for gone := false; ; {
		buf := make([]byte, 64<<10)
		n, failed := 0, error(nil)
		if err := raw.Read(func(fd uintptr) bool {
			n, failed = unix.Read(int(fd), buf)
			return true // it does not wait
		}); err != nil {
			t.Fatal(err)
		}
		text.Write(buf[:max(n, 0)])
		switch {
		case failed == nil && n == 0, failed != nil && (gone || failed != unix.EAGAIN):
			<-deleted
			return text.String()
		case gone:
			continue
		}
		select {
		case <-deleted:
			gone = true
		case <-tick.C:
		}
	}
}
