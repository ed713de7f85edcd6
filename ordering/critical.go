package ordering

import (
	"slices"
	"time"
)

// PathStep is one step of a critical path: when it begins and how long it takes if everybody takes all the time that
// its own bounds allow.
type PathStep struct {
	Step
	Begin, Took time.Duration
}

// Path is the critical path of the shutdown with nothing squeezed: the chain of steps that takes longest when everybody
// takes all the time that its own bounds allow. Steps that take no time are left out. The first begins when the
// announcing is over.
func (b *Budget) Path() []PathStep {
	after, next := b.longest()
	first, longest := place(-1), time.Duration(0)
	for p := range b.graph.steps.pre {
		if after[p] > longest {
			first, longest = place(p), after[p]
		}
	}
	var path []PathStep
	begin := b.limits.announce()
	for p := first; p >= 0; p = next[p] {
		if took := b.full(p); took > 0 {
			path = append(path, PathStep{Step: p.step(), Begin: begin, Took: took})
			begin = plus(begin, took)
		}
	}
	return slices.Clip(path)
}

// Total is how long the whole can take at most: everything on the critical path, with what comes before and behind it,
// and no longer than the timeout.
func (b *Budget) Total() time.Duration {
	after, _ := b.longest()
	total := plus(b.limits.announce(), plus(b.limits.After, b.limits.Linger))
	if len(after) > 0 {
		total = plus(total, slices.Max(after))
	}
	return min(total, b.hard)
}

// longest is, for each place, how long it and the longest way behind it take, and the next place on that way; -1 where
// it ends. Of equally long ways the one over the first place is taken.
func (b *Budget) longest() (after []time.Duration, next []place) {
	s := &b.graph.steps
	after, next = make([]time.Duration, len(s.succ)), make([]place, len(s.succ))
	for i := len(s.order) - 1; i >= 0; i-- {
		p := s.order[i]
		next[p] = -1
		for _, q := range s.succ[p] {
			if after[q] > after[p] {
				after[p], next[p] = after[q], q
			}
		}
		after[p] = plus(after[p], b.full(p))
	}
	return after, next
}

// full is what the step at a place takes with nothing squeezed.
func (b *Budget) full(p place) time.Duration {
	if int(p) >= b.graph.steps.real {
		return 0
	}
	step := p.step()
	c := b.cost[step.ID]
	switch {
	case step.Kind == Leave:
		return c.leave()
	case b.graph.Drains(step.ID):
		return plus(c.PreDrain, c.Drain)
	default:
		return 0
	}
}
