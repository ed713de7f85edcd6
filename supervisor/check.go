package supervisor

import (
	"errors"
	"fmt"
	"slices"

	"lastout/ordering"
)

// Check holds the machine against what must be true after every Step, with everything counted anew: the counts, a
// bound for each wait that has one, a run for each who lives, nobody on the way out before its turn. It is for tests,
// and costs a look at the whole tree.
func (m *Machine) Check() error {
	c := checker{m: m}
	present, alive, hooks := 0, 0, 0
	for _, p := range m.procs {
		c.process(p)
		for _, i := range p.inst {
			c.instance(i)
			if !i.state.Left() {
				present++
			}
			if i.state.Alive() {
				alive++
			}
			if i.hook != nil {
				hooks++
			}
		}
	}
	if m.shutdown.hook != nil {
		hooks++
	}
	c.hold(present == m.present, "%d instances are present, %d are counted", present, m.present)
	c.hold(alive == m.alive, "%d instances are alive, %d are counted", alive, m.alive)
	c.hold(hooks == len(m.hooks), "%d hooks are known to those they run for, %d in all", hooks, len(m.hooks))
	c.hold(m.dirty.first == len(m.dirty.items), "processes wait for their review")
	c.timers()
	c.phase()
	return errors.Join(c.faults...)
}

type checker struct {
	m      *Machine
	faults []error
}

func (c *checker) hold(ok bool, format string, args ...any) {
	if !ok {
		c.faults = append(c.faults, fmt.Errorf(format, args...))
	}
}

// process counts what is kept of a process once more.
func (c *checker) process(p *process) {
	again := process{id: p.id, spec: p.spec, inst: p.inst}
	for _, i := range p.inst {
		s := i.state
		if !s.Left() {
			again.present++
		}
		switch {
		case s == Waiting:
			again.waiting++
		case s == Draining:
			if p.spec.Role == ordering.Gateway {
				again.draining++
			}
		case s == Stopped:
			again.stopped++
		case p.satisfying(s):
			again.ready++
		case s.Left() && s != Off:
			again.hopeless++
		}
		if i.course == goes && !s.Left() {
			again.going++
		}
	}
	for _, id := range c.m.graph.Needs(p.id) {
		if need := c.m.procs[id]; !need.satisfied {
			again.unmet++
		}
		if need := c.m.procs[id]; need.broken {
			again.denied++
		}
	}
	kept := [...]int{
		p.present, p.waiting, p.draining, p.ready, p.stopped, p.going, p.hopeless, p.unmet, p.denied,
	}
	found := [...]int{
		again.present, again.waiting, again.draining, again.ready, again.stopped, again.going, again.hopeless, again.unmet,
		again.denied,
	}
	c.hold(kept == found, "%s: %v is counted, %v is kept", p.spec.Name, found, kept)
	if c.m.phase == Up && c.m.begun && len(p.inst) > 0 {
		c.hold(p.satisfied == (p.ready > 0 && p.ready+p.stopped == len(p.inst)), "%s: its dependents hold it for satisfied: %v", p.spec.Name,
			p.satisfied)
		c.hold(p.waiting == 0 || p.unmet > 0 && p.denied == 0, "%s waits for nothing", p.spec.Name)
	}
	if c.m.out != nil && c.m.phase != Announcing {
		w := c.m.out.walk
		c.hold(p.turn.over == w.Over(ordering.Step{Kind: ordering.Leave, ID: p.id}), "%s: the walk differs",
			p.spec.Name)
		c.hold(!p.turn.came || p.turn.over == (p.going == 0), "%s: its turn to leave is over: %v, %d are there",
			p.spec.Name, p.turn.over, p.going)
		c.hold(p.draining == 0 || !p.drained.came || !p.drained.over, "%s drains on, and its drain is over", p.spec.Name)
	}
}

func (c *checker) instance(i *instance) {
	bounded := i.deadline != never
	s := i.state
	switch s {
	case InPreStart, InPostStart, Draining, Settling, InPreStop, Stopping, Killing, InPostStop, InBackoff:
		c.hold(bounded, "%s is %s without a bound", i.name, s)
	case Off, Waiting, Remains, Done, Failed, Stopped, Lost:
		c.hold(!bounded, "%s is %s until %v", i.name, s, i.deadline)
	case Starting:
		c.hold(bounded == (c.m.itIsTurnOf(i) || c.m.level == Forced), "%s is starting until %v", i.name, i.deadline)
	case Running, Ready, Drained:
		c.hold(i.exit == nil || bounded, "%s is %s, its main process gone, without a bound", i.name, s)
	}
	switch s {
	case Draining:
		c.draining(i)
	case InPreStart, InPostStop:
		c.hold(i.hook != nil && i.hook.kind != "", "%s is %s without a hook", i.name, s)
	case InPostStart, InPreStop:
		c.hold(i.hook != nil || i.exit != nil, "%s is %s without a hook", i.name, s)
	case Stopping:
		c.hold(i.hook == nil || i.hook.kind == "", "%s is %s with a %s hook", i.name, s, "other")
	case Off, Waiting, Starting, Running, Ready, Drained, Remains, Settling, Killing, InBackoff, Done, Failed, Stopped,
		Lost:
		c.hold(i.hook == nil, "%s is %s with a hook", i.name, s)
	}
	c.hold(i.part == notDraining || s == Draining, "%s is %s, and its drain goes on", i.name, s)
	c.hold(!i.watched || s == Settling || s == Draining && i.part == watching, "%s is watched though %s", i.name, s)
	c.hold(i.hook == nil || c.m.hooks[i.hook.run] == i.hook, "%s: its hook is not known", i.name)
	if s.Alive() {
		c.hold(i.run > 0 && i.run <= c.m.runs, "%s is %s with run %d", i.name, s, i.run)
		c.hold(i.ran == (s != Starting), "%s is %s, and its exec succeeded: %v", i.name, s, i.ran)
	}
	c.turn(i)
	for _, p := range i.parts {
		c.hold(p.inst == i && slices.Contains(p.op.parts, p) && slices.Contains(c.m.ops, p.op), "%s: nobody works on a part",
			i.name)
	}
}

