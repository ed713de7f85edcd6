package supervisor

import "slices"

// finish ends it all.
func (m *Machine) finish() {
	m.outcome = m.judge()
	m.enterPhase(Finished, "")
	m.timers, m.wait.next = timers{}, never
	outcome := m.outcome
	m.say(Report{Kind: KindFinish, Outcome: &outcome})
	m.do(Finish{Outcome: outcome})
}

// Outcome is how it all ended, once it has.
func (m *Machine) Outcome() (Outcome, bool) { return m.outcome, m.phase == Finished }

func (m *Machine) judge() Outcome {
	o := Outcome{Cause: m.shutdown.cause, Survived: m.shutdown.survived}
	for _, i := range m.lost {
		o.Lost = append(o.Lost, i.name)
	}
	for _, i := range m.insts {
		if i.needed {
			o.Killed = append(o.Killed, i.name)
		}
		if i.wasLost {
			o.Lost = append(o.Lost, i.name)
		}
		if i.state == Failed {
			o.Failed = append(o.Failed, i.name)
		}
	}
	o.Class = m.class(o)
	o.Code = o.Class
	if m.legacy != 0 {
		o.Code = m.legacy
		return o
	}
	t := m.shutdown.trigger
	if t == nil {
		return o
	}
	o.Trigger = t.name
	if t.freed && t.fault == "" && o.Class != 5 && !m.opts.ClassOnly {
		o.Code = t.exit.Status()
	}
	return o
}

// class is the highest that applies.
func (m *Machine) class(o Outcome) int {
	switch {
	case m.level == Forced:
		return 5
	case len(o.Lost) > 0 || len(o.Survived) > 0:
		return 4
	case len(o.Killed) > 0:
		return 3
	case m.failedUp():
		return 1
	default:
		return 0
	}
}

// failedUp says whether somebody's start failed for good while the tree was up, or all had ended, and one had failed.
func (m *Machine) failedUp() bool {
	over := m.shutdown.allOver || m.shutdown.trigger != nil
	return slices.ContainsFunc(m.insts, func(i *instance) bool { return i.unstarted || i.failed && over })
}
