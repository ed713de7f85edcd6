package engine

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lastout/process/sockdiag"
)

func ignore(error) {}

// The first look is at once, further ones at each interval, and a hung one is given up after its bound.
func TestPollLooksAtOnceAndAtEachInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var looks []time.Duration
		ready := poll(100*time.Millisecond, 2*time.Second, func(ctx context.Context) error {
			looks = append(looks, time.Since(began))
			switch len(looks) {
			case 2:
				<-ctx.Done() // hangs: the ticks of this time are not made up for, but one
			case 4:
				return nil
			}
			return errors.New("not yet")
		})(t.Context(), ignore)
		want := []time.Duration{0, 100 * time.Millisecond, 2100 * time.Millisecond, 2200 * time.Millisecond}
		if !ready || !slices.Equal(looks, want) {
			t.Errorf("ready %v after looks at %v, want %v", ready, looks, want)
		}
	})
}

// Poll says what it saw last: not that it was cancelled, but why it had to be.
func TestPollSaysWhatItSaw(t *testing.T) {
	for _, c := range []struct {
		over time.Duration
		want string
	}{
		{50 * time.Millisecond, "no look has come to its end"},
		{150 * time.Millisecond, "refused"},
		{1150 * time.Millisecond, "no answer within 1s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.over)
			defer cancel()
			looks := 0
			var seen error
			poll(100*time.Millisecond, time.Second, func(ctx context.Context) error {
				if looks++; looks == 1 {
					select {
					case <-time.After(90 * time.Millisecond):
						return errors.New("refused")
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				<-ctx.Done()
				return ctx.Err()
			})(ctx, func(err error) { seen = err })
			if seen == nil || seen.Error() != c.want {
				t.Errorf("after %v: %v, want %q", c.over, seen, c.want)
			}
		})
	}
}

func TestPollEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		defer cancel()
		looks := 0
		ready := poll(100*time.Millisecond, time.Second, func(context.Context) error { looks++; return io.EOF })(ctx, ignore)
		if ready || looks != 3 || time.Since(began) != 250*time.Millisecond {
			t.Errorf("ready %v, %d looks, over after %v; want false, 3, 250ms", ready, looks, time.Since(began))
		}
	})
}

func TestTCPLook(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := tcp.Addr().String()
	if err := tcpLook(address)(t.Context()); err != nil {
		t.Errorf("%s: %v while somebody listens", address, err)
	}
	tcp.Close()
	for _, address := range []string{address, "no port"} {
		if tcpLook(address)(t.Context()) == nil {
			t.Errorf("%s: ready while nobody listens", address)
		}
	}
}

func TestHTTPLook(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://127.0.0.1:1/nobody")
		w.WriteHeader(status)
	}))
	defer server.Close()
	secure := httptest.NewTLSServer(server.Config.Handler)
	defer secure.Close()
	for _, c := range []struct {
		status int
		ready  bool
	}{{200, true}, {204, true}, {302, true}, {399, true}, {400, false}, {404, false}, {500, false}, {503, false}} {
		status = c.status
		for _, url := range []string{server.URL, secure.URL} {
			if got := httpLook(url, new(givenUp))(t.Context()); (got == nil) != c.ready {
				t.Errorf("%s: status %d: %v, want ready %v", url, c.status, got, c.ready)
			}
		}
	}
	status = http.StatusOK
	server.Close()
	if httpLook(server.URL, new(givenUp))(t.Context()) == nil {
		t.Error("ready while nobody listens")
	}
	if httpLook("://", new(givenUp))(t.Context()) == nil {
		t.Error("an address that is none is ready")
	}
}

// A look that is given up leaves no question behind in the queue of the listener, and of one that is answered the whole
// answer is taken in: neither looks like a client that was cut off.
func TestHTTPLookLeavesNothingBehind(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	given := new(givenUp)
	look := httpLook("http://"+l.Addr().String(), given)
	ctx, giveUp := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- look(ctx) }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	rd := bufio.NewReader(conn)
	if _, err := http.ReadRequest(rd); err != nil {
		t.Fatal(err)
	}
	giveUp()
	if <-over == nil {
		t.Error("ready without an answer")
	}
	if _, err := rd.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("given up: %v, want a reset", err)
	}
	peer := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	conn.Close()
	sample := sockdiag.Sample{Peer: peer}
	sample.Info.LastReceived = 60_000 // ms
	if !given.has(&sample, time.Now()) {
		t.Error("given up, and not remembered")
	}
	if given.has(&sample, time.Now().Add(time.Hour)) {
		t.Error("a later connection from the same port is taken for it")
	}

	ctx, done := context.WithCancel(t.Context())
	go func() { over <- look(ctx) }()
	if conn, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rd = bufio.NewReader(conn)
	if _, err := http.ReadRequest(rd); err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n")
	if err := <-over; err != nil {
		t.Error(err)
	}
	done() // as poll does when it has what it wants
	for range 2 {
		if _, err := io.WriteString(conn, "."); err != nil {
			t.Error(err)
		}
	}
	if _, err := rd.ReadByte(); err != io.EOF {
		t.Errorf("answered: %v, want its end", err)
	}
}

func TestLineProber(t *testing.T) {
	for _, c := range []struct {
		written string
		ready   bool
	}{
		{"\n", true},
		{"ready\n", true},
		{strings.Repeat("long", 100) + "\n", true},
		{"", false},
		{"almost", false},
		{strings.Repeat("long", 100), false},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteString(c.written); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if got := lineProber(r)(t.Context(), ignore); got != c.ready {
			t.Errorf("%q: ready %v, want %v", c.written, got, c.ready)
		}
		r.Close()
	}
}

func TestLineProberIsCancelled(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan bool)
	go func() { over <- lineProber(r)(ctx, ignore) }()
	cancel()
	if <-over {
		t.Error("ready without a line")
	}
}