// draining holds that what the drain of an instance waits for is under way.
func (c *checker) draining(i *instance) {
	hook, watched := false, false
	switch i.part {
	case preDraining, inviting:
		hook = true
	case watching:
		watched = true
	case quiescing:
	case notDraining:
		c.hold(i.exit != nil, "%s drains, and nothing is done for it", i.name)
	}
	c.hold((i.hook != nil) == hook, "%s drains with a hook: %v", i.name, i.hook != nil)
	c.hold(i.watched == watched, "%s drains and is watched: %v", i.name, i.watched)
	c.hold(i.deadline <= i.drainBy || i.exit != nil, "%s drains until %v, and must be drained by %v", i.name,
		i.deadline, i.drainBy)
}

// turn holds that in an ordered shutdown nobody's way out begins before all who leave before it have left.
func (c *checker) turn(i *instance) {
	m := c.m
	c.hold(i.course == stays || m.out != nil, "%s leaves, and nobody does", i.name)
	c.hold(i.course == stays || !i.state.Left(), "%s leaves although %s", i.name, i.state)
	c.hold(m.phase == Up || i.course == goes || i.state.Left(), "%s stays in a shutdown", i.name)
	if i.course != goes || m.level == Forced {
		c.hold(m.level == Forced || i.state != Remains && i.state != Settling, "%s is %s, and does not leave", i.name, i.state)
		return
	}
	came := i.proc.turn.came
	switch i.state {
	case Waiting, InPreStart, InBackoff:
		c.hold(false, "%s is %s and is to leave", i.name, i.state)
	case Remains:
		c.hold(!came, "%s remains although it is its turn", i.name)
	case Running, InPostStart, Ready, Drained:
		c.hold(!came, "%s is %s although it is its turn", i.name, i.state)
	case Draining:
		if i.proc.spec.Role == ordering.Gateway {
			c.hold(!came, "%s drains although it is its turn to leave", i.name)
		} else {
			c.hold(came || i.since <= m.out.began, "%s drains before its turn", i.name)
		}
	case Settling, InPreStop, Stopping, Killing:
		c.hold(came || i.since <= m.out.began, "%s is %s before its turn", i.name, i.state)
	case Off, Starting, InPostStop, Done, Failed, Stopped, Lost:
	}
}

// timers holds that each deadline is in the heap, and that the heap is one.
func (c *checker) timers() {
	t := &c.m.timers
	have := make(map[timer]bool, len(t.heap))
	for at, x := range t.heap {
		have[x] = true
		c.hold(at == 0 || !x.before(t.heap[(at-1)/2]), "the heap of deadlines is out of order")
	}
	set := 0
	for _, i := range c.m.insts {
		if i.deadline != never {
			set++
			c.hold(have[timer{at: i.deadline, who: i.at}], "%s: its deadline is not in the heap", i.name)
		}
	}
	c.hold(set == t.set, "%d deadlines are set, %d are counted", set, t.set)
}

// operations holds that each operation has something left to wait for.
func (c *checker) operations() {
	m := c.m
	for _, o := range m.ops {
		leaving, serving := 0, 0
		for _, p := range o.parts {
			switch p.goal {
			case toLeave:
				leaving++
			case toServe:
				serving++
			case toEnter:
				c.hold(o.leaving > 0 || o.blocked, "operation %d does not let %s in", o.op, p.inst.name)
			case itsGo, toDrain:
			}
		}
		c.hold(len(o.parts) > 0 || o.reload != nil && o.blocked && m.out != nil, "operation %d waits for nobody", o.op)
		c.hold(leaving == o.leaving, "operation %d waits for %d to leave, %d are counted", o.op, leaving, o.leaving)
		c.hold(serving == 0 || o.until != never, "operation %d waits for a start without a bound", o.op)
	}
}

func (c *checker) phase() {
	m := c.m
	s := &m.shutdown
	c.hold(m.out != nil || m.phase == Up, "phase %s, and nobody leaves", m.phase)
	c.hold(m.out == nil || m.phase != Up || m.out.steps > 0, "all have left, and the departure goes on")
	c.hold(m.ripe.first == len(m.ripe.items), "operations wait to be looked at")
	c.operations()
	switch m.phase {
	case Up, Finished:
		c.hold(s.until == never, "phase %s waits until %v", m.phase, s.until)
	case Announcing, Closing:
		c.hold(s.until != never, "phase %s waits without a bound", m.phase)
	case Walking:
		c.hold(m.present > 0 && m.out.steps > 0, "phase walking, and nobody is left")
	}
	if m.phase == Closing || m.phase == Finished {
		c.hold(m.present == 0 && m.alive == 0, "phase %s with %d present", m.phase, m.present)
	}
	if m.out != nil {
		c.hold(m.out.free.first == len(m.out.free.items), "steps are free and not begun")
		if err := m.out.walk.Check(); err != nil {
			c.faults = append(c.faults, err)
		}
	}
}
