package output

import (
	"bytes"
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

const never = time.Minute // a bound that a test does not reach

// memory is a writer that keeps what it gets.
type memory struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (m *memory) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.b.Write(p)
}

func (m *memory) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.b.String()
}

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
	if want := "^" + stamp + "x{32770}\n" + stamp + "y\n$"; !regexp.MustCompile(strings.ReplaceAll(want, "x{32770}", "x+")).
		MatchString(got) || strings.Count(got, "x") != 2*len(long) {
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
