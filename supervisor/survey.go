package supervisor

import (
	"slices"
	"time"

	"lastout/ordering"
)

// surveyTime is how long the first step of a shutdown waits to hear which gateways listen nowhere.
const surveyTime = 250 * time.Millisecond

// survey is the look, beside the announcement, at those gateways that drain only because nobody said otherwise. Nothing
// is to be drained of one that listens nowhere: it waits for none of its clients then, and no service waits for it.
type survey struct {
	open bool // it was asked for and not answered
	by   Instant
}

// beginSurvey asks who listens nowhere. Of one that is to spawn still, it is not known.
func (m *Machine) beginSurvey() {
	var runs []Run
	some := false
	for _, p := range m.procs {
		some = some || p.spec.Drain.Listens
	}
	for _, i := range m.insts {
		if i.proc.spec.Drain.Listens && i.serving() {
			runs = append(runs, i.run)
		}
	}
	switch {
	case len(runs) > 0:
		m.shutdown.survey = survey{open: true, by: min(m.after(surveyTime), m.out.at(m.out.budget.Announce()))}
		m.do(Survey{Runs: runs})
	case some:
		m.passOver(nil)
	}
}

// awaitSurvey says whether the first step still waits for the answer.
func (m *Machine) awaitSurvey() bool {
	s := &m.shutdown.survey
	if !s.open {
		return false
	}
	if m.level == Orderly && m.now < s.by {
		m.await(surveying, s.by)
		return true
	}
	s.open = false
	return false
}

func (m *Machine) surveyed(ev Surveyed) {
	s := &m.shutdown.survey
	if m.phase != Announcing || !s.open {
		return
	}
	s.open = false
	m.passOver(ev.Silent)
	if m.shutdown.stage == surveying {
		m.walk()
	}
}

// passOver leaves the drains of those out of which every instance that lives is among the silent. The budget stays as it
// was fixed.
func (m *Machine) passOver(silent []Run) {
	var without []ordering.ID
	for _, p := range m.procs {
		p.silent = p.spec.Drain.Listens && !slices.ContainsFunc(p.inst, func(i *instance) bool {
			answers := i.serving() || i.state == Starting || i.state == Draining || i.state == Drained
			return answers && !slices.Contains(silent, i.run)
		})
		if p.silent {
			without = append(without, p.id)
		}
	}
	if len(without) > 0 {
		m.sayPassedOver(without)
		m.out.graph = m.graph.Without(without)
		m.out.walk = m.out.graph.Walk()
	}
}

// sayPassedOver names those that live and are not drained: somebody may have thought that they listen.
func (m *Machine) sayPassedOver(without []ordering.ID) {
	var names []string
	for _, id := range without {
		if m.procs[id].present > 0 {
			names = append(names, m.procs[id].spec.Name)
		}
	}
	if len(names) > 0 {
		m.say(Report{Kind: KindNote, Cause: "listens nowhere, and is not drained: " + aFew(names)})
	}
}

// limits are the bounds of a whole shutdown as the budget wants them. Closing gets the least that a sweep needs to see
// its SIGKILL through.
func limits(o Options, specs []Spec) ordering.Limits {
	l := ordering.Limits{
		Timeout: o.Timeout, Reserve: o.Reserve, Before: o.Before, Delay: o.Delay, After: o.After,
		Linger: plus(o.Linger, leastSweep),
	}
	for i := range specs {
		if specs[i].Drain.Listens && specs[i].Enabled {
			l.Survey = surveyTime
		}
	}
	return l
}
