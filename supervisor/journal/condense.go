package journal

import "lastout/supervisor"

// Condense leaves out what a tree that has been up for long has lived through and what matters no more: the runs that
// are over, and all but the last turns of those that live. What Verify has to know of the rest stays, and everything
// from the begin of a shutdown on. So whatever is added to it is checked as if nothing were missing.
func Condense(entries []Entry) []Entry {
	lives := map[string]*memory{}
	at := func(r supervisor.Report) *memory {
		m := lives[r.Instance]
		if m == nil {
			m = &memory{kept: map[string]int{}}
			lives[r.Instance] = m
		}
		return m
	}
	var whole []int // reports of the whole tree
	rest := len(entries)
	for i, e := range entries {
		r := e.Report
		if r.Kind == supervisor.KindPhase && r.Phase == supervisor.Announcing {
			rest = i
			break
		}
		switch {
		case r.Instance != "":
			at(r).add(i, r)
		case r.Kind == supervisor.KindDepart:
			for _, name := range r.After {
				at(supervisor.Report{Instance: name}).kept["depart"] = i
			}
		case r.Kind == supervisor.KindReload, r.Kind == supervisor.KindOperation && r.Bound > 0:
			whole = append(whole, i)
		}
	}
	keep := make([]bool, rest)
	for _, i := range whole {
		keep[i] = true
	}
	for _, m := range lives {
		for _, i := range m.kept {
			keep[i] = true
		}
		for _, i := range m.lost {
			keep[i] = true
		}
	}
	var kept []Entry
	for i, ok := range keep {
		if ok {
			kept = append(kept, entries[i])
		}
	}
	return append(kept, entries[rest:]...)
}

// memory is what is kept of one instance, by the place of the entries.
type memory struct {
	kept map[string]int // of its present run
	lost []int          // of the last run that was lost: the outcome will name it
}

func (m *memory) add(i int, r supervisor.Report) {
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
			m.kept["state"] = i // the last one
			return
		}
	case supervisor.KindSignal, supervisor.KindCommand, supervisor.KindKill, supervisor.KindExit, supervisor.KindGone,
		supervisor.KindLost:
	case supervisor.KindHook, supervisor.KindRetry, supervisor.KindFree, supervisor.KindWaiting, supervisor.KindPhase,
		supervisor.KindLevel, supervisor.KindStrays, supervisor.KindNote, supervisor.KindFinish, supervisor.KindQuiesce,
		supervisor.KindInvite, supervisor.KindCut, supervisor.KindUnanswered, supervisor.KindOutlook,
		supervisor.KindOperation, supervisor.KindDepart, supervisor.KindReload, supervisor.KindUpgrade:
		return
	}
	if _, known := m.kept[key]; !known {
		m.kept[key] = i
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
		for _, i := range m.kept {
			m.lost = append(m.lost, i)
		}
	}
	clear(m.kept)
}
