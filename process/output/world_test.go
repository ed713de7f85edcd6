package output

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// world is a sink with writers, a shutdown and an end, all at random times.
type world struct {
	pauses  []time.Duration // how long each write takes, over and over
	writers [][]speech
	hurry   time.Duration // when
	bound   time.Duration // of the hurry
	end     time.Duration // when it is closed
	closing time.Duration // the bound of that
}

// speech is what a writer does: it waits, then writes some blocks of 1,000 bytes.
type speech struct {
	pause  time.Duration
	blocks int
}

func drawWorld(t *rapid.T) *world {
	ms := func(most int, what string) time.Duration {
		return time.Duration(rapid.IntRange(0, most).Draw(t, what)) * time.Millisecond
	}
	w := &world{hurry: ms(2000, "hurry"), bound: ms(1000, "bound"), end: ms(5000, "end"), closing: ms(1000, "closing")}
	for range rapid.IntRange(1, 5).Draw(t, "pauses") {
		w.pauses = append(w.pauses, rapid.SampledFrom([]time.Duration{
			0, time.Millisecond, 100 * time.Millisecond,
			700 * time.Millisecond, 10 * time.Second,
		}).Draw(t, "pause"))
	}
	for range rapid.IntRange(1, 4).Draw(t, "writers") {
		var all []speech
		for range rapid.IntRange(1, 6).Draw(t, "speeches") {
			all = append(all, speech{ms(1000, "silence"), rapid.IntRange(1, 400).Draw(t, "blocks")})
		}
		w.writers = append(w.writers, all)
	}
	return w
}

// moody takes a different time for each write.
type moody struct {
	memory
	pauses []time.Duration
	n      int
}

func (m *moody) Write(p []byte) (int, error) {
	m.n++
	time.Sleep(m.pauses[m.n%len(m.pauses)])
	return m.memory.Write(p)
}

// live lets the world live to its end and checks what must hold in each.
func (w *world) live(t *testing.T) {
	m := &moody{pauses: w.pauses}
	s := NewSink(m)
	begin := time.Now()
	var all sync.WaitGroup
	sent := make([]int, len(w.writers))
	for k, speeches := range w.writers {
		all.Go(func() {
			var held time.Duration // after the hurry
			for _, sp := range speeches {
				time.Sleep(sp.pause)
				for range sp.blocks {
					before := max(time.Since(begin), w.hurry)
					_, _ = s.Write(fmt.Appendf(nil, "%d %d %s\n", k, sent[k], strings.Repeat("x", 990)))
					sent[k]++
					held += max(time.Since(begin)-before, 0)
				}
			}
			if held > w.bound {
				t.Errorf("a writer was held back for %v in all, the bound is %v", held, w.bound)
			}
		})
	}
	all.Go(func() {
		time.Sleep(w.hurry)
		s.Hurry(w.bound)
	})
	time.Sleep(w.end)
	before := time.Now()
	whole := s.Close(w.closing)
	if took := time.Since(before); took > w.closing {
		t.Errorf("closing took %v, the bound is %v", took, w.closing)
	}
	all.Wait()
	time.Sleep(time.Minute) // the write under way comes through
	synctest.Wait()
	w.judge(t, s, m.String(), sent, whole)
}

// judge counts: every line was written or dropped, and those written are in order and whole.
func (w *world) judge(t *testing.T, s *Sink, got string, sent []int, whole bool) {
	last := make([]int, len(sent))
	written := 0
	for line := range strings.Lines(got) {
		var k, i int
		if _, err := fmt.Sscanf(line, "%d %d", &k, &i); err != nil || strings.Count(line, "x") != 990 {
			t.Fatalf("torn line %.40q", line)
		}
		if i < last[k] {
			t.Fatalf("line %d of writer %d after line %d", i, k, last[k]-1)
		}
		last[k] = i + 1
		written++
	}
	total := 0
	for _, n := range sent {
		total += n
	}
	lines, _ := s.Dropped()
	if written+int(lines) != total {
		t.Errorf("%d written + %d dropped of %d", written, lines, total)
	}
	if s.running || s.patience.waiting != 0 || (whole && s.done != s.taken) {
		t.Error("the sink is not at rest")
	}
}

func TestSinkWorlds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		synctest.Test(t, w.live)
		if t.Failed() {
			rt.Fatalf("in the world %+v", w)
		}
	})
}
