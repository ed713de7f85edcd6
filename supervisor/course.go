package supervisor

import (
	"fmt"
	"slices"

	"lastout/ordering"
)

// leaveTogether lets instances join those who are on their way out. All that have not left yet begin anew together.
func (m *Machine) leaveTogether(who []*instance, errand string, op Op) {
	m.together(who, goes, errand, op)
}

// drainTogether lets gateways be drained in the order of those who are on their way out, and stay.
func (m *Machine) drainTogether(who []*instance, op Op) { m.together(who, drains, reasonDrain, op) }

func (m *Machine) together(who []*instance, c course, errand string, op Op) {
	fresh, before := m.join(who, c, errand)
	if len(fresh) == 0 {
		return
	}
	m.out = m.depart(ordering.Limits{Reserve: m.opts.Reserve})
	m.say(Report{Kind: KindDepart, Op: op, Cause: errand, After: names(fresh)})
	for _, i := range before {
		m.shorten(i)
	}
	for _, i := range fresh {
		m.halt(i)
	}
	m.out.open()
}

// join sets the course of those who are there and have no such course yet. It returns them, and those who were leaving
// before.
func (m *Machine) join(who []*instance, c course, errand string) (fresh, before []*instance) {
	for _, i := range m.insts {
		if i.course == goes {
			before = append(before, i)
		}
	}
	for _, i := range who {
		if !i.state.Left() && i.course < c {
			i.errand = errand
			m.setCourse(i, c)
			fresh = append(fresh, i)
		}
	}
	return fresh, before
}

// everybodyGoes lets all leave whom there are. It returns those who were not leaving before, and those who were.
func (m *Machine) everybodyGoes() (fresh, before []*instance) {
	return m.join(m.insts, goes, reasonShutdown)
}

// halt takes an instance that is to leave out of everything that leads up. Who lives goes on living: its turn has not
// come.
func (m *Machine) halt(i *instance) {
	switch i.state {
	case Waiting:
		if m.phase == Up {
			m.enter(i, Stopped, i.errand, never)
		} else {
			m.enter(i, Off, i.errand, never)
		}
	case InBackoff:
		m.enter(i, Stopped, i.errand, never)
	case InPreStart:
		i.reason = i.errand
		m.stopHook(i, i.errand)
		m.over(i)
	case Starting:
		i.cancelling = true
		m.do(Cancel{Inst: i.inst(), Run: i.run})
	case Running:
		m.stopProbe(i)
		if i.exit == nil {
			m.setDeadline(i, never)
		}
	case InPostStart:
		m.stopHook(i, i.errand)
		m.enter(i, Ready, i.errand, i.whenGone())
	case Killing, InPostStop:
		m.shorten(i)
	case Ready:
		m.stopHealth(i)
	case Off, Draining, Drained, Remains, Settling, InPreStop, Stopping, Done, Failed, Stopped, Lost:
	}
}

// shorten fits what cannot be taken back any more into the time that a new departure has.
func (m *Machine) shorten(i *instance) {
	switch i.state {
	case Starting: // its turn will come once more
		i.killAt = never
		m.setDeadline(i, never)
	case Killing:
		m.setDeadline(i, min(i.deadline, m.out.lostAt(i.proc.id, m.now)))
	case InPostStop:
		m.setDeadline(i, min(i.deadline, m.out.postStopBy(i.proc.id, m.now)))
	case Off, Waiting, InPreStart, Running, InPostStart, Ready, Draining, Drained, Remains, Settling, InPreStop, Stopping,
		InBackoff, Done, Failed, Stopped, Lost:
	}
}

// comeIn lets an instance that has left start again, as soon as what it needs is ready.
func (m *Machine) comeIn(i *instance, cause string) {
	i.attempts, i.failed, i.unstarted, i.wasReady, i.errand = 0, false, false, false, ""
	m.enter(i, Waiting, cause, never)
}

// mayComeIn says whether nobody is leaving who must leave after an instance: it would hold him up.
func (m *Machine) mayComeIn(i *instance) bool {
	return m.out == nil ||
		!m.graph.LeavesBeforeAny(i.proc.id, func(id ordering.ID) bool { return m.procs[id].going > 0 })
}

// again starts an instance whose backoff is over, unless a user has taken away what it needs: then it waits for that.
func (m *Machine) again(i *instance) {
	if m.withheld(i.proc) != nil {
		i.wasReady = false
		m.enter(i, Waiting, "what it needs was stopped", never)
		return
	}
	m.start(i)
}

// withheld is a process that another one needs, and of which users have taken every instance away; nil: there is none.
func (m *Machine) withheld(p *process) *process {
	for _, id := range m.graph.Needs(p.id) {
		need := m.procs[id]
		switch {
		case len(need.inst) == 0:
			if far := m.withheld(need); far != nil {
				return far
			}
		case !slices.ContainsFunc(need.inst, (*instance).wanted):
			if !need.satisfied {
				return need
			}
		}
	}
	return nil
}

// ceaseToWait ends the parts of operations that wait for somebody to be ready who cannot start before users give back what
// they have taken away. It starts when that is there again.
func (m *Machine) ceaseToWait() {
	known := make(map[*process]*process)
	for _, o := range m.ops {
		for _, part := range slices.Clone(o.parts) {
			if part.goal != toServe || part.inst.state != Waiting {
				continue
			}
			if far := m.stuck(part.inst.proc, known); far != nil {
				m.end(part, fmt.Sprintf("waits for %s, which was stopped", far.spec.Name))
			}
		}
	}
}

// stuck is what users have taken away and a process waits for: itself, or by others that wait; nil: there is none. What
// is found out of those on the way goes into known.
func (m *Machine) stuck(p *process, known map[*process]*process) *process {
	if far, ok := known[p]; ok {
		return far
	}
	m.work++
	far := m.withheld(p)
	for _, id := range m.graph.Needs(p.id) {
		need := m.procs[id]
		if far == nil && !need.satisfied && (need.waiting > 0 || len(need.inst) == 0) {
			far = m.stuck(need, known)
		}
	}
	known[p] = far
	return far
}

// wanted says whether an instance shall run: no user has stopped or drained it, or it comes back.
func (i *instance) wanted() bool {
	if i.comesBack() {
		return true
	}
	going := i.leaving() && i.asked && i.fault == "" // it was drained, and the rest of it is cleared away
	return i.course == stays && !going && i.state != Stopped && i.state != Drained && i.state != Off
}

// comesBack says whether some operation wants an instance to run.
func (i *instance) comesBack() bool {
	return slices.ContainsFunc(i.parts, func(p *part) bool {
		return p.op.returns && !p.away || p.goal == toEnter || p.goal == toServe
	})
}

func names(who []*instance) []string {
	list := make([]string, len(who))
	for n, i := range who {
		list[n] = i.name
	}
	return list
}
