package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Options describe a load.
type Options struct {
	URL         *url.URL
	Rate        float64       // requests a second
	Connections int           // at most so many requests at once; what comes on top is not sent, and counted
	Keep        float64       // share of the requests that are sent on kept connections, 0 to 1
	Slow        float64       // share of those that read their answer slowly, on a connection of their own
	Body        int           // bytes of a POST; 0: GET
	Preconnects int           // connections that never carry a byte
	Patience    time.Duration // for an answer
	Insecure    bool          // believe any certificate
	Seed        uint64        // which request goes which way

	// Check refuses an answer that came whole; n is the length of its body. nil: all but 5xx is good.
	Check func(id string, resp *http.Response, n int64) error
}

// Aim sets what is loaded.
func (o *Options) Aim(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return fmt.Errorf("cannot use the URL %q: %w", text, errors.Unwrap(err))
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("cannot use the URL %q: it begins neither with http:// nor with https://", text)
	case u.Hostname() == "":
		return fmt.Errorf("cannot use the URL %q: it names no host", text)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	o.URL = u
	return nil
}

// Load is one load. It sends requests at a steady pace, whether or not earlier ones were answered, as the world does.
type Load struct {
	o       Options
	address string
	begin   time.Time
	pool    pool
	open    atomic.Int64 // requests in hand
	skipped atomic.Int64

	mu       sync.Mutex
	requests []Request
	idlers   idlers
}

// New prepares a load. Its clock begins now.
func New(o Options) *Load {
	if o.Patience <= 0 {
		o.Patience = Patience
	}
	port := o.URL.Port()
	if port == "" {
		port = o.URL.Scheme // its name is the service's
	}
	return &Load{o: o, address: net.JoinHostPort(o.URL.Hostname(), port), begin: time.Now()}
}

// Begin is when the clock of the records began.
func (l *Load) Begin() time.Time { return l.begin }

// Open is how many requests are in hand.
func (l *Load) Open() int { return int(l.open.Load()) }

// Skipped is how many were not sent, because too many were in hand.
func (l *Load) Skipped() int { return int(l.skipped.Load()) }

// Try sends one request that has no name and is not counted, and says why it was not answered well.
func (l *Load) Try(ctx context.Context) error {
	if r := l.send(ctx, "", manner{}); r.Fate != Answered {
		return fmt.Errorf("%s does not answer: %s", l.o.URL, r.Why)
	}
	return nil
}

// Run sends requests until the context ends, gives up who still knocks then, and returns when each has met its fate.
func (l *Load) Run(ctx context.Context) {
	defer l.pool.close()
	l.idlers.open(ctx, l)
	defer l.idlers.close()
	dice := rand.New(rand.NewPCG(l.o.Seed, 1))
	every := time.Duration(float64(time.Second) / l.o.Rate)
	tick := time.NewTicker(every)
	defer tick.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	first := time.Now()
	for n := 1; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for ; time.Since(first) >= time.Duration(n)*every; n++ { // ticks that were missed are made up for
			m := manner{kept: dice.Float64() < l.o.Keep, slow: dice.Float64() < l.o.Slow}
			if l.Open() >= l.o.Connections {
				l.skipped.Add(1)
				continue
			}
			id := "r" + strconv.Itoa(n)
			l.open.Add(1)
			all.Go(func() {
				defer l.open.Add(-1)
				l.keep(l.send(ctx, id, m))
			})
		}
	}
}

func (l *Load) keep(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = append(l.requests, r)
}

// Requests are the records, in the order of their ends.
func (l *Load) Requests() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.requests
}

// Idlers says how many preconnects there were, and how many of them the server had ended before the load was over.
func (l *Load) Idlers() (opened, ended int) { return l.idlers.opened, int(l.idlers.ended.Load()) }

// idlers are connections that never carry a byte, such as a browser opens in advance.
type idlers struct {
	opened int
	ended  atomic.Int64
	conns  []net.Conn
	watch  sync.WaitGroup
}

func (p *idlers) open(ctx context.Context, l *Load) {
	for range l.o.Preconnects {
		c, err := (&net.Dialer{Timeout: knock}).DialContext(ctx, "tcp", l.address)
		if err != nil {
			continue
		}
		p.opened++
		p.conns = append(p.conns, c)
		p.watch.Go(func() {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				p.ended.Add(1)
			}
		})
	}
}

// close is what the client does in the end; only what was closed before it counts as ended by the server.
func (p *idlers) close() {
	for _, c := range p.conns {
		c.Close()
	}
	p.watch.Wait()
}
