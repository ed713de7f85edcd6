package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Fate is what became of a request, as its client saw it.
type Fate string

// The fates. Only what never reached the gateway counts as refused: once a byte was sent, everything but a whole answer
// is a loss.
const (
	Answered Fate = "answered"
	Refused  Fate = "refused"
	Lost     Fate = "lost"
)

// Request is one request's record.
type Request struct {
	ID    string        `json:"id"`
	Begin time.Duration `json:"begin"` // since the load began
	End   time.Duration `json:"end"`
	Fate  Fate          `json:"fate"`
	Why   string        `json:"why,omitempty"` // of a refusal or a loss
}

// patience is how long a client waits for an answer before it counts it as lost. It is far above what an answer takes.
const patience = 15 * time.Second

// load sends requests at a steady pace, whether or not earlier ones were answered, as the world does. Every other one
// brings a connection of its own; the rest share connections that are kept.
type load struct {
	url    string
	size   int
	kept   *http.Client
	single *http.Client
	begin  time.Time
	open   atomic.Int64 // requests in hand

	mu       sync.Mutex
	requests []Request
}

func newLoad(url string, size int) *load {
	dial := (&net.Dialer{Timeout: patience}).DialContext
	return &load{
		url: url, size: size, begin: time.Now(),
		kept:   &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 64}},
		single: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}},
	}
}

// run sends requests until the context ends, and returns when each has met its fate.
func (l *load) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		client := l.kept
		if n%2 == 0 {
			client = l.single
		}
		l.open.Add(1)
		all.Go(func() {
			defer l.open.Add(-1)
			l.keep(l.send(client, "r"+strconv.Itoa(n)))
		})
	}
}

func (l *load) keep(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = append(l.requests, r)
}

// send sends one request and sees what becomes of it.
func (l *load) send(client *http.Client, id string) Request {
	r := Request{ID: id, Begin: time.Since(l.begin)}
	var sent atomic.Bool // a byte went out, on any connection
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	})
	err := l.exchange(ctx, client, id)
	r.End = time.Since(l.begin)
	switch {
	case err == nil:
		r.Fate = Answered
	case !sent.Load():
		r.Fate, r.Why = Refused, reason(err)
	default:
		r.Fate, r.Why = Lost, reason(err)
	}
	return r
}

// exchange is content with nothing but the whole answer to this very request.
func (l *load) exchange(ctx context.Context, client *http.Client, id string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url, nil)
	if err != nil {
		return err
	}
	req.Header.Set(requestID, id)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	switch {
	case err != nil:
		return fmt.Errorf("answer broke off after %d bytes: %w", n, err)
	case resp.StatusCode != http.StatusOK:
		return errors.New("answered " + resp.Status)
	case n != int64(l.size):
		return fmt.Errorf("answer has %d bytes of %d", n, l.size)
	case resp.Header.Get(requestID) != id:
		return fmt.Errorf("got the answer to %q", resp.Header.Get(requestID))
	}
	return nil
}

// reason puts an error into few words, so that equal ones can be counted.
func reason(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "answer broke off"
	case errors.Is(err, io.EOF):
		return "connection closed without an answer"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer within " + patience.String()
	}
	return err.Error()
}
