package supervisor

import (
	"fmt"
	"slices"

	"lastout/ordering"
)

// rollThem begins a rolling restart: instance by instance, in stop order, the next only when the one before it is ready
// again. Who does not run is left alone.
func (m *Machine) rollThem(o *operation, who []*instance) string {
	if why := held(who, VerbStart); why != "" {
		return why
	}
	who = slices.DeleteFunc(who, func(i *instance) bool { return !i.wanted() || i.state.Left() })
	if len(who) == 0 {
		return o.nobody("running")
	}
	var ids []ordering.ID
	for _, i := range who {
		ids = append(ids, i.proc.id)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	o.returns = true
	m.accept(o, who, m.losses(ids)...)
	for _, id := range m.graph.StopOrder(ids) {
		for _, i := range m.procs[id].inst {
			if slices.Contains(who, i) {
				o.want(i, itsGo)
			}
		}
	}
	return ""
}

// losses says of which processes something can be lost when one instance of theirs goes and comes back: nobody tells
// those who send to it.
func (m *Machine) losses(ids []ordering.ID) (warnings []string) {
	fronted := make(map[ordering.ID]string)
	for _, p := range m.procs {
		for _, id := range m.graph.Fronted(p.id) {
			fronted[id] = p.spec.Name
		}
	}
	for _, id := range ids {
		s := &m.procs[id].spec
		_, deregisters := s.Hooks[PreDrain]
		switch {
		case s.Held:
		case s.Role == ordering.Gateway:
			warnings = append(warnings, fmt.Sprintf(
				"%s has no held listener: it refuses connections while it restarts", s.Name))
		case fronted[id] != "" && !deregisters:
			warnings = append(warnings, fmt.Sprintf("%s has no held listener and no pre_drain hook: "+
				"what %s sends to an instance while that restarts can be lost", s.Name, fronted[id]))
		}
	}
	return warnings
}

// roll takes the next instance when the one before it is ready again; where that failed, the others stay as they are.
func (m *Machine) roll(o *operation) {
	if o.said || o.why != "" {
		for _, p := range slices.Clone(o.parts) {
			if p.goal == itsGo {
				m.drop(p)
			}
		}
		return
	}
	if len(o.parts) == 0 || slices.ContainsFunc(o.parts, func(p *part) bool { return p.goal != itsGo }) {
		return
	}
	p := o.parts[0]
	p.goal = toLeave
	o.leaving++
	m.leaveTogether([]*instance{p.inst}, reasonRestart, o.op)
	if over, failure := p.judge(""); over {
		m.partOver(p, failure)
	}
}
