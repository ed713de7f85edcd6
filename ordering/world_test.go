package ordering

import (
	"cmp"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// member is how one process really behaves, against what its Cost allows. Forever is what never ends by itself.
type member struct {
	alive                                                  bool
	dies                                                   time.Duration // by itself, before it was asked to; Forever: it does not
	drain, settle, preStop, invite, told, killed, postStop time.Duration
}

// world is a shutdown in discrete time. What each member may take is asked of the Budget, as the machine would.
type world struct {
	g       *Graph
	b       *Budget
	l       Limits
	cost    []Cost
	members []member
	turn    []time.Duration
	left    []time.Duration
	seen    map[string]int // what happened, so that a test can demand that everything does
}

// newWorld makes a world up: from tight to loose, with members of all kinds.
func newWorld(d dice, nodes []Node) (*world, error) {
	g, err := New(nodes)
	if err != nil {
		return nil, err
	}
	w := &world{
		g: g, cost: make([]Cost, g.Len()), members: make([]member, g.Len()),
		turn: make([]time.Duration, g.Len()), left: make([]time.Duration, g.Len()), seen: make(map[string]int),
	}
	span := func(most int) time.Duration { return time.Duration(d(most)) * time.Duration(1+d(1000)) }
	unit := 1 + d(5000)
	w.l = Limits{Reserve: 1 + span(unit), Before: span(unit), Delay: span(unit), After: span(unit), Linger: span(unit)}
	if !d.one(10) {
		w.l.Timeout = 1 + span(unit*(1+d(12)))
	}
	for i := range w.members {
		w.cost[i] = Cost{Steps: span(unit), Kill: span(unit)}
		if d.one(2) {
			w.cost[i].PreStop, w.cost[i].PostStop = span(unit), span(unit)
		}
		if g.Node(ID(i)).Role == Gateway {
			w.cost[i].PreDrain, w.cost[i].Drain, w.cost[i].Settle = span(unit), span(unit), span(unit)
		} else if d.one(3) {
			w.cost[i].Invite = span(unit)
		}
		w.members[i] = newMember(d, w.cost[i])
	}
	w.b = g.Budget(w.l, w.cost, func(id ID) bool { return w.members[id].alive })
	return w, nil
}

// newMember is well behaved in one thing and stubborn in another.
func newMember(d dice, c Cost) member {
	within := func(bound time.Duration) time.Duration {
		if d.one(3) {
			return Forever
		}
		return bound * time.Duration(d(11)) / 10
	}
	m := member{
		alive: !d.one(6), dies: Forever, drain: within(c.PreDrain + c.Drain), settle: within(c.Settle),
		preStop: within(c.PreStop), invite: within(c.Invite), told: within(c.Steps),
		killed: within(c.Kill), postStop: within(c.PostStop),
	}
	if d.one(6) {
		m.dies = time.Duration(d(5_000_000))
	}
	return m
}

// ending is a step that is under way.
type ending struct {
	at   time.Duration
	step Step
}

// run walks the world to its end, and returns when the last one left.
func (w *world) run() (over time.Duration, err error) {
	walk := w.g.Walk()
	var under []ending
	begin := func(now time.Duration, free []Step) error {
		for _, step := range free {
			at, err := w.take(now, step)
			if err != nil {
				return err
			}
			under = append(under, ending{at, step})
		}
		return nil
	}
	now := w.b.Announce()
	if err := begin(now, walk.Begin()); err != nil {
		return 0, err
	}
	for len(under) > 0 {
		next := slices.MinFunc(under, func(a, b ending) int { return cmp.Compare(a.at, b.at) })
		under = slices.DeleteFunc(under, func(e ending) bool { return e == next })
		now = next.at
		if err := begin(now, walk.Done(next.step)); err != nil {
			return 0, err
		}
	}
	return now, nil
}

// take is a step from its begin to its end.
func (w *world) take(now time.Duration, step Step) (time.Duration, error) {
	m := &w.members[step.ID]
	if !m.alive {
		return now, nil
	}
	if step.Kind == Leave {
		w.turn[step.ID] = now
		return w.leave(step.ID, now)
	}
	if w.g.Node(step.ID).Role != Gateway || m.dies <= now {
		return now, nil
	}
	by := w.b.DrainBy(step.ID, now)
	if by < now {
		return 0, fmt.Errorf("%d must have drained at %d, before it may begin at %d", step.ID, by, now)
	}
	return w.part("drain", now, m.drain, by, w.cost[step.ID].PreDrain+w.cost[step.ID].Drain), nil
}

// part is one part of a leaving: it ends by itself or at its bound.
func (w *world) part(name string, now, takes, by, own time.Duration) time.Duration {
	if by < plus(now, own) {
		w.seen[name+" squeezed"]++
	}
	if plus(now, takes) > by {
		w.seen[name+" cut"]++
		return by
	}
	return now + takes
}

// leave is the leaving of one process, from its turn on.
func (w *world) leave(id ID, turn time.Duration) (time.Duration, error) {
	m, c := &w.members[id], w.cost[id]
	gone := m.dies
	if m.dies > turn {
		now := w.part("settle", turn, m.settle, w.b.SettleBy(id, turn), c.Settle)
		now = w.part("pre_stop", now, m.preStop, w.b.PreStopBy(id, now), c.PreStop)
		now = w.part("invite", now, m.invite, w.b.InviteBy(id, now), c.Invite)
		kill := w.b.KillAt(id, turn, now, c.Steps)
		gone = w.part("stop", now, m.told, kill, c.Steps)
		if plus(now, m.told) > kill {
			if err := w.killedInTime(id, turn, kill); err != nil {
				return 0, err
			}
			gone = w.part("kill", kill, m.killed, w.b.LostAt(id, kill), c.Kill)
		}
	}
	left := w.part("post_stop", gone, m.postStop, w.b.PostStopBy(id, gone), c.PostStop)
	w.left[id] = max(turn, left)
	return w.left[id], w.reserved(id, turn, left)
}

// killedInTime demands that nobody gets less than half his scaled reserve before SIGKILL, unless he asked for less.
func (w *world) killedInTime(id ID, turn, kill time.Duration) error {
	c := w.cost[id]
	if least := min(c.Settle+c.PreStop+c.Invite+c.Steps, w.scaled(w.b.Need(id))/2); kill-turn < least && !w.early(id) {
		return fmt.Errorf("%d is killed after %d, and %d is the least", id, kill-turn, least)
	}
	return nil
}

// early says that a part before the stop steps ended early, so that these began, and ended, early too.
func (w *world) early(id ID) bool {
	m, c := &w.members[id], w.cost[id]
	return m.settle < c.Settle || m.preStop < c.PreStop || m.invite < c.Invite
}

// reserved demands that the time from its turn on was at least the scaled reserve for one that takes all it can get,
// and that nobody, however it behaves, is there after the moment that is fixed for it.
func (w *world) reserved(id ID, turn, left time.Duration) error {
	m, c := &w.members[id], w.cost[id]
	need := min(c.Settle+c.PreStop+c.Invite+c.Steps+c.Kill+c.PostStop, w.l.Reserve)
	greedy := m.dies > turn && min(m.settle, m.preStop, m.invite, m.told, m.killed, m.postStop) == Forever
	if greedy && left-turn < w.scaled(need) {
		return fmt.Errorf("%d got %d from its turn at %d on, and its reserve is %d", id, left-turn, turn, w.scaled(need))
	}
	if left > w.b.LeaveBy(id) || w.b.LeaveBy(id) > w.b.End() {
		return fmt.Errorf("%d left at %d, and had to by %d, the end %d", id, left, w.b.LeaveBy(id), w.b.End())
	}
	return nil
}

// scaled is a claim in the scale of the world, worked out a second time.
func (w *world) scaled(claim time.Duration) time.Duration {
	if w.l.Timeout == 0 {
		return claim
	}
	span := w.span()
	there := w.b.End() - min(w.l.Before+w.l.Delay, max(0, w.b.End()-span))
	if there >= span {
		return claim
	}
	share := new(big.Int).Mul(big.NewInt(int64(claim)), big.NewInt(int64(there)))
	return time.Duration(share.Quo(share, big.NewInt(int64(span))).Int64())
}

// span is the largest sum of needs along the steps, worked out a second time.
func (w *world) span() (span time.Duration) {
	steps, _ := modelOf(w.g.nodes).stepsWithWaits()
	claims := make([]time.Duration, len(steps))
	var claim func(p int) time.Duration
	claim = func(p int) time.Duration {
		if claims[p] != 0 {
			return claims[p]
		}
		for q := range steps {
			if steps.has(p, q) {
				claims[p] = max(claims[p], claim(q))
			}
		}
		if c := w.cost[p/2]; p%2 == 1 && w.members[p/2].alive {
			claims[p] += min(c.Settle+c.PreStop+c.Invite+c.Steps+c.Kill+c.PostStop, w.l.Reserve)
		}
		return claims[p]
	}
	for p := range steps {
		span = max(span, claim(p))
	}
	return span
}

// check demands what must hold of a world that is over.
func (w *world) check(over time.Duration) error {
	closing := w.l.After + w.l.Linger
	if w.l.Timeout > 0 {
		closing = min(closing, w.l.Reserve, w.l.Timeout/4)
		if w.b.Hard() != w.l.Timeout || w.b.End() != w.l.Timeout-closing {
			return fmt.Errorf("the end is %d, hard %d", w.b.End(), w.b.Hard())
		}
	}
	if over > w.b.End() || plus(over, closing) > w.b.Total() {
		return fmt.Errorf("over at %d, the end %d, the total %d", over, w.b.End(), w.b.Total())
	}
	if w.b.Announce() > w.l.Before+w.l.Delay {
		return fmt.Errorf("announcing takes %d", w.b.Announce())
	}
	for x := range w.g.Len() {
		for y := range w.g.Len() {
			if w.members[x].alive && w.members[y].alive && w.g.MustLeaveBefore(ID(x), ID(y)) && w.left[x] > w.turn[y] {
				return fmt.Errorf("%d left at %d, and the turn of %d came at %d", x, w.left[x], y, w.turn[y])
			}
		}
	}
	return nil
}

// TestBudgetInManyWorlds shuts 20,000 random graphs down, with members that ignore what they are told, cannot be
// killed, hang in their hooks or die early, in bounds from tight to loose: nobody gets less than its scaled reserve,
// nobody is there after its moment, and the whole is over in time.
func TestBudgetInManyWorlds(t *testing.T) {
	seen := make(map[string]int)
	for seed, worlds := uint64(0), 0; worlds < 20000; seed++ {
		random := dice(rand.New(rand.NewPCG(seed, 1)).IntN)
		w, err := newWorld(random, random.nodes(9))
		if err != nil {
			continue // the graph is at fault, which is the matter of other tests
		}
		worlds++
		over, err := w.run()
		if err == nil {
			err = w.check(over)
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for what, times := range w.seen {
			seen[what] += times
		}
		if w.b.Announce() < w.l.Before+w.l.Delay {
			seen["announce cut"]++
		}
		if w.b.part < w.b.whole {
			seen["reserves scaled"]++
		}
	}
	for _, part := range []string{"drain", "settle", "pre_stop", "invite", "stop", "kill", "post_stop"} {
		for _, what := range []string{part + " cut", part + " squeezed"} {
			if seen[what] < 1000 {
				t.Errorf("%s was seen %d times", what, seen[what])
			}
		}
	}
	if seen["announce cut"] < 1000 || seen["reserves scaled"] < 1000 {
		t.Errorf("too little was seen: %v", seen)
	}
	t.Log(seen)
}
