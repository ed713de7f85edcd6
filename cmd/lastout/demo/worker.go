package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"lastout/cmd/lastout/load"
)

// WorkerOptions describe a worker.
type WorkerOptions struct {
	Listen string        // host:port or unix:PATH
	Delay  time.Duration // how long each answer takes
	Size   int           // bytes of each answer
	AtOnce int           // how many requests it works on at once, the others wait at its door; 0: on all of them
	Store  string        // address of a store to count in; empty: none
	Record string        // file that gets a line when a request is started and when it is finished; empty: none
	Out    io.Writer     // for people
}

// Worker serves until the context ends, then finishes what is in hand and returns.
func Worker(ctx context.Context, o WorkerOptions) error {
	w := &worker{o: o, work: bytes.Repeat([]byte("."), o.Size)}
	if o.Record != "" {
		f, err := os.OpenFile(o.Record, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("cannot open record: %w", err)
		}
		defer f.Close()
		w.record = f
	}
	if o.Store != "" {
		c, root, err := client(o.Store)
		if err != nil {
			return err
		}
		w.store, w.counter = c, root.JoinPath("count").String()
	}
	l, err := listen(o.Listen)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: w}
	if o.AtOnce > 0 {
		l = newTurnstile(l, o.AtOnce)
		srv.SetKeepAlivesEnabled(false) // nobody keeps a place for a request that he may send later
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	fmt.Fprintf(o.Out, "listening on %s\n", where(l))
	if err := sayReady(); err != nil {
		return err
	}
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	fmt.Fprintln(o.Out, "told to leave; finishing what is in hand")
	if err := srv.Shutdown(context.Background()); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "left after %d answers\n", w.answers())
	return nil
}

// worker answers each request slowly, as one that works on it would.
type worker struct {
	o       WorkerOptions
	work    []byte
	record  *os.File
	store   *http.Client
	counter string

	mu       sync.Mutex
	answered int
}

func (w *worker) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(load.RequestID)
	w.note("started", id)
	work := time.NewTimer(w.o.Delay)
	defer work.Stop()
	<-work.C
	if err := w.count(r.Context()); err != nil {
		fmt.Fprintf(w.o.Out, "cannot answer %s: %v\n", id, err)
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set(load.RequestID, id)
	rw.Header().Set("Content-Length", fmt.Sprint(len(w.work)))
	if _, err := rw.Write(w.work); err != nil {
		fmt.Fprintf(w.o.Out, "cannot answer %s: %v\n", id, err)
		return
	}
	w.note("finished", id)
	w.mu.Lock()
	w.answered++
	w.mu.Unlock()
}

func (w *worker) answers() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answered
}

// note writes one line with one write, so that the lines of several workers in one file never mix.
func (w *worker) note(what, id string) {
	if w.record != nil && id != "" {
		fmt.Fprintf(w.record, "%s %s\n", what, id)
	}
}

// count makes the store count this answer: without its store a worker cannot answer.
func (w *worker) count(ctx context.Context) error {
	if w.store == nil {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.counter, nil)
	if err != nil {
		return err
	}
	resp, err := w.store.Do(req)
	if err != nil {
		return fmt.Errorf("cannot reach the store: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("cannot read the store's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New("the store answers " + resp.Status)
	}
	return nil
}
