package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastout/cmd/lastout/load"
	"lastout/cmd/lastout/rehearse"
)

// The ledger is only worth something if it notices a loss: each way of losing a request is put into the books here.
func TestLedger(t *testing.T) {
	requests := []load.Request{
		{ID: "early", Begin: 0, End: 5, Fate: load.Answered},
		{ID: "in-hand", Begin: 8, End: 15, Fate: load.Answered},
		{ID: "cut", Begin: 9, End: 16, Fate: load.Lost, Why: "connection reset"},
		{ID: "late", Begin: 20, End: 21, Fate: load.Refused, Why: "connection refused"},
		{ID: "forged", Begin: 1, End: 2, Fate: load.Answered},
	}
	records := map[string]record{
		"early": {true, true}, "in-hand": {true, true}, "cut": {true, true}, "dropped": {started: true},
	}
	got := newLedger(requests, load.NewTally(requests, 0, 10), records)
	want := &Ledger{
		Tally:   got.Tally,
		Started: 4, Finished: 3, Unanswered: []string{"cut", "dropped"}, Unheard: []string{"forged"},
		Unfinished: []string{"dropped"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
	var b bytes.Buffer
	got.Text(&b)
	for _, want := range []string{
		"lost           1", "started by a worker, never answered: cut dropped", "never finished: dropped",
		"unknown to every worker: forged",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the text has no %q:\n%s", want, b.String())
		}
	}
}

func TestLedgerIsCleanOnlyIfNothingIsWrong(t *testing.T) {
	clean := func() *Ledger {
		return &Ledger{Tally: load.Tally{Sent: 3, Answered: 2, Refused: 1, InHand: 1}, Started: 2, Finished: 2}
	}
	if !clean().Clean() {
		t.Error("a clean ledger is not clean")
	}
	for name, spoil := range map[string]func(*Ledger){
		"lost":       func(l *Ledger) { l.Lost = 1 },
		"failed":     func(l *Ledger) { l.Failed = 1 },
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

// The table has no result of its own: it says so where a naive way lost nothing, and the verdict is lastout's alone.
func TestTable(t *testing.T) {
	shown := func(way rehearse.Way, lost int) *Shown {
		return &Shown{Stop: way, Ledger: &Ledger{Tally: load.Tally{
			Sent: 9, InHand: 1, Lost: lost, Why: map[string]int{"lost: connection reset": lost, "refused: y": 8},
		}}}
	}
	r := &Result{Ways: []*Shown{shown(rehearse.Naive, 0), shown(rehearse.WorkersFirst, 4), shown(rehearse.Lastout, 0)}}
	var b bytes.Buffer
	r.Table(&b)
	for _, want := range []string{
		"everybody at once: nothing was lost this time either", "workers first", "     4   connection reset: 4\n", "by lastout",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "workers first: nothing") || strings.Contains(b.String(), "lastout: nothing") {
		t.Errorf("the table says too much:\n%s", b.String())
	}
	if !r.Clean() {
		t.Error("the losses of others count")
	}
	if r.Ways[2].Ledger.Lost = 1; r.Clean() {
		t.Error("a loss of lastout's does not count")
	}
	if r.Ways[2].Ledger.Lost, r.Ways[2].Code = 0, 3; r.Clean() {
		t.Error("somebody who was killed does not count")
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

// A door that is shut lets everybody in who had a connection, and nobody after it; a plain Close would reset those in
// the accept queue.
func TestDoorLosesNobody(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "unix:" + filepath.Join(t.TempDir(), "door")} {
		t.Run(address, func(t *testing.T) {
			l, err := listen(address)
			if err != nil {
				if os.Getenv("LASTOUT_CI") == "1" {
					t.Fatal(err)
				}
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
	o := load.Options{Rate: 500, Connections: 1 << 10, Keep: 0.5, Check: whole}
	if err := o.Aim(url); err != nil {
		t.Fatal(err)
	}
	l := load.New(o)
	loading, stop := context.WithCancel(context.Background())
	var loaded sync.WaitGroup
	loaded.Go(func() { l.Run(loading) })
	<-time.After(300 * time.Millisecond) // the load's length
	if err := Drain(context.Background(), control, io.Discard); err != nil {
		t.Error(err)
	}
	stop()
	loaded.Wait()
	fates := map[load.Fate]int{}
	for _, r := range l.Requests() {
		fates[r.Fate]++
		if r.Fate == load.Lost {
			t.Errorf("%s: %s", r.ID, r.Why)
		}
	}
	if fates[load.Answered] == 0 || fates[load.Refused] == 0 {
		t.Errorf("fates %v: both kinds should be there", fates)
	}
}

// Who waits at a turnstile gets in when somebody leaves, not before, and is reset when it is closed.
func TestTurnstile(t *testing.T) {
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newTurnstile(l, 1)
	t.Cleanup(func() { s.Close() })
	for range 3 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first, err := s.Accept()
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan net.Conn, 1)
	go func() {
		c, err := s.Accept()
		if err != nil {
			t.Error(err)
		}
		second <- c
	}()
	select {
	case <-second:
		t.Fatal("two are in")
	case <-time.After(50 * time.Millisecond): // the one way to see that nothing happens
	}
	first.Close()
	first.Close() // leaves once only
	c := <-second
	refused := make(chan error, 1)
	go func() {
		_, err := s.Accept()
		refused <- err
	}()
	s.Close()
	if err := <-refused; !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v", err)
	}
	c.Close()
}

// The port that is reserved is free for a program that shares it, and for nobody else.
func TestReserve(t *testing.T) {
	address, release, err := Reserve()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if l, err := net.Listen("tcp", address); err == nil {
		l.Close()
		t.Error("anybody may have it")
	}
	l, err := listen(address)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
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
