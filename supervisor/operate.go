package supervisor

import (
	"fmt"
	"slices"
	"strings"

	"lastout/ordering"
)

// operate takes an operation in: it is refused, with the reason, or accepted and begun.
func (m *Machine) operate(ev Operate) {
	o := &operation{op: ev.Op, what: ev.Operation, since: m.now, until: never}
	who, why := m.named(ev.Operation)
	if why == "" {
		why = ev.Unfit
	}
	if why == "" {
		why = m.barred(o, who)
	}
	if why == "" {
		why = m.begins(o, who)
	}
	if why != "" {
		r := o.report(Refused)
		r.Cause = why
		m.say(r)
	}
}

// barred says why nobody may do anything now.
func (m *Machine) barred(o *operation, who []*instance) string {
	switch {
	case m.phase != Up:
		return "a shutdown is under way"
	case !m.begun:
		return "the tree has not begun"
	case o.what.Verb != VerbStop && o.what.Verb != VerbReload && m.stopsForReload() != "":
		return m.stopsForReload()
	case len(m.ops) >= maxOperations:
		return fmt.Sprintf("%d operations are under way already", len(m.ops))
	case len(who) == 0 && o.what.Verb != VerbScale && o.what.Verb != VerbReload:
		return strings.Join(o.what.Names, ", ") + " has no instances to " + string(o.what.Verb)
	}
	return ""
}

// begins begins an operation, or says why it is refused.
func (m *Machine) begins(o *operation, who []*instance) string {
	switch o.what.Verb {
	case VerbStart:
		return m.startThem(o, who)
	case VerbStop:
		return m.stopThem(o, who)
	case VerbRestart:
		return m.restartThem(o, who)
	case VerbRolling:
		return m.rollThem(o, who)
	case VerbScale:
		return m.scale(o)
	case VerbDrain:
		return m.drainThem(o, who)
	case VerbUndrain:
		return m.undrainThem(o, who)
	case VerbSignal:
		return m.signalThem(o, who)
	case VerbReload:
		return "a reload needs its configuration"
	}
	return fmt.Sprintf("there is no verb %q", o.what.Verb)
}

// accept says that an operation is accepted; what it does comes after that. A warning is what may surprise.
func (m *Machine) accept(o *operation, who []*instance, warnings ...string) {
	m.ops = append(m.ops, o)
	if o.what.Timeout > 0 {
		o.until = m.after(o.what.Timeout)
	}
	r := o.report(Accepted)
	r.After = names(who)
	r.Cause = strings.Join(slices.DeleteFunc(append([]string{o.what.Cause}, warnings...), isEmpty), "; ")
	if o.what.Verb == VerbScale {
		r.Bound = boundOf(m.graph, m.specs(), m.opts)
	}
	m.say(r)
	m.ripen(o)
}

func isEmpty(s string) bool { return s == "" }

// settleParts judges the parts of an operation that may be over from the begin.
func (m *Machine) settleParts(o *operation) {
	for _, p := range slices.Clone(o.parts) {
		if over, failure := p.judge(""); over {
			m.partOver(p, failure)
		} else if p.goal == toServe {
			m.boundStart(o)
		}
	}
}

// named finds the instances of which an operation speaks, in the order of the tree.
func (m *Machine) named(o Operation) (who []*instance, why string) {
	var unknown []string
	set := make(map[*instance]bool)
	for _, name := range o.Names {
		found := m.instancesOf(name, o.Verb == VerbRolling || o.Verb == VerbScale)
		if found == nil {
			unknown = append(unknown, m.unknown(name))
		}
		for _, i := range found {
			set[i] = true
		}
	}
	if len(unknown) > 0 {
		return nil, strings.Join(unknown, "; ")
	}
	for _, i := range m.insts {
		if set[i] && !i.surplus {
			who = append(who, i)
		}
	}
	return who, ""
}

// instancesOf finds those of a process, or a single one. It is not nil where there is something of the name.
func (m *Machine) instancesOf(name string, processOnly bool) []*instance {
	if id, ok := m.graph.Lookup(name); ok {
		return append([]*instance{}, m.procs[id].inst...)
	}
	for _, i := range m.insts {
		if i.name == name && !processOnly {
			return []*instance{i}
		}
	}
	return nil
}

func (m *Machine) unknown(name string) string {
	text := fmt.Sprintf("there is no process %q", name)
	if near := m.graph.Suggest(name); near != "" {
		text += fmt.Sprintf(" (did you mean %q?)", near)
	}
	return text
}

// held says which operation works on one of the instances and does not let others in.
func held(who []*instance, but ...Verb) string {
	for _, i := range who {
		for _, p := range i.parts {
			if !slices.Contains(but, p.op.what.Verb) {
				return fmt.Sprintf("%s: operation %d (%s) is still under way", i.name, p.op.op, p.op.what.Verb)
			}
		}
	}
	return ""
}

