package supervisor

import (
	"fmt"
	"slices"
)

// scale changes how many instances a process has. New ones start by readiness; those that are too many leave, the highest
// number first, and are forgotten then. Those of a process that was stopped are stopped from the begin.
func (m *Machine) scale(o *operation) string {
	if len(o.what.Names) != 1 {
		return "one process is scaled at a time"
	}
	id, _ := m.graph.Lookup(o.what.Names[0])
	p := m.procs[id]
	switch {
	case !p.spec.Enabled:
		return p.spec.Name + " is not enabled"
	case o.what.Count < 0 || o.what.Count > MaxInstances:
		return fmt.Sprintf("a process has 0 to %d instances", MaxInstances)
	}
	if slices.ContainsFunc(p.inst, func(i *instance) bool { return i.surplus }) {
		return "the instances of " + p.spec.Name + " that are too many have not left yet"
	}
	for _, i := range m.lost {
		if i.proc == p && !i.found && i.n <= o.what.Count {
			return i.name + " is lost: its old run may still live"
		}
	}
	if why := held(p.inst, VerbStart); why != "" {
		return why
	}
	idle := len(p.inst) > 0 && p.stopped == len(p.inst)
	first := len(p.inst)
	if o.what.Count > first {
		m.grow(p, o.what.Count)
	}
	p.spec.Instances, p.emptied = o.what.Count, o.what.Count == 0
	var more, fewer []*instance
	for n, i := range p.inst {
		switch {
		case n >= o.what.Count:
			fewer = append(fewer, i)
		case n >= first:
			more = append(more, i)
		}
	}
	slices.Reverse(fewer)
	m.accept(o, append(slices.Clone(fewer), more...)) // with the bound of a shutdown from here on
	m.shrink(o, p, fewer)
	for _, i := range more {
		if idle {
			m.enter(i, Stopped, reasonScale, never)
		} else {
			o.want(i, toEnter)
		}
	}
	m.touch(p)
	return ""
}

// MaxInstances is how many instances a process may have.
const MaxInstances = 1000

// grow makes the instances up to a number.
func (m *Machine) grow(p *process, count int) {
	for n := len(p.inst) + 1; n <= count; n++ {
		p.inst = append(p.inst, newInstance(p, n, n > 1 || count > 1 && len(p.inst) == 0))
	}
	m.relist()
}

func (m *Machine) shrink(o *operation, p *process, fewer []*instance) {
	for _, i := range fewer {
		m.overtake(i, o)
		i.surplus = true
		o.want(i, toLeave)
	}
	m.leaveTogether(fewer, reasonScale, o.op)
	m.settleParts(o)
	m.touch(p)
}

// forgetSurplus forgets the instances that are too many and have left. One that is lost is still known by its run.
func (m *Machine) forgetSurplus(p *process) {
	if !slices.ContainsFunc(p.inst, (*instance).forgettable) {
		return
	}
	for _, i := range p.inst {
		if i.forgettable() {
			m.count(i, i.state, -1)
			m.dismiss(i)
		}
	}
	p.inst = slices.DeleteFunc(p.inst, (*instance).forgettable)
	m.relist()
}

func (i *instance) forgettable() bool { return i.surplus && i.state.Left() }

// dismiss forgets an instance that is none any more, but for what must be told of it at the end.
func (m *Machine) dismiss(i *instance) {
	if i.lost {
		m.lost = append(m.lost, i)
		return
	}
	delete(m.lives, i.run)
}

// relist puts the instances in order when there are more or fewer, and finds their deadlines again.
func (m *Machine) relist() {
	m.insts = m.insts[:0]
	for _, p := range m.procs {
		for _, i := range p.inst {
			i.at = len(m.insts)
			m.insts = append(m.insts, i)
		}
	}
	m.timers = timers{}
	for _, i := range m.insts {
		if i.deadline != never {
			m.timers.set++
			m.work += m.timers.push(timer{at: i.deadline, who: i.at})
		}
	}
}
