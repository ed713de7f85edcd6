package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The ledger is only worth something if it notices a loss: each way of losing a request is put into the books here.
func TestLedger(t *testing.T) {
	requests := []Request{
		{ID: "early", Begin: 0, End: 5, Fate: Answered},
		{ID: "in-hand", Begin: 8, End: 15, Fate: Answered},
		{ID: "cut", Begin: 9, End: 16, Fate: Lost, Why: "connection reset"},
		{ID: "late", Begin: 20, End: 21, Fate: Refused, Why: "connection refused"},
		{ID: "forged", Begin: 1, End: 2, Fate: Answered},
	}
	records := map[string]record{
		"early": {true, true}, "in-hand": {true, true}, "cut": {true, true}, "dropped": {started: true},
	}
	want := &Ledger{
		Sent: 5, Answered: 3, Refused: 1, Lost: 1, InHand: 2, After: 1,
		Why:     map[string]int{"lost: connection reset": 1, "refused: connection refused": 1},
		Started: 4, Finished: 3, Unanswered: []string{"cut", "dropped"}, Unheard: []string{"forged"},
		Unfinished: []string{"dropped"},
	}
	got := newLedger(requests, records, 10)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
	var b bytes.Buffer
	got.Text(&b)
	for _, want := range []string{
		"lost         1", "started by a worker, never answered: cut dropped", "never finished: dropped",
		"unknown to every worker: forged",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the text has no %q:\n%s", want, b.String())
		}
	}
}

func TestLedgerIsCleanOnlyIfNothingIsWrong(t *testing.T) {
	clean := func() *Ledger { return &Ledger{Sent: 3, Answered: 2, Refused: 1, InHand: 1, Started: 2, Finished: 2} }
	if !clean().Clean() {
		t.Error("a clean ledger is not clean")
	}
	for name, spoil := range map[string]func(*Ledger){
		"lost":       func(l *Ledger) { l.Lost = 1 },
		"unanswered": func(l *Ledger) { l.Unanswered = []string{"x"} },
		"unheard":    func(l *Ledger) { l.Unheard = []string{"x"} },
		"unfinished": func(l *Ledger) { l.Unfinished = []string{"x"} },
		"idle":       func(l *Ledger) { l.InHand = 0 },
	} {
		l := clean()
		if spoil(l); l.Clean() {
			t.Errorf("%s: is clean", name)
		}
	}
}

func TestReadRecords(t *testing.T) {
	got, err := readRecords(strings.NewReader("started a\nstarted b\nfinished a\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]record{"a": {true, true}, "b": {started: true}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(record{})); diff != "" {
		t.Error(diff)
	}
	if _, err := readRecords(strings.NewReader("stated a\n")); err == nil {
		t.Error("a broken record is read without an error")
	}
}

// What a client sees of a server that misbehaves is a loss, in each way; only what never had a connection is refused.
func TestFates(t *testing.T) {
	answer := func(header, body string) func(net.Conn) {
		return func(c net.Conn) {
			c.Read(make([]byte, 4096))
			io.WriteString(c, header+"Content-Length: 4\r\n"+body)
		}
	}
	for name, test := range map[string]struct {
		serve func(net.Conn)
		fate  Fate
		why   string
	}{
		"whole":     {answer("HTTP/1.1 200 OK\r\nX-Request-Id: x\r\n", "\r\nabcd"), Answered, ""},
		"error":     {answer("HTTP/1.1 502 Bad Gateway\r\n", "\r\nabcd"), Lost, "answered 502 Bad Gateway"},
		"truncated": {answer("HTTP/1.1 200 OK\r\nX-Request-Id: x\r\n", "\r\nab"), Lost, "answer broke off"},
		"other's":   {answer("HTTP/1.1 200 OK\r\nX-Request-Id: y\r\n", "\r\nabcd"), Lost, `got the answer to "y"`},
		"closed":    {func(c net.Conn) { c.Read(make([]byte, 4096)) }, Lost, "connection closed without an answer"},
		"reset":     {func(c net.Conn) { c.Read(make([]byte, 1)); c.(*net.TCPConn).SetLinger(0) }, Lost, "connection reset"},
	} {
		t.Run(name, func(t *testing.T) {
			l := listenTCP(t)
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					test.serve(c)
					c.Close()
				}
			}()
			load := newLoad("http://"+l.Addr().String()+"/", 4)
			r := load.send(load.single, "x")
			if r.Fate != test.fate || r.Why != test.why {
				t.Errorf("%s (%s), want %s (%s)", r.Fate, r.Why, test.fate, test.why)
			}
		})
	}
	l := listenTCP(t)
	l.Close()
	load := newLoad("http://"+l.Addr().String()+"/", 4)
	if r := load.send(load.single, "x"); r.Fate != Refused || r.Why != "connection refused" {
		t.Errorf("nobody there: %s (%s)", r.Fate, r.Why)
	}
}

