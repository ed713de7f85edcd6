package output

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a writer that lets nothing through until it is opened, as a terminal after Ctrl-S.
type gate struct {
	memory
	opened chan struct{}
}

func newGate() *gate { return &gate{opened: make(chan struct{})} }

func (g *gate) Write(p []byte) (int, error) {
	<-g.opened
	return g.memory.Write(p)
}

func (g *gate) open() { close(g.opened) }

// block is 1,000 bytes in 10 numbered lines.
func block(i int) []byte {
	var b bytes.Buffer
	for k := range 10 {
		fmt.Fprintf(&b, "%099d\n", 10*i+k)
	}
	return b.Bytes()
}

func blocks(n int) string {
	var b strings.Builder
	for i := range n {
		b.Write(block(i))
	}
	return b.String()
}

func wantDropped(t *testing.T, s *Sink, lines, n int) {
	t.Helper()
	if gotLines, gotBytes := s.Dropped(); gotLines != uint64(lines) || gotBytes != uint64(n) {
		t.Errorf("%d lines, %d bytes dropped, want %d and %d", gotLines, gotBytes, lines, n)
	}
}

func TestSinkHoldsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sent = 2000
		g := newGate()
		s := NewSink(g)
		var passed int
		go func() {
			for i := range sent {
				_, _ = s.Write(block(i))
				passed++
			}
		}()
		time.Sleep(time.Hour) // of virtual time: there is no end to the patience
		synctest.Wait()
		if limit := (2*highWater + 2000) / 1000; passed > limit || passed < highWater/1000 {
			t.Errorf("%d blocks went into a sink that is stuck, want no more than %d", passed, limit)
		}
		g.open()
		synctest.Wait()
		if !s.Close(never) || g.String() != blocks(sent) {
			t.Errorf("%d of %d bytes came through, or out of order", len(g.String()), sent*1000)
		}
		wantDropped(t, s, 0, 0)
	})
}

func TestHurryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sent = 5000
		g := newGate()
		s := NewSink(g)
		s.Hurry(2 * time.Second)
		begin := time.Now()
		for i := range sent {
			_, _ = s.Write(block(i))
		}
		if held := time.Since(begin); held != 2*time.Second {
			t.Errorf("held back for %v, want 2s", held)
		}
		lines, _ := s.Dropped()
		g.open()
		synctest.Wait()
		_, _ = s.Write(block(sent)) // there is room again, and no patience needed
		if !s.Close(never) {
			t.Error("not closed")
		}
		got := g.String()
		if lines == 0 || strings.Count(got, "\n")+int(lines) != 10*(sent+1) {
			t.Errorf("%d written + %d dropped of %d", strings.Count(got, "\n"), lines, 10*(sent+1))
		}
		if want := blocks(sent)[:len(got)-1000] + string(block(sent)); got != want {
			t.Error("what came through is not the begin of what was sent, and its end")
		}
	})
}

// TestHurryInAll has a sink that takes a little every second: the waits add up.
func TestHurryInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &slow{pause: time.Second}
		s := NewSink(w)
		s.Hurry(3500 * time.Millisecond)
		begin := time.Now()
		for i := range 1500 {
			_, _ = s.Write(block(i))
		}
		if held := time.Since(begin); held != 3500*time.Millisecond {
			t.Errorf("held back for %v, want 3.5s", held)
		}
		lines, _ := s.Dropped()
		if !s.Close(never) {
			t.Error("not closed")
		}
		if written := strings.Count(w.String(), "\n"); lines == 0 || written+int(lines) != 15000 {
			t.Errorf("%d written + %d dropped", written, lines)
		}
	})
}

// slow takes its time for each write.
type slow struct {
	memory
	pause time.Duration
}

func (w *slow) Write(p []byte) (int, error) {
	time.Sleep(w.pause)
	return w.memory.Write(p)
}

// TestHurryCostsNothing has a sink that keeps up: it loses nothing, however late after Hurry.
func TestHurryCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		s := NewSink(&m)
		s.Hurry(time.Second)
		for i := range 1000 {
			_, _ = s.Write(block(i))
			if i%10 == 0 {
				time.Sleep(time.Second)
			}
		}
		if !s.Close(never) || m.String() != blocks(1000) {
			t.Error("something was lost")
		}
	})
}

func TestHurryWhileHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := NewSink(g)
		var over [3]time.Duration
		begin := time.Now()
		var all sync.WaitGroup
		for k := range over {
			all.Go(func() {
				for i := range 1000 {
					_, _ = s.Write(block(i))
				}
				over[k] = time.Since(begin)
			})
		}
		time.Sleep(time.Minute)
		s.Hurry(10 * time.Second) // counts from now, not from when they were first held back
		time.Sleep(time.Second)
		s.Hurry(2 * time.Second) // shorter
		time.Sleep(time.Second)
		s.Hurry(20 * time.Second) // never longer: one second is left
		all.Wait()
		for _, d := range over {
			if d != 63*time.Second {
				t.Errorf("held back until %v, want 63s", d)
			}
		}
		g.open()
		s.Close(never)
	})
}

