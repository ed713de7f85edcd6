package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// smallBuffer is what a slow reader lets the kernel keep for it: the rest of the answer waits in the server.
const smallBuffer = 4 << 10

// conn is one connection to the server.
type conn struct {
	net.Conn // with TLS, where there is any
	tcp      *net.TCPConn
	r        *bufio.Reader
	used     bool // it has carried a request
}

// dial opens a connection. The error is a *refusal unless the server's kernel took the connection.
func (l *Load) dial(ctx context.Context, slow bool) (*conn, error) {
	d := net.Dialer{Timeout: knock, KeepAlive: -1}
	d.SetMultipathTCP(false)
	if slow {
		d.Control = func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, smallBuffer) })
		}
	}
	plain, err := d.DialContext(ctx, "tcp", l.address)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil, err // who was never let in is refused; who is reset was in (tcp(7))
	}
	if err != nil {
		return nil, &refusal{err}
	}
	c := &conn{Conn: plain, tcp: plain.(*net.TCPConn)}
	if l.o.URL.Scheme == "https" {
		if err := c.secure(l.o); err != nil {
			c.Close()
			return nil, err
		}
	}
	c.r = bufio.NewReader(c.Conn)
	return c, nil
}

// secure shakes hands for TLS. HTTP/2 is not offered.
func (c *conn) secure(o Options) error {
	t := tls.Client(c.Conn, &tls.Config{ServerName: o.URL.Hostname(), InsecureSkipVerify: o.Insecure})
	c.Conn = t
	if err := c.SetDeadline(time.Now().Add(o.Patience)); err != nil {
		return err
	}
	if err := t.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	return nil
}

// refusal is the failure to get a connection: nothing was sent.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

// refused says that an error is a refusal, and puts it into words.
func refused(err error) (string, bool) {
	var r *refusal
	if !errors.As(err, &r) {
		return "", false
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "no connection within " + knock.String(), true
	}
	return reason(err), true
}

// closed says that an idle connection is of no use any more: the server closed it, or sent something unasked. Every
// client that keeps connections looks before it uses one.
func (c *conn) closed() bool {
	if c.r.Buffered() > 0 {
		return true
	}
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return true
	}
	closed := true
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		closed = !errors.Is(err, unix.EAGAIN)
	})
	return closed || err != nil
}

// acked is how many bytes the server's kernel has acknowledged (tcpi_bytes_acked, tcp(7)): what was, has reached the
// server. It can be asked for after the connection broke, too.
func (c *conn) acked() (uint64, bool) {
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return 0, false
	}
	var info *unix.TCPInfo
	var failed error
	err = raw.Control(func(fd uintptr) { info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err != nil || failed != nil {
		return 0, false
	}
	return info.Bytes_acked, true
}

// pool holds the idle connections; the one that was used last is taken first, as is usual.
type pool struct {
	mu   sync.Mutex
	idle []*conn
}

// take gives a connection that is still open as far as can be seen, or nil.
func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if !c.closed() {
			return c
		}
		c.Close()
	}
	return nil
}

func (p *pool) give(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, c)
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.Close()
	}
	p.idle = nil
}
