package ordering

import (
	"math/bits"
	"time"
)

// Cost is how long the parts of one process's leaving may take, each at most. A part that it does not have is 0.
type Cost struct {
	PreDrain, Drain time.Duration // of gateways: the hook before a drain, and the drain
	Settle          time.Duration // of gateways: for the last bytes, when the workers have left
	PreStop         time.Duration
	Invite          time.Duration // of others than gateways: their own drain and its hook, behind the pre_stop hook
	Steps           time.Duration // the stop steps together
	Kill            time.Duration // until what was killed is gone, or lost
	PostStop        time.Duration
}

// leave is the whole leaving, nothing squeezed.
func (c Cost) leave() time.Duration {
	return plus(plus(plus(c.Settle, c.PreStop), plus(c.Invite, c.Steps)), plus(c.Kill, c.PostStop))
}

// Limits bound a whole shutdown.
type Limits struct {
	Timeout       time.Duration // of the whole; 0: none
	Reserve       time.Duration // what nobody's waiting may take away from another
	Before, Delay time.Duration // the before_shutdown hook, and the wait behind it
	Survey        time.Duration // beside them: a look that the first step waits for
	After, Linger time.Duration // the after_shutdown hook, and the stay for the kernel's sake
}

// announce is how long it takes until the first step.
func (l Limits) announce() time.Duration { return max(plus(l.Before, l.Delay), l.Survey) }

// Budget shares the time of one shutdown out, so that nobody is starved by those who leave before him. Everything is
// fixed when it is made; all moments are durations since the begin of the shutdown, and Forever is one that never
// comes.
//
// Who takes longer than his own bounds is cut short so that everybody behind him still gets his reserve: need is what
// a process may claim of the time of others (its own costs, and the reserve at most), tail what all behind it on the
// longest way may claim. Where that is more than there is, all reserves shrink alike.
type Budget struct {
	graph  *Graph
	limits Limits
	cost   []Cost // zero for those that are not alive

	announce, end, hard time.Duration
	part, whole         time.Duration   // the scale of the reserves is part/whole, at most 1
	tail                []time.Duration // by place
}

// Budget makes the budget of a shutdown that begins now. cost is by ID; processes that are not alive need no time and
// still hold the order.
func (g *Graph) Budget(l Limits, cost []Cost, alive func(ID) bool) *Budget {
	b := &Budget{graph: g, limits: l, cost: make([]Cost, len(g.nodes)), tail: make([]time.Duration, len(g.steps.succ))}
	for i := range g.nodes {
		if alive(ID(i)) {
			b.cost[i] = cost[i]
		}
	}
	span := b.tails()
	b.announce = l.announce()
	b.end, b.hard, b.part, b.whole = Forever, Forever, 1, 1
	if l.Timeout > 0 {
		b.hard = l.Timeout
		b.end = l.Timeout - min(plus(l.After, l.Linger), l.Reserve, l.Timeout/4)
		b.announce = min(b.announce, max(0, b.end-span))
		if left := b.end - b.announce; left < span {
			b.part, b.whole = left, span
		}
	}
	return b
}

// tails works out, from the last steps back, what is claimed behind each step, and returns the largest claim of a step
// and all behind it. A drain claims nothing: it gets what the others leave.
func (b *Budget) tails() (span time.Duration) {
	s := &b.graph.steps
	for i := len(s.order) - 1; i >= 0; i-- {
		p := s.order[i]
		for _, next := range s.succ[p] {
			b.tail[p] = max(b.tail[p], plus(b.claim(next), b.tail[next]))
		}
		span = max(span, plus(b.claim(p), b.tail[p]))
	}
	return span
}

// claim is what the step at a place may claim of the time of others.
func (b *Budget) claim(p place) time.Duration {
	if int(p) >= b.graph.steps.real || p.step().Kind == Drain {
		return 0
	}
	return b.Need(p.step().ID)
}

// Need is what a process may claim for its leaving: all its bounds together, and the reserve at most.
func (b *Budget) Need(id ID) time.Duration { return min(b.cost[id].leave(), b.limits.Reserve) }

// Tail is what is claimed by those who leave after it, along the way that claims most.
func (b *Budget) Tail(id ID) time.Duration { return b.tail[placeOf(Leave, id)] }

// Scaled is what is left of a claim when all claims shrink to what there is.
func (b *Budget) Scaled(claim time.Duration) time.Duration { return portion(claim, b.part, b.whole) }

// Announce is how long the before_shutdown hook and the delay behind it may take together.
func (b *Budget) Announce() time.Duration { return b.announce }