// wholes are the instances of the given processes.
func (m *Machine) wholes(ids []ordering.ID) (who []*instance) {
	for _, id := range ids {
		who = append(who, m.procs[id].inst...)
	}
	return who
}

// along adds to those who are named whole processes that go with them.
func (m *Machine) along(who []*instance, with func(...ordering.ID) []ordering.ID) []*instance {
	count := make(map[*process]int)
	var whole []ordering.ID
	for _, i := range who {
		if count[i.proc]++; count[i.proc] == i.proc.lasting() {
			whole = append(whole, i.proc.id)
		}
	}
	set := make(map[*instance]bool)
	for _, i := range append(m.wholes(with(whole...)), who...) {
		set[i] = true
	}
	return slices.DeleteFunc(slices.Clone(m.insts), func(i *instance) bool { return !set[i] || i.surplus })
}

// lasting counts the instances that are not too many.
func (p *process) lasting() (n int) {
	for _, i := range p.inst {
		if !i.surplus {
			n++
		}
	}
	return n
}

func (m *Machine) stopThem(o *operation, who []*instance) string {
	if !o.what.NoDeps {
		who = m.along(who, m.graph.StopsWith)
	}
	who = slices.DeleteFunc(who, func(i *instance) bool { return i.state.Left() })
	m.accept(o, who)
	for _, i := range who {
		m.overtake(i, o)
		o.want(i, toLeave)
	}
	m.leaveTogether(who, reasonStop, o.op)
	return ""
}

// overtake ends what others want of an instance that is to stop, unless they want it to leave as well.
func (m *Machine) overtake(i *instance, by *operation) {
	for _, p := range slices.Clone(i.parts) {
		if p.goal != toLeave || p.op.returns && !p.away {
			m.end(p, fmt.Sprintf("was overtaken by operation %d (%s)", by.op, by.what.Verb))
		}
	}
}

func (m *Machine) startThem(o *operation, who []*instance) string {
	if why := m.unfit(who); why != "" {
		return why
	}
	if !o.what.NoDeps {
		for _, i := range who { // those that are needed, but not what else there is of the same process
			needs := m.graph.StartsWith(m.graph.Needs(i.proc.id)...)
			who = append(who, m.wholes(needs)...)
		}
		who = m.along(who, func(...ordering.ID) []ordering.ID { return nil })
	}
	if why := m.unfit(who); why != "" {
		return why
	}
	who = slices.DeleteFunc(who, func(i *instance) bool { return i.proc.satisfying(i.state) && i.state == Done && !o.names(i) })
	o.returns = true
	m.accept(o, who)
	for _, i := range who {
		switch {
		case i.course == goes || i.leaving() && i.asked && i.fault == "":
			o.want(i, toLeave)
		case i.state.Left():
			o.want(i, toEnter)
		case i.state == InBackoff:
			o.want(i, toServe)
			m.comeIn(i, string(VerbStart))
		default:
			o.want(i, toServe)
		}
	}
	m.settleParts(o)
	return ""
}

// nobody says that none of those who are named is in a condition.
func (o *operation) nobody(is string) string {
	return fmt.Sprintf("not %s: %s", is, strings.Join(o.what.Names, ", "))
}

// names says whether an operation names an instance, or its process.
func (o *operation) names(i *instance) bool {
	return slices.Contains(o.what.Names, i.proc.spec.Name) || slices.Contains(o.what.Names, i.name)
}

// unfit says who of those that are to run cannot.
func (m *Machine) unfit(who []*instance) string {
	for _, i := range who {
		switch {
		case i.state == Lost && !i.found:
			return i.name + " is lost: its old run may still live"
		case i.course == stays && (i.state == Draining || i.state == Drained) || i.course == drains:
			return fmt.Sprintf("%s is %s (drain --undo lets it in again, a restart as well)", i.name, i.state)
		}
	}
	return ""
}

func (m *Machine) restartThem(o *operation, who []*instance) string {
	if why := held(who, VerbStart); why != "" {
		return why
	}
	for _, i := range who {
		if i.state == Lost && !i.found {
			return m.unfit(who)
		}
	}
	o.returns = true
	m.accept(o, who)
	for _, i := range who {
		o.want(i, toLeave)
	}
	m.leaveTogether(who, reasonRestart, o.op)
	m.settleParts(o)
	return ""
}

func (m *Machine) signalThem(o *operation, who []*instance) string {
	who = slices.DeleteFunc(who, func(i *instance) bool { return !i.state.Alive() || !i.ran || i.exit != nil })
	if len(who) == 0 {
		return o.nobody("running")
	}
	m.accept(o, who)
	for _, i := range who {
		m.do(Send{Inst: i.inst(), Run: i.run, Signal: o.what.Signal})
	}
	return ""
}
