package acceptance

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fate is what became of a request, as its client saw it.
type fate string

const (
	answered fate = "answered" // whole, and the answer to this very request
	refused  fate = "refused"  // no connection was had: harmless
	lost     fate = "lost"     // a connection was had, and no whole answer came of it
)

// request is one request's record. Instants are those of CLOCK_MONOTONIC; 0: it never came to that.
type request struct {
	id    string
	began int64 // before the SYN of its connection left
	sent  int64 // that SYN had left
	open  int64 // the connection was established
	asked int64 // the request was written
	ended int64
	from  string // the client's address
	kept  bool   // its connection had carried others before
	fate  fate
	why   string // it was not answered
}

// wish is what a request asks for.
type wish struct {
	path  string // "/" unless said
	bytes int    // of the answer at least
	body  int    // bytes of a POST; 0: a GET

	// slowly, once that is closed, is when the answer begins to be read, and takes some seconds: until then nothing of it
	// is.
	slowly <-chan struct{}

	upgrade bool // to a WebSocket

	// judge reads an answer that is not the usual one.
	judge func(r *bufio.Reader, resp *http.Response) error
}

// patience is how long a client waits for anything that moves.
const patience = 20 * time.Second

// traffic is all clients of one server, and what they saw.
type traffic struct {
	t    *testing.T
	name string // what its requests are called
	addr netip.AddrPort
	over context.Context // nobody is behind the address any more: who has no connection by then gets none
	wg   sync.WaitGroup

	mu    sync.Mutex
	all   []*request
	fresh chan struct{} // closed and renewed whenever a request was written
}

func newTraffic(t *testing.T, name, addr string, over context.Context) *traffic {
	return &traffic{t: t, name: name, addr: netip.MustParseAddrPort(addr), over: over, fresh: make(chan struct{})}
}

func (c *traffic) request() *request {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &request{id: fmt.Sprintf("%s%d", c.name, len(c.all)+1)}
	c.all = append(c.all, r)
	return r
}

// ask sends one request on a connection of its own.
func (c *traffic) ask(r *request, w wish) {
	conn, err := c.dial(r, w.slowly != nil)
	if err == nil {
		_, err = c.exchange(conn, bufio.NewReader(conn), r, w, false)
		conn.Close()
	}
	c.end(r, err)
}

// send has a request sent while others are.
func (c *traffic) send(w wish) *request {
	r := c.request()
	c.wg.Go(func() { c.ask(r, w) })
	return r
}

// each sends n requests at the same time, and returns when all are written.
func (c *traffic) each(n int, w wish) {
	c.t.Helper()
	var all []*request
	for range n {
		all = append(all, c.send(w))
	}
	c.until("the requests to be written", func() bool {
		return !slices.ContainsFunc(all, func(r *request) bool { return r.asked == 0 && r.ended == 0 })
	})
}

// flow sends total requests at an even pace, each on a connection of its own, and calls at, in a goroutine of its own,
// when n of them are sent.
func (c *traffic) flow(total int, every time.Duration, w wish, n int, at func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := range total {
		if i == n {
			c.wg.Go(at)
		}
		<-tick.C
		c.send(w)
	}
}

// late sends requests at an even pace until nobody is there any more.
func (c *traffic) late(every time.Duration, w wish) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for c.over.Err() == nil {
		c.send(w)
		<-tick.C
	}
}

// visit sends one request after another, on the same connection as long as that is kept, until nobody is there any more.
func (c *traffic) visit(pause time.Duration, w wish) {
	var conn *net.TCPConn
	var rd *bufio.Reader
	close := func() {
		if conn != nil {
			conn.Close()
			conn = nil
		}
	}
	defer close()
	for c.over.Err() == nil {
		if conn != nil && ended(conn) { // every client that keeps connections looks before it uses one
			close()
		}
		r := c.request()
		var err error
		r.kept = conn != nil
		if conn == nil {
			if conn, err = c.dial(r, false); err != nil {
				c.end(r, err)
				return
			}
			rd = bufio.NewReader(conn)
		}
		before := acked(conn)
		kept, err := c.exchange(conn, rd, r, w, true)
		if err != nil && r.kept && w.body == 0 && acked(conn) == before {
			// The request and the end of its connection have crossed: the server's kernel never took a byte of it, and
			// clients send it again (RFC 9110, 9.2.2).
			close()
			r.kept = false
			if conn, err = c.dial(r, false); err == nil {
				rd = bufio.NewReader(conn)
				kept, err = c.exchange(conn, rd, r, w, true)
			}
		}
		c.end(r, err)
		if err != nil || !kept {
			close()
		}
		select {
		case <-time.After(pause):
		case <-c.over.Done():
		}
	}
}

var errRefused = errors.New("refused")

// dial opens a connection and stamps its steps. It does not wait any longer than somebody is there.
func (c *traffic) dial(r *request, small bool) (*net.TCPConn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "client")
	defer file.Close()
	if small {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 32<<10)
	}
	r.began = monotonic()
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(c.addr.Port()), Addr: c.addr.Addr().As4()})
	r.sent = monotonic()
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	plain, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	conn := plain.(*net.TCPConn)
	if err := c.knock(conn); err != nil {
		conn.Close()
		return nil, err
	}
	r.open, r.from = monotonic(), conn.LocalAddr().String()
	return conn, nil
}

