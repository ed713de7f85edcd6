package recent

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func textOf(pieces []Piece) string {
	var b strings.Builder
	for _, p := range pieces {
		b.Write(p.Text)
	}
	return b.String()
}

// Whatever is added, what is kept is an end of it, within the bound, with the right times; and who reads piece by piece
// gets the same, but for gaps that he is told of.
func TestKeepsTheEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound := rapid.IntRange(0, 5000).Draw(t, "bound")
		l := NewLog(new(Hub), bound)
		var all bytes.Buffer
		l.Add(time.Unix(0, 0), []byte("line 0\n"))
		all.WriteString("line 0\n")
		var read strings.Builder
		pieces, at, lost := l.Read(0)
		read.WriteString(textOf(pieces))
		for i := range rapid.IntRange(1, 60).Draw(t, "adds") {
			text := strings.Repeat(fmt.Sprintf("line %d\n", i), rapid.IntRange(0, 200).Draw(t, "lines"))
			all.WriteString(text)
			l.Add(time.Unix(int64(i), 0), []byte(text))
			if len(l.ring) > max(bound, least) {
				t.Fatalf("a ring of %d bytes, the bound is %d", len(l.ring), bound)
			}
			if rapid.Bool().Draw(t, "reads") {
				pieces, next, gap := l.Read(at)
				at, lost = next, lost || gap
				read.WriteString(textOf(pieces))
			}
		}
		pieces, next, gap := l.Read(0)
		kept := textOf(pieces)
		if !strings.HasSuffix(all.String(), kept) || gap || next != l.End() {
			t.Fatalf("kept %q of %q (gap %v)", kept, all.String(), gap)
		}
		if all.Len() > 0 && len(kept) < min(all.Len(), max(bound, least)/2) {
			t.Fatalf("kept only %d bytes of %d with a bound of %d", len(kept), all.Len(), bound)
		}
		for _, p := range pieces {
			if want := fmt.Sprintf("line %d\n", p.At.Unix()); !bytes.HasSuffix(p.Text, []byte(want)) {
				t.Fatalf("%q came at %d", p.Text, p.At.Unix())
			}
		}
		more, _, gap := l.Read(at)
		read.WriteString(textOf(more))
		if lost = lost || gap; !lost && all.Len() <= 4*max(bound, least) && read.String() != all.String() {
			t.Fatalf("read %q of %q, and was told of no gap", read.String(), all.String())
		}
	})
}

// A silent log owns no buffer.
func TestSilenceIsFree(t *testing.T) {
	l := NewLog(new(Hub), 1<<20)
	if l.ring != nil {
		t.Error("it has a buffer already")
	}
	l.Add(time.Now(), []byte("hello\n"))
	if len(l.ring) != least {
		t.Errorf("%d bytes for one line", len(l.ring))
	}
}

// The more speakers there are, the less of each is kept, and always the end.
func TestShelfIsBounded(t *testing.T) {
	const all, most = 64 << 10, 32 << 10
	s := NewShelf(Bounds{All: all, Least: 2 << 10, Most: most}, 1)
	for n := range 16 {
		l := s.Of(fmt.Sprint(n))
		for line := range 3000 {
			l.Add(time.Unix(int64(line), 0), fmt.Appendf(nil, "line %d of %d\n", line, n))
		}
		kept := 0
		for _, l := range s.Logs() {
			kept += len(l.ring)
		}
		if kept > max(all, most) {
			t.Errorf("of %d speakers %d bytes are kept", n+1, kept)
		}
	}
	for name, l := range s.Logs() {
		l.Add(time.Unix(3000, 0), []byte("line 3000 of "+name+"\n"))
		pieces, _, _ := l.Read(0)
		if len(pieces) < 50 {
			t.Errorf("of %s %d lines are kept", name, len(pieces))
		}
		for i, p := range pieces {
			line := 3000 - len(pieces) + 1 + i
			if want := fmt.Sprintf("line %d of %s\n", line, name); string(p.Text) != want || p.At.Unix() != int64(line) {
				t.Fatalf("%q of %v, want %q", p.Text, p.At, want)
			}
		}
	}
}

// Followers see all, whoever adds meanwhile; Close ends them.
func TestFollow(t *testing.T) {
	var hub Hub
	l := NewLog(&hub, 1<<20)
	const speakers, lines = 4, 200
	var readers, writers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			seen, at := 0, Position(0)
			for {
				changed, over := hub.Changed(), hub.Closed()
				pieces, next, gap := l.Read(at)
				if gap {
					t.Error("a gap")
				}
				seen, at = seen+len(pieces), next
				if over {
					break
				}
				<-changed
			}
			if seen != speakers*lines {
				t.Errorf("saw %d of %d", seen, speakers*lines)
			}
		})
	}
	for range speakers {
		writers.Go(func() {
			for range lines {
				l.Add(time.Now(), []byte("x\n"))
			}
		})
	}
	writers.Wait()
	hub.Close()
	hub.Close()
	readers.Wait()
	select {
	case <-hub.Changed():
	default:
		t.Error("a closed hub lets wait")
	}
}

func BenchmarkAdd(b *testing.B) {
	l := NewLog(new(Hub), 64<<10)
	text := bytes.Repeat([]byte("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\n"), 600)
	b.SetBytes(int64(len(text)))
	now := time.Now()
	for b.Loop() {
		l.Add(now, text)
	}
}
