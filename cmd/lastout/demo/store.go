package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Store is a counter behind a socket, the smallest backing store there is: POST /count adds one. It serves until the
// context ends, and then takes the time that leave says, as a database does that writes its last pages.
func Store(ctx context.Context, address string, leave time.Duration, out io.Writer) error {
	l, err := listen(address)
	if err != nil {
		return err
	}
	var n atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /count", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, n.Add(1)) })
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, n.Load()) })
	srv := &http.Server{Handler: mux}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	fmt.Fprintf(out, "listening on %s\n", where(l))
	if err := sayReady(); err != nil {
		return err
	}
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	fmt.Fprintf(out, "told to leave; writing down that %d answers were counted\n", n.Load())
	if err := srv.Shutdown(context.Background()); err != nil {
		return err
	}
	<-time.After(leave)
	fmt.Fprintln(out, "left")
	return nil
}

// Task does something that takes the given time, says so, and is done; told to leave, it breaks off with an error.
func Task(ctx context.Context, what string, takes time.Duration, out io.Writer) error {
	fmt.Fprintf(out, "%s...\n", what)
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s: told to leave before it was done", what)
	case <-time.After(takes):
	}
	fmt.Fprintf(out, "%s: done\n", what)
	return nil
}