// knock waits for the end of the handshake.
func (c *traffic) knock(conn *net.TCPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(c.over, func() { conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	var info *unix.TCPInfo
	code := 0
	look := func(fd uintptr) bool {
		code, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		const synSent = 2
		return code != 0 || err != nil || info.State != synSent
	}
	if late := raw.Write(look); late != nil && err == nil && code == 0 {
		if err := raw.Control(func(fd uintptr) { look(fd) }); err != nil {
			return err
		}
		if info.State == 2 {
			return fmt.Errorf("%w: nobody is there any more", errRefused)
		}
	}
	switch {
	case err != nil:
		return err
	case unix.Errno(code) == unix.ECONNRESET:
		return unix.ECONNRESET // who is reset was in
	case code != 0:
		return fmt.Errorf("%w: %w", errRefused, unix.Errno(code))
	}
	return nil
}

// exchange sends the request and is content with nothing but its whole answer. kept says that the connection can be
// used again.
func (c *traffic) exchange(conn *net.TCPConn, rd *bufio.Reader, r *request, w wish, keep bool) (kept bool, err error) {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return false, err
	}
	req := w.request(r.id, c.addr.String(), keep)
	if err := req.Write(conn); err != nil {
		return false, err
	}
	c.change(func() { r.asked = monotonic() })
	if w.slowly != nil {
		<-w.slowly
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return false, err
		}
	}
	resp, err := http.ReadResponse(rd, req)
	if err != nil {
		return false, fmt.Errorf("no answer: %w", err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("X-Request-Id") != r.id {
		return false, fmt.Errorf("answered %s", resp.Status)
	}
	if w.judge != nil {
		return false, w.judge(rd, resp)
	}
	return !resp.Close, w.read(r.id, resp)
}

func (w wish) request(id, addr string, keep bool) *http.Request {
	method, body := http.MethodGet, io.Reader(nil)
	if w.body > 0 {
		method, body = http.MethodPost, bytes.NewReader(make([]byte, w.body))
	}
	path := "/"
	if w.path != "" {
		path = w.path
	}
	if w.bytes > 0 { // then no other query is wanted
		path += fmt.Sprintf("?bytes=%d", w.bytes)
	}
	req, err := http.NewRequest(method, "http://"+addr+path, body)
	if err != nil {
		panic(err)
	}
	req.Header.Set("X-Request-Id", id)
	req.Close = !keep && !w.upgrade
	if w.upgrade {
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "websocket")
		req.Header.Set("Sec-WebSocket-Version", "13")
		req.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	}
	return req
}

// read takes the whole body, slowly where that is wanted: in 250 pieces, one in 5 ms.
func (w wish) read(id string, resp *http.Response) error {
	var body bytes.Buffer
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for {
		_, err := io.CopyN(&body, resp.Body, int64(max(w.bytes, 4<<10)/250))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the answer broke off after %d bytes: %w", body.Len(), err)
		}
		if w.slowly != nil {
			<-pace.C
		}
	}
	says := fmt.Sprintf("answer to %s %d\n", id, w.body)
	if !strings.HasPrefix(body.String(), says) || body.Len() != max(len(says), w.bytes) {
		return fmt.Errorf("%s: %d bytes: %.40q", resp.Status, body.Len(), body.String())
	}
	return nil
}

// end books what became of a request.
func (c *traffic) end(r *request, err error) {
	c.change(func() {
		r.ended = monotonic()
		switch {
		case err == nil:
			r.fate = answered
		case errors.Is(err, errRefused):
			r.fate, r.why = refused, err.Error()
		default:
			r.fate, r.why = lost, inShort(err)
		}
	})
}

// inShort is why, without addresses, so that equal reasons can be counted.
func inShort(err error) string {
	var number unix.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	return err.Error()
}

// ended says that the server has closed an idle connection, or sent something unasked.
func ended(conn *net.TCPConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return true
	}
	idle := false
	err = raw.Control(func(fd uintptr) {
		_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		idle = errors.Is(err, unix.EAGAIN)
	})
	return err != nil || !idle
}

// acked is how many bytes the server's kernel has taken.
func acked(conn *net.TCPConn) uint64 {
	var n uint64
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = info.Bytes_acked
		}
	})
	return n
}

func (c *traffic) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.fresh)
	c.fresh = make(chan struct{})
}

func (c *traffic) until(what string, enough func() bool) {
	c.t.Helper()
	late := time.After(hangs)
	for {
		c.mu.Lock()
		ok, fresh := enough(), c.fresh
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-fresh:
		case <-late:
			c.t.Fatalf("still waiting for %s", what)
		}
	}
}

// of are the requests of a fate, once all have met theirs.
func (c *traffic) of(f fate) []*request {
	c.wg.Wait()
	return slices.DeleteFunc(slices.Clone(c.all), func(r *request) bool { return r.fate != f })
}

func (c *traffic) String() string {
	why := map[string]int{}
	for _, r := range c.of(lost) {
		why[r.why]++
	}
	kept := 0
	for _, r := range c.of(answered) {
		if r.kept {
			kept++
		}
	}
	return fmt.Sprintf("%d answered (%d on kept connections), %d refused, %d lost %v", len(c.of(answered)), kept,
		len(c.of(refused)), len(c.of(lost)), why)
}

// preconnect opens a connection that never carries a byte, and keeps it until nobody is there any more.
func (s *site) preconnect() {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.clients.addr.String())
	if err != nil {
		s.t.Fatal(err)
	}
	context.AfterFunc(s.clients.over, func() { conn.Close() })
}