// End is when the last process has left.
func (b *Budget) End() time.Duration { return b.end }

// Hard is when the whole is over.
func (b *Budget) Hard() time.Duration { return b.hard }

// LeaveBy is when a process has left, its post_stop hook included.
func (b *Budget) LeaveBy(id ID) time.Duration { return b.before(b.Scaled(b.Tail(id))) }

// before is the moment so long before the end.
func (b *Budget) before(left time.Duration) time.Duration {
	if b.end == Forever {
		return Forever
	}
	return b.end - left
}

// DrainBy is when a gateway whose drain began at start is taken as drained: its own bounds, and so early that
// everybody behind it gets his scaled need.
func (b *Budget) DrainBy(gateway ID, start time.Duration) time.Duration {
	own := plus(b.cost[gateway].PreDrain, b.cost[gateway].Drain)
	return min(plus(start, own), max(start, b.before(b.Scaled(b.tail[placeOf(Drain, gateway)]))))
}

// back is what is kept back before LeaveBy for SIGKILL to take effect, and for the post_stop hook: up to a quarter of
// the scaled need each, so that a squeezed process still gets half of it for leaving by itself.
func (b *Budget) back(id ID) (kill, post time.Duration) {
	quarter := b.Scaled(b.Need(id)) / 4
	return min(b.cost[id].Kill, quarter), min(b.cost[id].PostStop, quarter)
}

// killBy is the latest moment of SIGKILL.
func (b *Budget) killBy(id ID) time.Duration {
	leave := b.LeaveBy(id)
	if leave == Forever {
		return Forever
	}
	kill, post := b.back(id)
	return leave - kill - post
}

// SettleBy is when a gateway that began to settle at start must go on. Where the time up to SIGKILL is short, settling,
// the pre_stop hook and the stop steps are squeezed alike.
func (b *Budget) SettleBy(id ID, start time.Duration) time.Duration {
	c := b.cost[id]
	return b.share(id, start, c.Settle, plus(c.PreStop, plus(c.Invite, c.Steps)))
}

// PreStopBy is when a pre_stop hook that began at start is given up. Where the time up to SIGKILL is short, it gets its
// share of it and leaves the stop steps theirs.
func (b *Budget) PreStopBy(id ID, start time.Duration) time.Duration {
	c := b.cost[id]
	return b.share(id, start, c.PreStop, plus(c.Invite, c.Steps))
}

// InviteBy is when one who was invited to finish at start is told to stop all the same, squeezed like a pre_stop hook.
func (b *Budget) InviteBy(id ID, start time.Duration) time.Duration {
	return b.share(id, start, b.cost[id].Invite, b.cost[id].Steps)
}

// share is when a part that began at start must make room for the parts behind it.
func (b *Budget) share(id ID, start, part, behind time.Duration) time.Duration {
	window, both := max(0, b.killBy(id)-start), plus(part, behind)
	if both <= window {
		return plus(start, part)
	}
	return plus(start, portion(part, window, both))
}

// KillAt is when a process whose turn came at turn, and that was told to stop at told, gets SIGKILL if it is still
// there. steps is how long its stop steps take; the caller may know better than its Cost, in a hurry.
func (b *Budget) KillAt(id ID, turn, told, steps time.Duration) time.Duration {
	return max(turn, min(plus(told, steps), b.killBy(id)))
}

// LostAt is when a process killed at killed is given up as lost.
func (b *Budget) LostAt(id ID, killed time.Duration) time.Duration {
	kill, post := b.back(id)
	latest := b.LeaveBy(id)
	if latest != Forever {
		latest -= post
	}
	return min(plus(killed, b.cost[id].Kill), max(latest, plus(killed, kill)))
}

// PostStopBy is when the post_stop hook of a process that was gone at gone is given up.
func (b *Budget) PostStopBy(id ID, gone time.Duration) time.Duration {
	_, post := b.back(id)
	return min(plus(gone, b.cost[id].PostStop), max(b.LeaveBy(id), plus(gone, post)))
}

// plus adds two durations that are not negative. What is too much for a duration is Forever.
func plus(a, b time.Duration) time.Duration {
	if a > Forever-b {
		return Forever
	}
	return a + b
}

// portion is d*part/whole, rounded down, for part <= whole and d*part/whole that fits a duration.
func portion(d, part, whole time.Duration) time.Duration {
	high, low := bits.Mul64(uint64(d), uint64(part))
	quotient, _ := bits.Div64(high, low, uint64(whole))
	return time.Duration(quotient)
}
