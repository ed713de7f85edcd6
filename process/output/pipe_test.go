package output

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// newPipe makes a pipe whose ends do not outlive the test.
func newPipe(t testing.TB, o PipeOptions) (*Pipe, *os.File) {
	t.Helper()
	p, w, err := NewPipe(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.Close()
		if !p.Finish(never) {
			t.Error("the pipe does not come to its end")
		}
	})
	return p, w
}

func write(t testing.TB, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Error(err)
	}
}

// through is what comes out where the parts are written one by one, each one read before the next is written.
func through(t *testing.T, o PipeOptions, parts ...string) string {
	t.Helper()
	var m memory
	o.To = NewSink(&m)
	p, w := newPipe(t, o)
	for _, part := range parts {
		write(t, w, part)
		waitParked(t, p)
	}
	_ = w.Close()
	if !p.Finish(never) || !o.To.Close(never) {
		t.Fatal("not finished")
	}
	if lines, n := o.To.Dropped(); lines+n > 0 {
		t.Errorf("%d lines, %d bytes dropped", lines, n)
	}
	return m.String()
}

func TestPipeLines(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", maxLine/16)
	prefix := PipeOptions{Prefix: []byte("a | ")}
	raw := PipeOptions{}
	for _, c := range []struct {
		name  string
		o     PipeOptions
		parts []string
		want  string
	}{
		{"prefix", prefix, []string{"one\ntwo\n"}, "a | one\na | two\n"},
		{"nothing", prefix, []string{""}, ""},
		{"empty lines", prefix, []string{"\n\nx\n"}, "a | \na | \na | x\n"},
		{"in parts", prefix, []string{"o", "n", "e\ntw", "o\n"}, "a | one\na | two\n"},
		{"no end", prefix, []string{"one\ntwo"}, "a | one\na | two\n"},
		{"no end, raw", raw, []string{"one\ntwo"}, "one\ntwo"},
		{"carriage returns", prefix, []string{"one\r\ntwo\r", "\n"}, "a | one\r\na | two\r\n"},
		{"binary", prefix, []string{"\x00\xff\xfe\x00\n\x00"}, "a | \x00\xff\xfe\x00\na | \x00\n"},
		{"binary, raw", raw, []string{"\x00\xff\xfe\x00\n\x00"}, "\x00\xff\xfe\x00\n\x00"},
		{"as long as may be", prefix, []string{long + "\n"}, "a | " + long + "\n"},
		{"as long as may be, no end", prefix, []string{long}, "a | " + long + "\n"},
		{"one longer", prefix, []string{long, "x\ny\n"}, "a | " + long + "\na | x\na | y\n"},
		{"five times as long", prefix, []string{strings.Repeat(long, 5)}, strings.Repeat("a | "+long+"\n", 5)},
		{"five times as long, raw", raw, []string{strings.Repeat(long, 5), "x\n", "y"}, strings.Repeat(long, 5) + "x\ny"},
		{"not within a character", prefix, []string{long[1:] + "é!"}, "a | " + long[1:] + "\na | é!\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := through(t, c.o, c.parts...); got != c.want {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestTimestamps(t *testing.T) {
	const stamp = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d) `
	for _, c := range []struct {
		prefix, want string
	}{
		{"", "^" + stamp + "one\n" + stamp + "two\n" + stamp + "three$"},
		{"a | ", "^a \\| " + stamp + "one\na \\| " + stamp + "two\na \\| " + stamp + "three\n$"},
	} {
		got := through(t, PipeOptions{Prefix: []byte(c.prefix), Timestamps: true}, "one\nt", "wo\nthree")
		if !regexp.MustCompile(c.want).MatchString(got) {
			t.Errorf("prefix %q: got %q, want %s", c.prefix, got, c.want)
		}
	}
	long := strings.Repeat("x", maxLine+1)
	got := through(t, PipeOptions{Timestamps: true}, long, long, "\ny\n")
	one := regexp.MustCompile("^" + stamp + "x+\n" + stamp + "y\n$")
	if !one.MatchString(got) || strings.Count(got, "x") != 2*len(long) {
		t.Errorf("a long line is not stamped once: %d bytes", len(got))
	}
}

// TestLastWords writes 20,000 lines right before the end, which nobody waits for to be read.
func TestLastWords(t *testing.T) {
	for _, held := range []bool{false, true} {
		t.Run(fmt.Sprintf("held %v", held), func(t *testing.T) {
			var m memory
			s := NewSink(&m)
			p, w := newPipe(t, PipeOptions{To: s, Prefix: []byte("a | ")})
			if held { // a grandchild has the write end too, and keeps it
				fd, err := syscall.Dup(int(w.Fd()))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = syscall.Close(fd) }()
			}
			var want strings.Builder
			for i := range 20000 {
				write(t, w, fmt.Sprintf("line %d\n", i))
				fmt.Fprintf(&want, "a | line %d\n", i)
			}
			write(t, w, "the end")
			want.WriteString("a | the end\n")
			_ = w.Close()
			if !p.Finish(never) || !s.Close(never) {
				t.Fatal("not finished")
			}
			if got := m.String(); got != want.String() {
				t.Errorf("got %d bytes, want %d", len(got), want.Len())
			}
		})
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		name, match string
		parts       []string
		want        bool
	}{
		{"a line", "^ready$", []string{"not ready\nready\n"}, true},
		{"across reads", "ready on port 80$", []string{"it is re", "ady on po", "rt 80", "\n"}, true},
		{"carriage return", "^ready$", []string{"ready\r\n"}, true},
		{"never finished", "login: $", []string{"host ", "login: "}, true},
		{"not across lines", "re.?ady", []string{"re\nady\n"}, false},
		{"not across lines by \\s", "re\\sady", []string{"re\nady\n"}, false},
		{"last words", "bye", []string{"b", "ye"}, true},
		{"in a long line", "^x+ready", []string{
			strings.Repeat("x", maxLine-5), "ready",
			strings.Repeat("x", 3*maxLine),
		}, true},
		{"in none", "ready", []string{"", "\n\n", "rea\x00dy"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := 0
			o := PipeOptions{Prefix: []byte("a | "), Match: regexp.MustCompile(c.match), OnMatch: func() { found++ }}
			parts := append(c.parts, c.parts...) // twice what is looked for is called for once
			out := through(t, o, parts...)
			if found > 1 || (found == 1) != c.want {
				t.Errorf("found %d times", found)
			}
			if strings.Join(c.parts, "") != "" && out == "" {
				t.Error("the lines are lost")
			}
		})
	}
}

// TestMatchWhileStuck has readiness not depend on who reads our stdout.
func TestMatchWhileStuck(t *testing.T) {
	s, g := stuck(t)
	found := make(chan struct{})
	_, w := newPipe(t, PipeOptions{To: s, Match: regexp.MustCompile("ready"), OnMatch: func() { close(found) }})
	write(t, w, "ready\n")
	<-found
	g.open()
}

func TestToNowhere(t *testing.T) {
	found := make(chan struct{})
	p, w := newPipe(t, PipeOptions{Match: regexp.MustCompile("ready"), OnMatch: func() { close(found) }})
	for range 100 {
		write(t, w, strings.Repeat("x", 10000)+"\n")
	}
	write(t, w, "ready")
	<-found
	if !p.Finish(never) {
		t.Error("not finished")
	}
}

// TestFinishBusyHolder has somebody else write into the pipe for ever, after the run is gone.
func TestFinishBusyHolder(t *testing.T) {
	var m memory
	s := NewSink(&m)
	p, w := newPipe(t, PipeOptions{To: s})
	write(t, w, "mine\n")
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			if _, err := w.Write(chatter); err != nil { // until the read end is closed
				return
			}
		}
	}()
	if !p.Finish(never) {
		t.Fatal("not finished")
	}
	<-over
	if !s.Close(never) || !strings.HasPrefix(m.String(), "mine\n") {
		t.Error("the run's own line is lost")
	}
}

// TestFinishTakesNoMore has somebody write while the rest is taken: that is none of the run's any more.
func TestFinishTakesNoMore(t *testing.T) {
	s, g := stuck(t)
	var w *os.File
	opened := make(chan struct{})
	p, end := newPipe(t, PipeOptions{To: s, Match: regexp.MustCompile("ready"), OnMatch: func() {
		<-opened
		write(t, w, "late\n")
	}})
	w = end
	close(opened)
	write(t, w, "one\n")
	waitParked(t, p) // it is held back with this one, so the next is there when Finish comes
	write(t, w, "ready\n")
	p.Finish(0)
	g.open()
	<-p.Done()
	if !s.Close(never) || !strings.HasSuffix(g.String(), "\none\nready\n") {
		t.Errorf("ends with %q", g.String()[max(0, len(g.String())-20):])
	}
}

func TestFinishAgain(t *testing.T) {
	s := NewSink(io.Discard)
	p, w := newPipe(t, PipeOptions{To: s})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if !p.Finish(never) {
				t.Error("not finished")
			}
		})
	}
	all.Wait()
	<-p.Done()
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("somebody still reads")
	}
}

// TestFinishStuck has a run end while the sink is stuck: it is told within the bound, and nothing is lost all the same.
func TestFinishStuck(t *testing.T) {
	s, g := stuck(t)
	p, w := newPipe(t, PipeOptions{To: s})
	write(t, w, "last words")
	if p.Finish(0) || p.Finish(time.Millisecond) {
		t.Error("finished, through a closed gate")
	}
	g.open()
	<-p.Done()
	if !s.Close(never) || !strings.HasSuffix(g.String(), "\nlast words") {
		t.Error("the last words are lost")
	}
	wantDropped(t, s, 0, 0)
}

// TestFinishInAHurry has the same in a shutdown: the run's words are dropped, and counted, and its end is not held up.
func TestFinishInAHurry(t *testing.T) {
	s, g := stuck(t)
	p, w := newPipe(t, PipeOptions{To: s, Prefix: []byte("a | ")})
	s.Hurry(0)
	write(t, w, "one\ntwo\nthree")
	if !p.Finish(never) {
		t.Fatal("held up by a closed gate")
	}
	wantDropped(t, s, 2, len("one\ntwo\nthree"))
	g.open()
}

// stuck returns a sink that has no room until its gate is opened.
func stuck(t *testing.T) (*Sink, *gate) {
	t.Helper()
	g := newGate()
	s := NewSink(g)
	_, _ = s.Write(block(0))
	eventually(t, "the gate is reached", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.batch) > 0
	})
	for i := range highWater/1000 + 1 {
		_, _ = s.Write(block(i))
	}
	return s, g
}

// TestHeldBack has children write more than all the buffers hold into a sink that is stuck: they are held back, and
// when it takes again nothing is lost.
func TestHeldBack(t *testing.T) {
	const children, sent = 10, 3000
	s, g := stuck(t)
	before := (1 + highWater/1000 + 1) * 1000
	var pipes []*Pipe
	var all sync.WaitGroup
	for k := range children {
		p, w := newPipe(t, PipeOptions{To: s})
		pipes = append(pipes, p)
		all.Go(func() {
			for i := range sent {
				write(t, w, fmt.Sprintf("%d %d %s\n", k, i, strings.Repeat("x", 200)))
			}
			_ = w.Close()
		})
	}
	eventually(t, "all are held back", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.patience.waiting == children
	})
	g.open()
	all.Wait()
	for _, p := range pipes {
		<-p.Done()
	}
	if !s.Close(never) {
		t.Fatal("not closed")
	}
	wantDropped(t, s, 0, 0)
	wantInOrder(t, g.String()[before:], children, sent)
}

// TestThousandPipes has as many children in one sink.
func TestThousandPipes(t *testing.T) {
	const children, sent = 1000, 50
	var m memory
	s := NewSink(&m)
	var all sync.WaitGroup
	for k := range children {
		p, w := newPipe(t, PipeOptions{To: s})
		all.Go(func() {
			for i := range sent {
				write(t, w, fmt.Sprintf("%d %d %s\n", k, i, strings.Repeat("x", 100)))
			}
			_ = w.Close()
			if !p.Finish(never) {
				t.Error("not finished")
			}
		})
	}
	all.Wait()
	if !s.Close(never) {
		t.Fatal("not closed")
	}
	wantDropped(t, s, 0, 0)
	wantInOrder(t, m.String(), children, sent)
}

// TestSilenceIsCheap has pipes that have spoken once, one of them within a line, hold no buffer.
func TestSilenceIsCheap(t *testing.T) {
	const children = 300
	s := NewSink(io.Discard)
	before := inUse()
	for i := range children {
		p, w := newPipe(t, PipeOptions{To: s, Prefix: []byte("a | ")})
		write(t, w, strings.Repeat("x", 100)+"\n"+strings.Repeat("y", i%2))
		waitParked(t, p)
	}
	eventually(t, "single kilobytes are in use", func() bool { return int64(inUse()-before) < children*8<<10 })
}

// TestPipeOutlives has a writer write on when the reader is gone, if he is to, and end his pipe as ever.
func TestPipeOutlives(t *testing.T) {
	if got := through(t, PipeOptions{Outlive: true, Prefix: []byte("a | ")}, "one\n", "two"); got != "a | one\na | two\n" {
		t.Errorf("got %q", got)
	}
	for _, outlive := range []bool{false, true} {
		p, w := newPipe(t, PipeOptions{Outlive: outlive})
		if !p.Finish(never) {
			t.Fatal("not finished")
		}
		if _, err := w.WriteString("three\n"); (err == nil) != outlive {
			t.Errorf("outlive %v: %v", outlive, err)
		}
	}
}