// TestHeldBackTogether has a sink take a second for each write: those held back go on together when there is room, not
// one for each write.
func TestHeldBackTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &slow{pause: time.Second}
		s := NewSink(w)
		begin := time.Now()
		_, _ = s.Write(block(0))
		synctest.Wait()
		_, _ = s.Write(make([]byte, highWater))
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() { _, _ = s.Write(block(i)) })
		}
		all.Wait()
		if !s.Close(never) || time.Since(begin) != 3*time.Second {
			t.Errorf("took %v, want 3s", time.Since(begin))
		}
	})
}

// TestLostPiece has a piece in the middle of a long line be dropped: what comes after it is no part of that line.
func TestLostPiece(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := NewSink(g)
		s.Hurry(0)
		p := new(Pipe)
		s.take(p, []byte("begin"))
		synctest.Wait()
		fill := make([]byte, highWater)
		s.take(p, fill)
		s.take(p, []byte("lost"))
		g.open()
		synctest.Wait()
		s.take(p, []byte("end\n"))
		s.take(p, []byte("next\n"))
		if want := "begin" + string(fill) + "\nend\nnext\n"; !s.Close(never) || g.String() != want {
			t.Errorf("got %q", strings.Trim(g.String(), "\x00"))
		}
		wantDropped(t, s, 0, 4)
	})
}

func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := NewSink(g)
		if !s.Flush(0) {
			t.Error("an empty sink is not flushed")
		}
		_, _ = s.Write(block(0))
		if s.Flush(0) {
			t.Error("flushed at once, through a closed gate")
		}
		begin := time.Now()
		if s.Flush(3*time.Second) || time.Since(begin) != 3*time.Second {
			t.Errorf("a stuck sink is flushed, or after %v", time.Since(begin))
		}
		go func() {
			time.Sleep(time.Second)
			g.open()
		}()
		if !s.Flush(3*time.Second) || time.Since(begin) != 4*time.Second || g.String() != blocks(1) {
			t.Errorf("not flushed when the gate opened, but after %v", time.Since(begin))
		}
	})
}

func TestCloseStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sent, writers = 500, 5 // more each than there is room for
		g := newGate()
		s := NewSink(g)
		_, _ = s.Write(block(0)) // the goroutine is stuck with this one
		synctest.Wait()
		var all sync.WaitGroup
		begin := time.Now()
		for range writers {
			all.Go(func() {
				for i := range sent {
					_, _ = s.Write(block(i))
				}
				if time.Since(begin) != time.Second {
					t.Errorf("a writer was let go after %v", time.Since(begin))
				}
			})
		}
		time.Sleep(time.Second)
		if s.Close(2*time.Second) || time.Since(begin) != 3*time.Second {
			t.Errorf("closed, or not after 2s: %v", time.Since(begin)-time.Second)
		}
		all.Wait()
		wantDropped(t, s, 10*(1+writers*sent), 1000*(1+writers*sent))
		if s.Close(time.Hour) || time.Since(begin) != 3*time.Second {
			t.Error("closed, though it had been given up")
		}
		g.open() // the write that was stuck comes through, and nothing after it
		synctest.Wait()
		if g.String() != string(block(0)) {
			t.Errorf("%d bytes written after the end", len(g.String()))
		}
		wantDropped(t, s, 10*writers*sent, 1000*writers*sent)
	})
}

func TestClosed(t *testing.T) {
	var m memory
	s := NewSink(&m)
	_, _ = s.Write([]byte("one\n"))
	if !s.Close(never) || !s.Close(0) {
		t.Fatal("not closed")
	}
	if n, err := s.Write([]byte("two\nthree\n")); n != 10 || err != nil {
		t.Errorf("a late write: %d, %v", n, err)
	}
	if m.String() != "one\n" {
		t.Errorf("got %q", m.String())
	}
	wantDropped(t, s, 2, 10)
}

// faulty writes what its plan says, and then fails with the plan's error.
type faulty struct {
	memory
	plan []fault
}

type fault struct {
	take int
	err  error
}

func (w *faulty) Write(p []byte) (int, error) {
	if len(w.plan) == 0 {
		return w.memory.Write(p)
	}
	f := w.plan[0]
	w.plan = w.plan[1:]
	n := min(f.take, len(p))
	_, _ = w.memory.Write(p[:n])
	return n, f.err
}

