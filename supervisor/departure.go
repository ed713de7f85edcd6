package supervisor

import (
	"slices"

	"lastout/ordering"
)

// departure is all who are on their way out, each at its turn. There is one at a time, so that one order holds for all who
// leave, whoever asked for it: when more join, all that have not left yet begin anew together, and who was being told to
// leave hears nothing more before its turn has come again. A step of the order is free when all steps before it are over;
// those of processes that do not leave, or have nothing running, are passed through at once, so that a node in the middle
// never cuts the order. In a shutdown everybody leaves.
type departure struct {
	began  Instant
	graph  *ordering.Graph // without the drains of those that have nothing to drain
	walk   *ordering.Walk
	budget *ordering.Budget
	free   queue[freeStep]
	steps  int // that are not over
}

// freeStep is a step whose turn has come, and the process whose leaving set it free; -1: it was free from the begin.
type freeStep struct {
	step  ordering.Step
	after ordering.ID
}

// turn is how far a process is with one of its steps.
type turn struct {
	came  bool
	over  bool
	at    Instant
	after ordering.ID
}

// depart makes the departure of all whose course it is. Those for whom nothing is to be done any more need no time.
func (m *Machine) depart(l ordering.Limits) *departure {
	busy := make([]bool, len(m.procs))
	costs := make([]ordering.Cost, len(m.procs))
	for id, p := range m.procs {
		costs[id] = p.spec.cost(m.opts)
		p.turn, p.drained = turn{}, turn{}
		for _, i := range p.inst {
			busy[id] = busy[id] || i.course != stays && !i.state.Left() && i.state != Waiting && i.state != InBackoff
		}
	}
	m.wait = waiting{from: m.now, next: never}
	return &departure{
		began:  m.now,
		budget: m.graph.Budget(l, costs, func(id ordering.ID) bool { return busy[id] }),
		graph:  m.graph,
		walk:   m.graph.Walk(),
		steps:  2 * len(m.procs),
	}
}

// open begins the walk.
func (d *departure) open() {
	for _, s := range d.walk.Begin() {
		d.free.push(freeStep{step: s, after: -1})
	}
}

// at is the instant so long after the begin.
func (d *departure) at(since Instant) Instant { return plus(d.began, since) }

func (d *departure) end() Instant { return d.at(d.budget.End()) }

func (d *departure) drainBy(id ordering.ID, start Instant) Instant {
	return d.at(d.budget.DrainBy(id, start-d.began))
}

func (d *departure) settleBy(id ordering.ID, start Instant) Instant {
	return d.at(d.budget.SettleBy(id, start-d.began))
}

func (d *departure) inviteBy(id ordering.ID, start Instant) Instant {
	return d.at(d.budget.InviteBy(id, start-d.began))
}

func (d *departure) preStopBy(id ordering.ID, start Instant) Instant {
	return d.at(d.budget.PreStopBy(id, start-d.began))
}

func (d *departure) killAt(p *process, told, steps Instant) Instant {
	return d.at(d.budget.KillAt(p.id, p.turn.at-d.began, told-d.began, steps))
}

func (d *departure) lostAt(id ordering.ID, killed Instant) Instant {
	return d.at(d.budget.LostAt(id, killed-d.began))
}

func (d *departure) postStopBy(id ordering.ID, gone Instant) Instant {
	return d.at(d.budget.PostStopBy(id, gone-d.began))
}

// take begins a step whose turn has come.
func (m *Machine) take(f freeStep) {
	m.work++
	p := m.procs[f.step.ID]
	switch f.step.Kind {
	case ordering.Drain:
		m.takeDrain(p, f.after)
	case ordering.Leave:
		m.takeLeave(p, f.after)
	}
}

func (m *Machine) takeDrain(p *process, after ordering.ID) {
	p.drained = turn{came: true, at: m.now, after: after}
	if m.level == Orderly {
		serving := false
		for _, i := range p.inst {
			switch {
			case i.course == stays || i.course == goes && !m.out.graph.Drains(p.id):
			case i.state == Draining:
				m.hastenDrain(i)
			case i.serving():
				if !serving {
					serving = true
					p.drained.after = p.id
					m.sayFree(p, ordering.Drain, after)
				}
				m.drain(i)
			}
		}
		if p.draining > 0 {
			m.waitFor(p, ordering.Drain)
		}
	}
	m.reviewOut(p)
}

// serving says whether an instance can be invited to finish.
func (i *instance) serving() bool {
	return (i.state == Running || i.state == Ready || i.state == InPostStart) && i.exit == nil
}

func (m *Machine) takeLeave(p *process, after ordering.ID) {
	p.turn = turn{came: true, at: m.now, after: after}
	if p.going > 0 {
		p.turn.after = p.id
		m.sayFree(p, ordering.Leave, after)
		m.waitFor(p, ordering.Leave)
		leaving := slices.Clone(p.inst)
		if p.going < p.present { // some stay: those that came last leave first
			slices.Reverse(leaving)
		}
		for _, i := range leaving {
			if i.course == goes {
				m.itsTurn(i)
			}
		}
	}
	m.reviewOut(p)
}

func (m *Machine) sayFree(p *process, kind ordering.StepKind, after ordering.ID) {
	by := m.out.drainBy(p.id, m.now)
	if kind == ordering.Leave {
		by = m.out.at(m.out.budget.LeaveBy(p.id))
	}
	r := Report{Kind: KindFree, Process: p.spec.Name, Cause: kind.String(), Bound: m.rest(by)}
	if after >= 0 {
		r.After = []string{m.procs[after].spec.Name}
	}
	m.say(r)
}

// reviewOut ends the steps of a process that are over and frees those behind them.
func (m *Machine) reviewOut(p *process) {
	if p.drained.came && !p.drained.over && p.draining == 0 {
		m.stepOver(&p.drained, ordering.Step{Kind: ordering.Drain, ID: p.id})
	}
	if p.turn.came && !p.turn.over && p.going == 0 {
		m.stepOver(&p.turn, ordering.Step{Kind: ordering.Leave, ID: p.id})
	}
}

func (m *Machine) stepOver(t *turn, s ordering.Step) {
	t.over = true
	m.out.steps--
	m.unblock()
	for _, next := range m.out.walk.Done(s) {
		m.out.free.push(freeStep{step: next, after: t.after})
	}
}

// cost is how long the parts of a process's leaving may take.
func (s *Spec) cost(o Options) ordering.Cost {
	c := ordering.Cost{
		PreStop: s.Hooks[PreStop], Kill: o.KillTimeout, PostStop: s.Hooks[PostStop],
	}
	if s.Role == ordering.Gateway {
		c.PreDrain, c.Drain, c.Settle = s.Hooks[PreDrain], s.Drain.time(), s.Drain.Settle
	} else {
		c.Invite = plus(s.Hooks[PreDrain], s.Drain.time())
	}
	for _, step := range s.Stop {
		c.Steps = plus(c.Steps, step.Timeout)
	}
	return c
}
