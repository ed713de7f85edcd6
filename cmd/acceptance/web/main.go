// Command web is a gateway or a worker for tests, as people write them: it knows nothing of lastout.
//
//	web worker -listen ADDR [-takes 100ms]    answers "answer to QUERY" after that time, or, with ?bytes=N, N bytes;
//	                                          at SIGTERM it finishes what it has in hand and leaves
//	web gateway -listen ADDR -to ADDR,...     carries requests to the workers in turn; SIGTERM ends it at once
//
// Without -listen it takes the socket that it was handed (LISTEN_FDS, sd_listen_fds(3)). It says where it listens.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	flags := flag.NewFlagSet("web", flag.ExitOnError)
	address := flags.String("listen", "", "address to listen on; empty: the socket that was handed over")
	takes := flags.Duration("takes", 100*time.Millisecond, "how long a worker takes for an answer")
	to := flags.String("to", "", "addresses of the gateway's workers")
	var run func(net.Listener) error
	if len(os.Args) > 1 {
		_ = flags.Parse(os.Args[2:]) // it exits on errors
		switch os.Args[1] {
		case "worker":
			run = func(l net.Listener) error { return work(l, *takes) }
		case "gateway":
			run = func(l net.Listener) error { return carry(l, strings.Split(*to, ",")) }
		}
	}
	if run == nil {
		fmt.Fprintln(os.Stderr, "usage: web worker|gateway [-listen ADDR]")
		os.Exit(2)
	}
	l, err := listen(*address)
	if err == nil {
		fmt.Println("listening on", l.Addr())
		err = run(l)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func listen(address string) (net.Listener, error) {
	if address != "" {
		return net.Listen("tcp", address)
	}
	if pid, _ := strconv.Atoi(os.Getenv("LISTEN_PID")); pid != os.Getpid() || os.Getenv("LISTEN_FDS") != "1" {
		return nil, fmt.Errorf("no socket was handed over: LISTEN_PID=%q LISTEN_FDS=%q, and this is %d",
			os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getpid())
	}
	f := os.NewFile(3, "socket")
	defer f.Close()
	return net.FileListener(f)
}

func work(l net.Listener, takes time.Duration) error {
	inHand := newHand()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inHand.add(1)
		defer inHand.add(-1)
		<-time.After(takes)
		if n, _ := strconv.Atoi(r.FormValue("bytes")); n > 0 {
			w.Header().Set("Content-Length", strconv.Itoa(n))
			_, _ = io.CopyN(w, zeros{}, int64(n))
			return
		}
		fmt.Fprintf(w, "answer to %s", r.URL.RawQuery)
	})}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	go func() {
		<-told
		server.SetKeepAlivesEnabled(false)
		l.Close()
	}()
	if err := server.Serve(l); !errors.Is(err, net.ErrClosed) {
		return err
	}
	inHand.wait()
	return nil
}

// hand counts the requests that are answered just now. A sync.WaitGroup would not do: on a connection that was taken
// before, one more may come while wait returns.
type hand struct {
	sync.Cond
	requests int
}

func newHand() *hand { return &hand{Cond: sync.Cond{L: new(sync.Mutex)}} }

func (h *hand) add(n int) {
	h.L.Lock()
	defer h.L.Unlock()
	h.requests += n
	h.Broadcast()
}

func (h *hand) wait() {
	h.L.Lock()
	defer h.L.Unlock()
	for h.requests > 0 {
		h.Wait()
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func carry(l net.Listener, workers []string) error {
	var turn atomic.Uint64
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme = "http"
		r.Out.URL.Host = workers[turn.Add(1)%uint64(len(workers))]
	}}
	return http.Serve(l, proxy)
}