func listenTCP(t *testing.T) net.Listener {
	t.Helper()
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// A door that is shut lets everybody in who had a connection, and nobody after it; a plain Close would reset those in
// the accept queue.
func TestDoorLosesNobody(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "unix:" + filepath.Join(t.TempDir(), "door")} {
		t.Run(address, func(t *testing.T) {
			l, err := listen(address)
			if err != nil {
				t.Skip(err)
			}
			d := newDoor(l, func(s string) { t.Error(s) })
			t.Cleanup(func() { d.Close() })
			const guests = 50
			waiting := make([]net.Conn, guests) // in the queue, with their request sent
			for i := range waiting {
				if waiting[i], err = net.Dial(l.Addr().Network(), l.Addr().String()); err != nil {
					t.Fatal(err)
				}
				defer waiting[i].Close()
				io.WriteString(waiting[i], "hello")
			}
			d.Shut()
			refused := make(chan error, 1)
			go func() {
				c, err := (&net.Dialer{Timeout: 5 * time.Second}).Dial(l.Addr().Network(), l.Addr().String())
				if err == nil {
					c.Close()
				}
				refused <- err
			}()
			let := letIn(t, d)
			if let != guests {
				t.Errorf("%d were let in, want %d", let, guests)
			}
			d.Close()
			if err := <-refused; err == nil {
				t.Error("somebody got in after the door was shut")
			}
			for i, c := range waiting {
				if answer, err := io.ReadAll(c); err != nil || string(answer) != "hello" {
					t.Errorf("guest %d got %q, %v", i, answer, err)
				}
			}
		})
	}
}

// letIn accepts until the door says that nobody is left, and answers each with what he said.
func letIn(t *testing.T, d *door) int {
	t.Helper()
	n := 0
	for {
		c, err := d.Accept()
		if errors.Is(err, net.ErrClosed) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
		buf := make([]byte, 5)
		io.ReadFull(c, buf)
		c.Write(buf)
		c.Close()
	}
}

// A gateway under load that is asked to drain answers whatever had a connection, over kept and single connections.
func TestGatewayDrainsWithoutLoss(t *testing.T) {
	dir := t.TempDir()
	ctx, leave := context.WithCancel(context.Background())
	var programs sync.WaitGroup
	t.Cleanup(programs.Wait)
	t.Cleanup(leave)
	worker, control := "unix:"+filepath.Join(dir, "worker"), "unix:"+filepath.Join(dir, "control")
	start := func(run func(out io.Writer) error) string {
		r, w := io.Pipe()
		programs.Go(func() {
			if err := run(w); err != nil {
				t.Error(err)
			}
			w.Close()
		})
		return listening(t, r)
	}
	start(func(out io.Writer) error {
		return Worker(ctx, WorkerOptions{Listen: worker, Delay: 30 * time.Millisecond, Size: answerSize, Out: out})
	})
	url := start(func(out io.Writer) error {
		return Gateway(ctx, GatewayOptions{Listen: "127.0.0.1:0", To: []string{worker}, Control: control, Out: out})
	})
	load := newLoad(url+"/", answerSize)
	loading, stop := context.WithCancel(context.Background())
	var loaded sync.WaitGroup
	loaded.Go(func() { load.run(loading, 2*time.Millisecond) })
	<-time.After(300 * time.Millisecond) // the load's length
	if err := Drain(context.Background(), control, io.Discard); err != nil {
		t.Error(err)
	}
	stop()
	loaded.Wait()
	fates := map[Fate]int{}
	for _, r := range load.requests {
		fates[r.Fate]++
		if r.Fate == Lost {
			t.Errorf("%s: %s", r.ID, r.Why)
		}
	}
	if fates[Answered] == 0 || fates[Refused] == 0 {
		t.Errorf("fates %v: both kinds should be there", fates)
	}
}

// listening waits for a program to say where it listens, and then lets it write on.
func listening(t *testing.T, r *io.PipeReader) string {
	t.Helper()
	var text []byte
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		text = append(text, buf[:n]...)
		if _, url, ok := strings.Cut(string(text), "listening on "); ok && strings.Contains(url, "\n") {
			go io.Copy(io.Discard, r)
			return strings.TrimSpace(strings.Split(url, "\n")[0])
		}
		if err != nil {
			t.Fatalf("%v after %q", err, text)
		}
	}
}

func TestStoreCounts(t *testing.T) {
	ctx, leave := context.WithCancel(context.Background())
	address := "unix:" + filepath.Join(t.TempDir(), "store")
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Store(ctx, address, 0, w) }()
	listening(t, r)
	c, root, err := client(address)
	if err != nil {
		t.Fatal(err)
	}
	for want := range 3 {
		resp, err := c.Post(root.JoinPath("count").String(), "", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := strings.TrimSpace(string(text)); got != string(rune('1'+want)) {
			t.Errorf("count %s, want %d", got, want+1)
		}
	}
	leave()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestTaskBreaksOffWhenTold(t *testing.T) {
	ctx, leave := context.WithCancel(context.Background())
	leave()
	if err := Task(ctx, "dig", time.Hour, io.Discard); err == nil {
		t.Error("no error")
	}
	if err := Task(context.Background(), "dig", 0, io.Discard); err != nil {
		t.Error(err)
	}
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"unix:/run/x": "http://unix", "127.0.0.1:80": "http://127.0.0.1:80", "http://host:1": "http://host:1",
		"nonsense://": "",
		"":            "",
	} {
		_, root, err := client(address)
		switch {
		case want == "" && err == nil:
			t.Errorf("client(%q) = %v, want an error", address, root)
		case want != "" && (err != nil || root.String() != want):
			t.Errorf("client(%q) = %v, %v, want %s", address, root, err, want)
		}
	}
}
