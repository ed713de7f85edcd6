package output

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// carried is a sink and its pipes, which are handed on from one to the next as an exec would: by descriptor and state.
type carried struct {
	t     *testing.T
	sink  *Sink
	file  FileOptions // of the sink; no path: it writes to to
	to    *os.File
	pipes []*Pipe
	as    []PipeOptions
	ends  []*os.File // the write ends, which stay open: it is the reader that is told of the end
}

// hold pauses all, in the order that makes it short: whoever waits for a sink is let in.
func (c *carried) hold() {
	c.t.Helper()
	if !c.sink.Pause(never) {
		c.t.Fatal("the sink does not rest")
	}
	for _, p := range c.pipes {
		if !p.Pause(never) {
			c.t.Fatal("a pipe does not rest")
		}
	}
}

func (c *carried) goOn() {
	c.sink.Resume()
	for _, p := range c.pipes {
		p.Resume()
	}
}

func dup(t *testing.T, fd int) int {
	t.Helper()
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// succeed puts new ones in the place of all, which must be paused.
func (c *carried) succeed() {
	c.t.Helper()
	k := c.sink.Keep()
	if k.File != nil {
		k.File.FD = dup(c.t, k.File.FD)
	}
	var pipes []KeptPipe
	renamed := map[int]int{}
	for _, p := range c.pipes {
		kp, ok := p.Keep()
		if !ok {
			c.t.Fatal("a pipe is over")
		}
		fd := dup(c.t, kp.FD)
		renamed[kp.FD], kp.FD = fd, fd
		pipes = append(pipes, kp)
	}
	k.OpenFD = renamed[k.OpenFD]
	c.abandon()
	if c.file.Path != "" {
		c.sink = RestoreFile(c.file, k)
	} else {
		c.sink = NewSink(c.to)
		c.sink.Restore(k)
	}
	for i, kp := range pipes {
		o := c.as[i]
		o.To = c.sink
		p, err := RestorePipe(o, kp)
		if err != nil {
			c.t.Fatal(err)
		}
		c.pipes[i] = p
	}
}

// abandon ends all as an exec ends them: they do nothing any more.
func (c *carried) abandon() {
	for _, p := range c.pipes {
		p.to, p.kept, p.part = nil, nil, 0
		_ = p.end.Close()
		p.Resume()
		<-p.done
	}
	c.sink.mu.Lock()
	c.sink.buf, c.sink.batch, c.sink.left, c.sink.closed, c.sink.paused = nil, nil, true, true, false
	c.sink.progress.Broadcast()
	c.sink.mu.Unlock()
}

// TestCarriedOn hands a sink and its pipes on all the time, while children write as fast as they can: nothing is lost,
// doubled, cut or mixed.
func TestCarriedOn(t *testing.T) {
	const writers, lines = 8, 4000
	for name, prefix := range map[string]bool{"prefixed": true, "as they are": false} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			c := &carried{t: t, file: FileOptions{Path: path, MaxSize: 200 << 10, MaxFiles: 100}}
			var err error
			if c.sink, err = OpenFile(c.file); err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for n := range writers {
				o := PipeOptions{To: c.sink}
				if prefix {
					o.Prefix = fmt.Appendf(nil, "w%d | ", n)
				}
				p, w, err := NewPipe(o)
				if err != nil {
					t.Fatal(err)
				}
				c.pipes, c.as = append(c.pipes, p), append(c.as, o)
				c.ends = append(c.ends, w)
				all.Go(func() { speakNumbers(w, n, lines) })
			}
			over := make(chan struct{})
			go func() { all.Wait(); close(over) }()
			rounds := 0
			for writing := true; writing; rounds++ {
				select {
				case <-over:
					writing = false
				default:
				}
				if c.hold(); rounds%3 == 0 {
					c.goOn()
				} else {
					c.succeed()
				}
			}
			for _, p := range c.pipes {
				p.Finish(never)
			}
			if !c.sink.Close(never) {
				t.Fatal("not closed")
			}
			for _, w := range c.ends {
				_ = w.Close()
			}
			wantDropped(t, c.sink, 0, 0)
			wantNumbers(t, path, writers, lines, prefix)
			t.Logf("%d rounds", rounds)
		})
	}
}

// speakNumbers writes numbered lines, in pieces that end anywhere.
func speakNumbers(w *os.File, n, lines int) {
	var text strings.Builder
	for i := range lines {
		fmt.Fprintf(&text, "%d:%d:%s\n", n, i, strings.Repeat("x", i%50))
	}
	rest, step := text.String(), 7
	for len(rest) > 0 {
		k := min(len(rest), step)
		_, _ = w.WriteString(rest[:k])
		rest, step = rest[k:], step*31%4001
	}
}

func wantNumbers(t *testing.T, path string, writers, lines int, prefix bool) {
	t.Helper()
	files, err := filepath.Glob(path + ".*")
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for i := len(files); i > 0; i-- {
		text += content(t, fmt.Sprintf("%s.%d", path, i))
	}
	next := make([]int, writers)
	torn := 0
	for line := range strings.Lines(text + content(t, path)) {
		var n, i int
		var tail string
		if prefix {
			_, line, _ = strings.Cut(line, " | ")
		}
		if k, _ := fmt.Sscanf(line, "%d:%d:%s\n", &n, &i, &tail); k >= 2 && next[n] == i && len(tail) == i%50 {
			next[n]++
		} else {
			torn++
		}
	}
	for n, i := range next {
		if i != lines {
			t.Errorf("of writer %d %d lines came in their order, and %d of all were something else", n, i, torn)
		}
	}
}

// TestCarriedWhileBlocked hands a sink on that nobody takes from: what it could not write comes out of the next one.
func TestCarriedWhileBlocked(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &carried{t: t, to: w, sink: NewSink(w)}
	var want strings.Builder
	for i := 0; want.Len() < 3*highWater/2; i++ { // more than the pipe holds, and no more than the sink takes
		line := fmt.Sprintf("line %d\n", i)
		if want.Len() < highWater {
			_, _ = c.sink.Write([]byte(line))
		} else {
			c.hold()
			_, _ = c.sink.Write([]byte(line)) // nobody is held back by a sink that is paused
			c.goOn()
		}
		want.WriteString(line)
		if i%1000 == 0 {
			c.hold()
			c.succeed()
		}
	}
	c.hold()
	c.succeed()
	got := make(chan string)
	go func() {
		var all strings.Builder
		buf := make([]byte, 4096)
		for all.Len() < want.Len() {
			n, err := r.Read(buf)
			if err != nil {
				break
			}
			all.Write(buf[:n])
		}
		got <- all.String()
	}()
	if text := <-got; text != want.String() {
		t.Errorf("%d bytes came out, want %d", len(text), want.Len())
	}
	wantDropped(t, c.sink, 0, 0)
}

// TestPausedFinish has a pipe finished while it is paused.
func TestPausedFinish(t *testing.T) {
	var m memory
	s := NewSink(&m)
	p, w := newPipe(t, PipeOptions{To: s, Prefix: []byte("a | ")})
	if !s.Pause(never) || !p.Pause(never) {
		t.Fatal("no rest")
	}
	write(t, w, "last")
	if p.Finish(0) {
		t.Error("a paused pipe is over")
	}
	p.Resume()
	s.Resume()
	if !p.Finish(never) || !s.Close(never) || m.String() != "a | last\n" {
		t.Errorf("%q", m.String())
	}
}
