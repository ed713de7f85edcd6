package load

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func aim(t *testing.T, o Options, url string) *Load {
	t.Helper()
	if err := o.Aim(url); err != nil {
		t.Fatal(err)
	}
	return New(o)
}

// serve gives each connection to a function of its own, in the order in which they come, the last one to all further.
func serve(t *testing.T, each ...func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			each[min(n, len(each)-1)](c)
			c.Close()
		}
	}()
	return "http://" + l.Addr().String() + "/"
}

// take reads one request of these tests.
func take(c net.Conn) { c.Read(make([]byte, 64<<10)) }

func answer(header, body string) func(net.Conn) {
	return func(c net.Conn) {
		take(c)
		io.WriteString(c, header+"\r\n"+body)
	}
}

const (
	good     = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
	bad      = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n"
	chunked  = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
	patience = 20 * time.Second
)

// reset makes the close to come a reset (socket(7), SO_LINGER).
func reset(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }

// What a client sees of a server that misbehaves is a loss, in each way; only what never had a connection is refused.
func TestFates(t *testing.T) {
	for name, test := range map[string]struct {
		serve func(net.Conn)
		fate  Fate
		why   string
	}{
		"whole":             {answer(good, "abcd"), Answered, ""},
		"not found":         {answer("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n", "abcd"), Answered, ""},
		"announced":         {answer("HTTP/1.1 103 Early Hints\r\n\r\n"+good, "abcd"), Answered, ""},
		"in chunks":         {answer(chunked, "4\r\nabcd\r\n0\r\n\r\n"), Answered, ""},
		"without length":    {answer("HTTP/1.1 200 OK\r\n", "abcd"), Answered, ""},
		"error":             {answer(bad, ""), Lost, "answered 502 Bad Gateway"},
		"truncated":         {answer(good, "ab"), Lost, "answer broke off"},
		"truncated chunks":  {answer(chunked, "4\r\nabcd\r\n"), Lost, "answer broke off"},
		"truncated header":  {answer("HTTP/1.1 200 OK\r\nContent-", ""), Lost, "answer broke off"},
		"closed":            {take, Lost, "connection closed without an answer"},
		"reset":             {func(c net.Conn) { c.Read(make([]byte, 1)); reset(c) }, Lost, "connection reset"},
		"reset before sent": {reset, Lost, "connection reset"},
	} {
		t.Run(name, func(t *testing.T) {
			l := aim(t, Options{}, serve(t, test.serve))
			r := l.send(context.Background(), "x", manner{})
			if r.Fate != test.fate || r.Why != test.why {
				t.Errorf("%s (%s), want %s (%s)", r.Fate, r.Why, test.fate, test.why)
			}
			if want := name == "without length"; r.Endless != want {
				t.Errorf("endless is %v", r.Endless)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	l := aim(t, Options{}, "http://"+gone.Addr().String())
	if r := l.send(context.Background(), "x", manner{}); r.Fate != Refused || r.Why != "connection refused" {
		t.Errorf("nobody there: %s (%s)", r.Fate, r.Why)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if r := l.send(over, "x", manner{}); r.Fate != Refused || r.Why != errLate.Error() {
		t.Errorf("the load is over: %s (%s)", r.Fate, r.Why)
	}
	err = l.Try(context.Background())
	if err == nil || !strings.Contains(err.Error(), "does not answer: connection refused") {
		t.Errorf("try says %v", err)
	}
}

// An answer that does not come is lost when the patience is over.
func TestPatience(t *testing.T) {
	wait := make(chan struct{})
	url := serve(t, func(net.Conn) { <-wait })
	t.Cleanup(func() { close(wait) })
	l := aim(t, Options{Patience: 50 * time.Millisecond}, url)
	if r := l.send(context.Background(), "x", manner{}); r.Fate != Lost || r.Why != "nothing came in time" {
		t.Errorf("%s (%s)", r.Fate, r.Why)
	}
}

// keep makes a load with one kept connection, whose server has answered once and does the rest after that.
func keep(t *testing.T, o Options, rest func(net.Conn), next func(net.Conn)) *Load {
	t.Helper()
	url := serve(t, func(c net.Conn) {
		answer(good, "abcd")(c)
		rest(c)
	}, next)
	l := aim(t, o, url)
	if r := l.send(context.Background(), "first", manner{kept: true}); r.Fate != Answered || r.Kept {
		t.Fatalf("first: %+v", r)
	}
	t.Cleanup(l.pool.close)
	return l
}

// A kept connection is used again.
func TestKept(t *testing.T) {
	l := keep(t, Options{}, answer(good, "abcd"), take)
	r := l.send(context.Background(), "second", manner{kept: true})
	if r.Fate != Answered || !r.Kept || r.Retried {
		t.Errorf("%+v", r)
	}
}

// A request that the server took from a kept connection and did not answer is lost, though many clients would repeat
// it in silence.
func TestKeptAndDropped(t *testing.T) {
	l := keep(t, Options{}, take, answer(good, "abcd"))
	r := l.send(context.Background(), "second", manner{kept: true})
	if r.Fate != Lost || r.Retried || r.Why != "connection closed without an answer" {
		t.Errorf("%+v", r)
	}
}

// A request that never arrived, because the server had reset its kept connection, is sent again on a new one; a POST is
// not. The reset is made to cross the request: the client looks at the connection before the server is let go.
func TestCrossed(t *testing.T) {
	for _, body := range []int{0, 10} {
		served := make(chan struct{})
		closed := make(chan struct{})
		url := serve(t, func(c net.Conn) {
			answer(good, "abcd")(c)
			<-served
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
			close(closed)
		}, answer(good, "abcd"))
		l := aim(t, Options{Body: body}, url)
		if r := l.send(context.Background(), "first", manner{kept: true}); r.Fate != Answered {
			t.Fatalf("first: %+v", r)
		}
		c := l.pool.take() // still open as far as can be seen
		if c == nil {
			t.Fatal("nothing was kept")
		}
		before, known := c.acked()
		if !known || before == 0 {
			t.Fatalf("acknowledged: %d, %v", before, known)
		}
		close(served)
		<-closed
		err := l.exchange(c, &Request{ID: "second"}, manner{kept: true})
		if err == nil {
			t.Fatal("no error on a connection that was reset")
		}
		if got, want := l.crossed(c, before, err), body == 0; got != want {
			t.Errorf("body %d: crossed is %v: %v", body, got, err)
		}
		c.Close()
	}
}

// A connection that was closed while it was idle is not used at all.
func TestClosedWhileIdle(t *testing.T) {
	closed := make(chan struct{})
	l := keep(t, Options{}, func(c net.Conn) { c.Close(); close(closed) }, answer(good, "abcd"))
	<-closed
	r := l.send(context.Background(), "second", manner{kept: true})
	if r.Fate != Answered || r.Kept || r.Retried {
		t.Errorf("%+v", r)
	}
}

// The whole: a server that answers well, with everything that a load can bring.
func TestRun(t *testing.T) {
	body := bytes.Repeat([]byte("."), 32<<10)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set(RequestID, r.Header.Get(RequestID))
		w.Write(body)
	})
	for name, test := range map[string]struct {
		start func(*httptest.Server)
		o     Options
	}{
		"http":  {(*httptest.Server).Start, Options{Preconnects: 2, Slow: 0.2}},
		"post":  {(*httptest.Server).Start, Options{Body: 100_000}},
		"https": {(*httptest.Server).StartTLS, Options{Insecure: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewUnstartedServer(h)
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			test.start(srv)
			t.Cleanup(srv.Close)
			test.o.Rate, test.o.Connections, test.o.Keep, test.o.Patience = 200, 50, 0.5, patience
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			var answered atomic.Int64
			test.o.Check = func(string, *http.Response, int64) error {
				if answered.Add(1) == 60 {
					stop()
				}
				return nil
			}
			l := aim(t, test.o, srv.URL)
			l.Run(ctx)
			kept := 0
			for _, r := range l.Requests() {
				if r.Kept {
					kept++
				}
				if r.Fate != Answered && r.Why != errLate.Error() {
					t.Errorf("%+v", r)
				}
			}
			if n := len(l.Requests()); n < 60 || kept == 0 || kept == n {
				t.Errorf("%d requests, %d of them on kept connections", n, kept)
			}
			if opened, ended := l.Idlers(); opened != test.o.Preconnects || ended != 0 {
				t.Errorf("%d preconnects, %d ended", opened, ended)
			}
		})
	}
}

// An answer that Check refuses is lost, and a certificate that nobody vouches for is no connection that was refused.
func TestCheckAndCertificate(t *testing.T) {
	o := Options{Check: func(string, *http.Response, int64) error { return io.ErrNoProgress }}
	l := aim(t, o, serve(t, answer(good, "abcd")))
	if r := l.send(context.Background(), "x", manner{}); r.Fate != Lost || r.Why != io.ErrNoProgress.Error() {
		t.Errorf("%+v", r)
	}
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	l = aim(t, Options{}, srv.URL)
	if r := l.send(context.Background(), "x", manner{}); r.Fate != Lost || !strings.Contains(r.Why, "certificate") {
		t.Errorf("%+v", r)
	}
}

func TestAim(t *testing.T) {
	for text, want := range map[string]string{
		"http://x":          "http://x/",
		"https://x:1/a?b=c": "https://x:1/a?b=c",
		"localhost:8080":    "begins neither",
		"ftp://x/":          "begins neither",
		"http:///a":         "names no host",
		"http://x:y/":       "invalid port",
	} {
		var o Options
		err := o.Aim(text)
		switch {
		case err != nil && !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v, want %s", text, err, want)
		case err == nil && o.URL.String() != want:
			t.Errorf("%s is %s, want %s", text, o.URL, want)
		}
	}
}

func TestTally(t *testing.T) {
	requests := []Request{
		{Begin: 0, End: 4, Fate: Lost, Why: "warm-up"},
		{Begin: 1, End: 12, Fate: Lost, Why: "cut"}, // it was in hand all the same
		{Begin: 5, End: 6, Fate: Answered, Endless: true},
		{Begin: 6, End: 7, Fate: Refused, Why: "door"},
		{Begin: 8, End: 15, Fate: Answered, Retried: true},
		{Begin: 9, End: 16, Fate: Lost, Why: "cut"},
		{Begin: 20, End: 21, Fate: Refused, Why: "door"},
	}
	got := NewTally(requests, 5, 10)
	want := Tally{
		Sent: 6, Answered: 2, Refused: 1, Lost: 2, Failed: 1, Retried: 1, InHand: 3, After: 1, Endless: 1,
		Why: map[string]int{"failed before the stop: door": 1, "lost: cut": 2, "refused: door": 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tally (-want +got):\n%s", diff)
	}
	var twice Tally
	twice.Add(got)
	twice.Add(Tally{Skipped: 3, PreconnectsOpened: 2, PreconnectsEnded: 1, Why: map[string]int{"lost: cut": 1}})
	if twice.Why["lost: cut"] != 3 || twice.Sent != 6 || twice.InHand != 3 || got.Why["lost: cut"] != 2 {
		t.Errorf("added up: %+v", twice)
	}
	var b bytes.Buffer
	twice.Text(&b)
	for _, want := range []string{
		"6 requests; 3 were in hand", "failed         1", "3   not sent", "1   sent a second time",
		"the server ended 1 of them", "1   answers told no length",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the text has no %q:\n%s", want, b.String())
		}
	}
	if got.Clean() || !(&Tally{InHand: 1}).Clean() || (&Tally{}).Clean() {
		t.Error("clean is not what it should be")
	}
}
