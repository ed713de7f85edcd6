package quiesce

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestRace quiesces under load, over and over: each client is served whole or never let in, and who begins after is not
// let in. A minimum TTL may drop the request of a handshake under way, as the package's doc says, and no more.
func TestRace(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 10
	}
	for _, s := range []server{{Addr: "127.0.0.1:0"}, {Addr: "[::]:0", Members: 2}} {
		for _, way := range Best {
			if can(t, way, s) != nil {
				continue // TestWays has its word
			}
			t.Run(s.String()+"/"+way.String(), func(t *testing.T) {
				t.Parallel()
				r := start(t, s)
				r.tell("accept")
				l := r.listener()
				served := 0
				for range rounds {
					c := crowd{running: r, mayLose: way == MinTTL}
					served += c.race(l, way)
				}
				if served < rounds {
					t.Errorf("%d clients were served in %d rounds", served, rounds)
				}
			})
		}
	}
}

// crowd is clients that come one after the other on several ways at once.
type crowd struct {
	*running
	mayLose bool
	quiet   atomic.Bool
	served  atomic.Int64
	enough  chan struct{}
}

// race lets some clients be served, turns the next away, and lets them in again.
func (c *crowd) race(l *Listener, way Way) int {
	c.Helper()
	c.enough = make(chan struct{}, 1)
	want := 1 + rand.Int64N(20)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() { c.client(ctx, c.dialTo()[i%len(c.dialTo())], want) })
	}
	<-c.enough
	if _, err := l.Quiesce(way); err != nil {
		c.Error(err)
	}
	c.quiet.Store(true)
	c.closed()
	cancel()
	wg.Wait()
	if err := l.Undo(); err != nil {
		c.Error(err)
	}
	return int(c.served.Load())
}

func (c *crowd) client(ctx context.Context, to string, want int64) {
	for n := 0; ctx.Err() == nil; n++ {
		late := c.quiet.Load()
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				c.Errorf("a client was not left waiting: %v", err)
			}
			return
		}
		if late {
			c.Error("a client got in that came after the quiesce")
		}
		if err := c.ask(conn, "client "+strconv.Itoa(n)+"\n"); err != nil {
			c.Errorf("a client was lost: %v", err)
		}
		if c.served.Add(1) == want {
			c.enough <- struct{}{}
		}
	}
}

// ask takes it for no loss that a minimum TTL drops a request without a word.
func (c *crowd) ask(conn net.Conn, line string) error {
	if !c.mayLose {
		return request(conn, line)
	}
	watch := time.AfterFunc(2*time.Second, func() {
		if c.quiet.Load() {
			conn.Close()
		}
	})
	defer watch.Stop()
	err := request(conn, line)
	if errors.Is(err, net.ErrClosed) {
		c.Logf("the minimum TTL dropped a request: %v", err)
		return nil
	}
	return err
}

// TestHandshakeUnderWay begins a handshake whose second step does not reach the client, quiesces, and lets it go on: by
// filter and sentinel the client is served. By a minimum TTL it is not, which keeps that way the last.
func TestHandshakeUnderWay(t *testing.T) {
	for _, s := range []server{{Addr: "127.0.0.1:0"}, {Addr: "[::1]:0"}, {Addr: "0.0.0.0:0", Members: 2}} {
		for _, way := range Best {
			if can(t, way, s) != nil {
				continue // TestWays has its word
			}
			t.Run(s.String()+"/"+way.String(), func(t *testing.T) {
				t.Parallel()
				r := start(t, s)
				r.tell("accept")
				l := r.listener()
				to := netip.MustParseAddrPort(r.dialTo()[0])
				fd := half(t, to)
				if _, err := l.Quiesce(way); err != nil {
					t.Fatal(err)
				}
				r.closed()
				finish(t, fd, to)
				f := os.NewFile(uintptr(fd), "client")
				conn, err := net.FileConn(f)
				f.Close()
				if err != nil {
					t.Fatal(err)
				}
				if way == MinTTL {
					unanswered(t, conn)
					return
				}
				r.served(conn)
			})
		}
	}
}

func ttlOf(to netip.AddrPort) ttlOption {
	if to.Addr().Is4() {
		return ttlOptions(unix.AF_INET)[0]
	}
	return ttlOptions(unix.AF_INET6)[0]
}

// half begins a handshake and drops the listener's answer, by a minimum TTL at the client.
func half(t *testing.T, to netip.AddrPort) int {
	t.Helper()
	domain := unix.AF_INET6
	if to.Addr().Is4() {
		domain = unix.AF_INET
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	o := ttlOf(to)
	if err := unix.SetsockoptInt(fd, o.level, o.opt, maxTTL); err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, toSockaddr(domain, to)); err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	own, _ := fromSockaddr(sa)
	for end := time.Now().Add(bound); ; {
		if state, _ := connection(t, to, own); state == "03" { // TCP_SYN_RECV
			return fd
		}
		if time.Now().After(end) {
			t.Fatal("the handshake did not begin")
		}
	}
}

// finish lets the listener's answer in, which it repeats.
func finish(t *testing.T, fd int, to netip.AddrPort) {
	t.Helper()
	o := ttlOf(to)
	if err := unix.SetsockoptInt(fd, o.level, o.opt, 0); err != nil {
		t.Fatal(err)
	}
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for {
		n, err := unix.Poll(p, int(bound.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if err != nil || n != 1 {
			t.Fatalf("the client's handshake did not finish: %v", err)
		}
		return
	}
}

// unanswered demands that a request reaches nobody. What a client sends it sends again for minutes; that the peer did
// not confirm any of it after some time must do.
func unanswered(t *testing.T, c net.Conn) {
	t.Helper()
	defer c.Close()
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the request got an answer (%d bytes, %v): the doc says that it is lost", n, err)
	}
}

// connection finds a connection in /proc/net by its two ends: its state and its inode.
func connection(t *testing.T, local, remote netip.AddrPort) (state string, ino uint64) {
	t.Helper()
	for _, file := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			if len(f) < 10 {
				continue
			}
			l, ok1 := parseHexAddr(f[1])
			r, ok2 := parseHexAddr(f[2])
			if ok1 && ok2 && unmap(l) == unmap(local) && unmap(r) == unmap(remote) {
				ino, _ := strconv.ParseUint(f[9], 10, 64)
				return f[3], ino
			}
		}
	}
	return "", 0
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