// TestMend has a writer that fails in the middle of a line: the next line must not be taken for its rest.
func TestMend(t *testing.T) {
	full := errors.New("full")
	for _, c := range []struct {
		plan         []fault
		want         string
		lines, bytes int
	}{
		{nil, "one\ntwo\nthree\nfour\nfive\n", 0, 0},
		{[]fault{{2, full}}, "on\nthree\nfour\nfive\n", 2, 6},
		{[]fault{{4, full}}, "one\nthree\nfour\nfive\n", 1, 4},
		{[]fault{{6, full}, {0, full}}, "one\ntw\nfour\nfive\n", 2, 2 + 6},
		{[]fault{{6, full}, {1, full}}, "one\ntw\nfour\nfive\n", 2, 2 + 6},
		{[]fault{{6, full}, {3, full}, {0, full}, {1, full}}, "one\ntw\nth\n", 4, 2 + 4 + 5 + 5},
		{[]fault{{6, nil}}, "one\ntw\nthree\nfour\nfive\n", 1, 2}, // a short write without an error
	} {
		w := &faulty{plan: c.plan}
		s := NewSink(w)
		for _, p := range []string{"one\ntwo\n", "three\n", "four\n", "five\n"} {
			_, _ = s.Write([]byte(p))
			s.Flush(never)
		}
		if !s.Close(never) || w.String() != c.want {
			t.Errorf("%v: got %q, want %q", c.plan, w.String(), c.want)
		}
		wantDropped(t, s, c.lines, c.bytes)
	}
}

func TestErrorsAreSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full, gone := errors.New("full"), errors.New("gone")
		w := &faulty{}
		s := NewSink(w)
		var said []string
		s.OnError(func(err error) { said = append(said, fmt.Sprint(time.Now().Second(), " ", err)) })
		for _, f := range []fault{{0, full}, {0, full}, {0, gone}, {1000, nil}, {0, gone}, {0, full}} {
			w.plan = []fault{f}
			_, _ = s.Write(block(0))
			synctest.Wait()
			time.Sleep(time.Second)
		}
		// Not "gone" at second 4, for it has just been said; the other one is news.
		if got := fmt.Sprint(said); got != "[0 full 2 gone 5 full]" {
			t.Errorf("said %v", got)
		}
		time.Sleep(time.Minute)
		for _, f := range []fault{{0, full}, {1000, nil}, {0, full}} {
			w.plan = []fault{f}
			_, _ = s.Write(block(0))
			synctest.Wait()
		}
		if got := fmt.Sprint(said[3:]); got != "[6 full]" {
			t.Errorf("after a minute: %v", got)
		}
		lines, _ := s.Dropped()
		if lines != 70 {
			t.Errorf("%d lines dropped, want 70", lines)
		}
		s.Close(never)
	})
}

// TestErrorsIntoTheSameSink is our own log on a stderr that fails.
func TestErrorsIntoTheSameSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := NewSink(io.MultiWriter(&faulty{plan: []fault{{0, io.ErrClosedPipe}}}, g))
		s.OnError(func(err error) { _, _ = s.Write([]byte(err.Error() + "\n")) })
		for i := range 3 {
			_, _ = s.Write(block(i))
			synctest.Wait()
		}
		g.open()
		if want := io.ErrClosedPipe.Error() + "\n"; !s.Close(never) || strings.Count(g.String(), want) != 1 {
			t.Errorf("got %q", g.String())
		}
	})
}

// TestManyWriters has each of them find its own lines in order, whole, whatever the others do.
func TestManyWriters(t *testing.T) {
	const writers, sent = 50, 400
	w := &memory{}
	s := NewSink(w)
	var all sync.WaitGroup
	for k := range writers {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(k), 1))
			for i := range sent {
				_, _ = fmt.Fprintf(s, "%d %d %s\n", k, i, strings.Repeat("x", rnd.IntN(500)))
			}
		})
	}
	all.Wait()
	if !s.Close(never) {
		t.Fatal("not closed")
	}
	wantInOrder(t, w.String(), writers, sent)
}

// wantInOrder checks lines "WRITER NUMBER xxx".
func wantInOrder(t *testing.T, got string, writers, sent int) {
	t.Helper()
	next := make([]int, writers)
	for line := range strings.Lines(got) {
		fields := strings.SplitN(line, " ", 3)
		if len(fields) < 3 || strings.Trim(fields[2], "x") != "\n" {
			t.Fatalf("torn line %q", line)
		}
		k, _ := strconv.Atoi(fields[0])
		i, err := strconv.Atoi(fields[1])
		if err != nil || k >= writers {
			t.Fatalf("torn line %q", line)
		}
		if next[k] != i {
			t.Fatalf("line %d of writer %d comes where %d should", i, k, next[k])
		}
		next[k]++
	}
	for k, n := range next {
		if n != sent {
			t.Errorf("%d lines of writer %d, want %d", n, k, sent)
		}
	}
}
