package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"lastout/supervisor"
)

// Condense copies a journal, and leaves out what a tree that has been up for long has lived through and what matters no
// more: the runs that are over, and all but the last turns of those that live. What Verify has to know of the rest stays,
// and everything from the begin of a shutdown on. So whatever is added to it is checked as if nothing were missing.
//
// The journal is read twice and never as a whole: lastout itself condenses while a tree is up, and is to stay small.
func Condense(dst io.Writer, src io.ReadSeeker) error {
	d := digest{lives: map[string]*memory{}}
	if _, err := scan(src, new(Header), d.add); err != nil {
		return err
	}
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("cannot read journal: %w", err)
	}
	keep := d.keeps()
	lines, w := newLineReader(src), bufio.NewWriterSize(dst, 64<<10)
	for {
		text, whole, err := lines.next()
		switch {
		case errors.Is(err, io.EOF) || err == nil && !whole:
			return w.Flush()
		case err != nil:
			return err
		case keep(lines.n): // what cannot be written is told by Flush
			_, _ = w.Write(text)
			_ = w.WriteByte('\n')
		}
	}
}

// digest is what of a journal is to be kept, by the numbers of its lines.
type digest struct {
	lives map[string]*memory // by instance
	whole []int              // reports of the whole tree
	rest  int                // all from here on; 0: no shutdown has begun
}

func (d *digest) of(instance string) *memory {
	m := d.lives[instance]
	if m == nil {
		m = &memory{kept: map[string]int{}}
		d.lives[instance] = m
	}
	return m
}

func (d *digest) add(line int, r supervisor.Report) {
	switch {
	case d.rest > 0:
	case r.Kind == supervisor.KindPhase && r.Phase == supervisor.Announcing:
		d.rest = line
	case r.Instance != "":
		d.of(r.Instance).add(line, r)
	case r.Kind == supervisor.KindDepart:
		for _, name := range r.After {
			d.of(name).kept["depart"] = line
		}
	case r.Kind == supervisor.KindReload, r.Kind == supervisor.KindOperation && r.Bound > 0:
		d.whole = append(d.whole, line)
	}
}

// keeps says of a line whether it stays; the first one is the header.
func (d *digest) keeps() func(line int) bool {
	keep := map[int]bool{1: true}
	for _, line := range d.whole {
		keep[line] = true
	}
	for _, m := range d.lives {
		for _, line := range m.kept {
			keep[line] = true
		}
		for _, line := range m.lost {
			keep[line] = true
		}
	}
	return func(line int) bool { return keep[line] || d.rest > 0 && line >= d.rest }
}

// memory is what is kept of one instance, by the lines of its reports.
type memory struct {
	kept map[string]int // of its present run
	lost []int          // of the last run that was lost: the outcome will name it
}

func (m *memory) add(line int, r supervisor.Report) {
	key := string(r.Kind)
	switch r.Kind {
	case supervisor.KindState:
		if r.State.Left() {
			delete(m.kept, "depart") // it does not leave any more
		}
		switch {
		case r.State == supervisor.Starting || r.State == supervisor.InPreStart && m.over():
			m.begin()
			key = "begin"
		case r.PID != 0:
			key = "pid"
		default:
			m.kept["state"] = line // the last one
			return
		}
	case supervisor.KindSignal, supervisor.KindCommand, supervisor.KindKill, supervisor.KindExit, supervisor.KindGone,
		supervisor.KindLost:
	case supervisor.KindHook, supervisor.KindRetry, supervisor.KindFree, supervisor.KindWaiting, supervisor.KindPhase,
		supervisor.KindLevel, supervisor.KindStrays, supervisor.KindHealth, supervisor.KindNote, supervisor.KindFinish, supervisor.KindQuiesce,
		supervisor.KindInvite, supervisor.KindCut, supervisor.KindUnanswered, supervisor.KindOutlook,
		supervisor.KindOperation, supervisor.KindDepart, supervisor.KindReload, supervisor.KindUpgrade:
		return
	}
	if _, known := m.kept[key]; !known {
		m.kept[key] = line
	}
}

// over says whether the present run has ended.
func (m *memory) over() bool {
	_, gone := m.kept["gone"]
	_, lost := m.kept["lost"]
	return gone || lost
}

// begin forgets the run before, unless it was lost.
func (m *memory) begin() {
	if _, lost := m.kept["lost"]; lost {
		m.lost = m.lost[:0]
		for _, line := range m.kept {
			m.lost = append(m.lost, line)
		}
	}
	clear(m.kept)
}
