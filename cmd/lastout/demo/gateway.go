package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// quiet is how long a connection without a request in hand counts as in use: its client may just be sending one.
const quiet = 500 * time.Millisecond

// GatewayOptions describe a gateway.
type GatewayOptions struct {
	Listen  string    // host:port or unix:PATH
	To      []string  // the workers: host:port or unix:PATH
	Control string    // address of the control socket; empty: none
	Out     io.Writer // for people
}

// Gateway carries requests to the workers in turn, and their answers back, until the context ends. Unless it was asked to
// drain before, it then does what an ordinary server does when told: it closes its door, finishes what is in hand, and
// returns.
func Gateway(ctx context.Context, o GatewayOptions) error {
	if len(o.To) == 0 {
		return errors.New("a gateway needs workers to carry requests to")
	}
	l, err := listen(o.Listen)
	if err != nil {
		return err
	}
	g := &gateway{o: o, door: newDoor(l, func(s string) { fmt.Fprintln(o.Out, s) }), conns: newConns()}
	if g.workers, err = newWorkers(o.To, o.Out); err != nil {
		return err
	}
	g.srv = &http.Server{Handler: g, ConnState: g.conns.note}
	g.served = make(chan struct{})
	var failed error
	go func() {
		defer close(g.served)
		failed = g.srv.Serve(g.door)
	}()
	if o.Control != "" {
		control, err := net.Listen("unix", trimUnix(o.Control))
		if err != nil {
			return fmt.Errorf("cannot open control socket: %w", err)
		}
		defer control.Close() // removes its file
		mux := http.NewServeMux()
		mux.HandleFunc("POST /drain", g.serveDrain)
		go http.Serve(control, mux)
	}
	fmt.Fprintf(o.Out, "listening on %s\n", where(l))
	if err := sayReady(); err != nil {
		return err
	}
	select {
	case <-g.served:
		if !g.drains.Load() {
			return failed
		}
		<-ctx.Done()
	case <-ctx.Done():
	}
	fmt.Fprintln(o.Out, "told to leave")
	if err := g.leave(); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "left after %d answers\n", g.answered.Load())
	return nil
}

type gateway struct {
	o        GatewayOptions
	door     *door
	srv      *http.Server
	served   chan struct{} // closed when nobody is let in any more
	conns    *conns
	workers  []*httputil.ReverseProxy
	turn     atomic.Uint64
	answered atomic.Int64
	drains   atomic.Bool
	drained  sync.Once
}

// newWorkers makes a way to each worker. An answer goes on to the client as it comes.
func newWorkers(to []string, out io.Writer) ([]*httputil.ReverseProxy, error) {
	var all []*httputil.ReverseProxy
	for _, address := range to {
		c, root, err := client(address)
		if err != nil {
			return nil, err
		}
		all = append(all, &httputil.ReverseProxy{
			Rewrite:       func(p *httputil.ProxyRequest) { rewrite(p, root) },
			Transport:     c.Transport,
			FlushInterval: -1,
			ErrorLog:      log.New(out, "", 0),
		})
	}
	return all, nil
}

func rewrite(p *httputil.ProxyRequest, root *url.URL) {
	p.SetURL(root)
	p.SetXForwarded()
}

// ServeHTTP hands the request to the next worker. While draining it tells the client that this answer is the last on
// its connection, so that connections end at a moment that both sides know of.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.drains.Load() {
		w.Header().Set("Connection", "close")
	}
	n := g.turn.Add(1) - 1
	g.workers[n%uint64(len(g.workers))].ServeHTTP(w, r)
	g.answered.Add(1)
}

// serveDrain answers when the gateway is drained, which is how whoever asked learns of it.
func (g *gateway) serveDrain(w http.ResponseWriter, _ *http.Request) {
	took := g.drain()
	fmt.Fprintf(w, "drained in %v\n", took.Round(time.Millisecond))
}

// leave is the end. The graceful stop of net/http is all there is without a drain: it knows nothing of who waits at the
// door, or of workers that have left before.
func (g *gateway) leave() error {
	if g.drains.Load() {
		g.drain() // it may be under way
		return nil
	}
	return g.srv.Shutdown(context.Background())
}

// drain shuts the door, waits until nothing is in hand, and closes what is idle. It may be asked for more than once, and
// returns when it is over.
func (g *gateway) drain() time.Duration {
	begin := time.Now()
	g.drained.Do(func() {
		g.drains.Store(true)
		fmt.Fprintf(g.o.Out, "draining: no new connections; %d connections are open\n", g.conns.open())
		g.door.Shut()
		<-g.served
		g.conns.wait(quiet)
		ctx, cancel := context.WithTimeout(context.Background(), quiet)
		defer cancel()
		if g.srv.Shutdown(ctx) != nil { // some never carried a byte, or one has just sent its request
			g.conns.wait(quiet)
			g.srv.Close()
		}
		fmt.Fprintln(g.o.Out, "drained: nothing is in hand")
	})
	return time.Since(begin)
}

// conns knows what each connection is doing.
type conns struct {
	mu      sync.Mutex
	all     map[net.Conn]connState
	changed chan struct{} // closed and renewed at each change
}

type connState struct {
	active bool
	since  time.Time
}

func newConns() *conns { return &conns{all: map[net.Conn]connState{}, changed: make(chan struct{})} }

// note is the server's ConnState hook.
func (c *conns) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle:
		c.all[conn] = connState{since: time.Now()}
	case http.StateActive:
		c.all[conn] = connState{active: true, since: time.Now()}
	case http.StateHijacked, http.StateClosed:
		delete(c.all, conn)
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *conns) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all)
}

// wait returns when no connection has a request in hand, and each that is open has been idle for the given time.
func (c *conns) wait(idle time.Duration) {
	for {
		left, changed := c.busy(idle)
		if left == 0 {
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// busy says for how long at least it is not all idle yet, and what to wait on for a change.
func (c *conns) busy(idle time.Duration) (time.Duration, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var left time.Duration
	for _, s := range c.all {
		if s.active {
			return time.Hour, c.changed // whatever happens to it is a change
		}
		left = max(left, idle-time.Since(s.since))
	}
	return left, c.changed
}

// Drain asks the gateway with the given control socket to drain, and returns when it is drained.
func Drain(ctx context.Context, control string, out io.Writer) error {
	c, root, err := client("unix:" + trimUnix(control))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, root.JoinPath("drain").String(), nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return fmt.Errorf("cannot ask the gateway to drain: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New("the gateway answers " + resp.Status)
	}
	_, err = io.Copy(out, resp.Body)
	return err
}
