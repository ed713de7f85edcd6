package supervisor

import (
	"fmt"
	"slices"

	"lastout/ordering"
)

// A reload is applied in three parts: who is gone from the file, or changed in what a run is started with, leaves, in the
// order of the old graph; when nobody leaves any more, the new graph and specs are in force; then what changed comes back
// and what is new starts, by readiness. So ports and files may go from one process to another. Who stays is the same
// process as before, with its runs, whatever its new ID.

// Change says what is new of a process that a reload names.
type Change uint8

// The changes.
const (
	Unchanged Change = iota
	Registers        // in nothing that a run is started with: its order, stop steps, hooks, drain, restarts, instances
	Restarts
	Added
)

// reload takes a changed configuration in.
func (m *Machine) reload(ev Reload) {
	o := &operation{
		op: ev.Op, what: Operation{Verb: VerbReload, Cause: ev.Cause}, since: m.now, until: never, returns: true,
		reload: &reloading{Reload: ev},
	}
	why := ev.Unfit
	if why == "" {
		why = m.barred(o, nil)
	}
	if why == "" {
		why = m.unquiet()
	}
	if why != "" {
		r := o.report(Refused)
		r.Cause = why
		m.say(r)
		return
	}
	leave, back := m.leavers(&ev)
	m.accept(o, append(slices.Clone(leave), back...))
	for _, i := range leave {
		m.overtake(i, o)
		o.want(i, toLeave).away = true
	}
	for _, i := range back {
		o.want(i, toLeave)
	}
	m.leaveTogether(append(leave, back...), reasonReload, o.op)
	m.settleParts(o)
}

// reloading is what an operation that reloads has to do still.
type reloading struct {
	Reload
	inForce bool // the new configuration is
}

// unquiet says why the graph cannot be replaced soon: somebody leaves or drains, or waits for his turn to.
func (m *Machine) unquiet() string {
	for _, o := range m.ops {
		if o.what.Verb != VerbStart {
			return fmt.Sprintf("operation %d (%s) is still under way", o.op, o.what.Verb)
		}
	}
	if m.out != nil {
		return "somebody is still leaving"
	}
	return ""
}

// stopsForReload says by which reload nothing else may be begun now: it stops what it has to.
func (m *Machine) stopsForReload() string {
	for _, o := range m.ops {
		if o.reload != nil && !o.reload.inForce {
			return fmt.Sprintf("operation %d (reload) is still under way", o.op)
		}
	}
	return ""
}

// leavers finds the instances that leave for a reload: for good, and to come back changed. Who was stopped by a user
// stays so.
func (m *Machine) leavers(ev *Reload) (leave, back []*instance) {
	for _, p := range m.procs {
		id, stays := ev.Graph.Lookup(p.spec.Name)
		stays = stays && ev.Specs[id].Enabled
		count := 0
		if stays {
			count = m.countAfter(p, &ev.Specs[id])
		}
		for n, i := range p.inst {
			switch {
			case n >= count:
				leave = append(leave, i)
			case ev.Changes[id] == Restarts && i.mayChange():
				back = append(back, i)
			}
		}
	}
	slices.Reverse(leave)
	return leave, back
}

// mayChange says whether an instance is started again when it has changed: not when a user has stopped it, when it is a
// task that has run to its end, or when its old run may still live.
func (i *instance) mayChange() bool {
	return i.state != Stopped && !(i.state == Lost && !i.found) && !(i.state == Done && i.proc.spec.Role == ordering.Task)
}

// countAfter is how many instances a process has after a reload: as many as the file says, where it says something new;
// else as many as users have made of them.
func (m *Machine) countAfter(p *process, s *Spec) int {
	if s.Instances == p.filed {
		return p.spec.Instances
	}
	return s.Instances
}

// takeOver puts the new configuration in force.
func (m *Machine) takeOver(o *operation) {
	ev := &o.reload.Reload
	o.reload.inForce = true
	old := make(map[string]*process, len(m.procs))
	for _, p := range m.procs {
		old[p.spec.Name] = p
	}
	before := m.procs
	m.graph = ev.Graph
	seed := m.opts.Seed
	m.opts = ev.Options
	m.opts.Seed = seed
	m.procs = make([]*process, len(ev.Specs))
	var fresh []*instance
	for id := range ev.Specs {
		name := ev.Specs[id].Name
		p := old[name]
		if p == nil {
			p = &process{}
		}
		delete(old, name)
		fresh = append(fresh, m.adopt(p, ordering.ID(id), ev.Specs[id])...)
		m.procs[id] = p
	}
	for _, p := range before {
		if old[p.spec.Name] == p {
			m.dismissAll(p)
		}
	}
	m.recount()
	m.relist()
	m.do(Reloaded{Op: o.op})
	m.say(Report{Kind: KindReload, Op: o.op, Nodes: m.declared(), Bound: boundOf(m.graph, m.specs(), m.opts)})
	for id, change := range ev.Changes {
		if change != Registers {
			continue
		}
		for _, i := range m.procs[id].inst {
			m.checkAnew(i)
		}
	}
	for _, i := range fresh {
		if p := i.proc; p.stopped > 0 && p.ready+p.waiting == 0 { // those beside it were stopped by a user
			m.enter(i, Stopped, reasonReload, never)
		} else {
			o.want(i, toEnter)
		}
	}
}

// adopt gives a process its new ID and spec. It returns the instances that are new.
func (m *Machine) adopt(p *process, id ordering.ID, s Spec) (fresh []*instance) {
	filed, count, was := s.Instances, s.Instances, len(p.inst)
	if p.spec.Name != "" {
		count = m.countAfter(p, &s)
	}
	p.id, p.spec, p.filed = id, s, filed
	p.spec.Instances, p.emptied = count, p.emptied && count == 0
	if !s.Enabled {
		m.dismissAll(p)
		return nil
	}
	for _, i := range p.inst[min(count, was):] {
		m.dismiss(i)
	}
	p.inst = p.inst[:min(count, was)]
	for _, i := range p.inst {
		i.step = min(i.step, len(s.Stop)) // who is being stopped goes on by the new steps
	}
	for n := len(p.inst) + 1; n <= count; n++ {
		i := newInstance(p, n, n > 1 || count > 1)
		p.inst = append(p.inst, i)
		fresh = append(fresh, i)
	}
	return fresh
}

func (m *Machine) dismissAll(p *process) {
	for _, i := range p.inst {
		m.dismiss(i)
	}
	p.inst = nil
}

// recount counts everything anew, for roles, needs and instances may be others.
func (m *Machine) recount() {
	m.present, m.alive = 0, 0
	for _, p := range m.procs {
		p.present, p.waiting, p.draining, p.stopped, p.going, p.ready, p.hopeless = 0, 0, 0, 0, 0, 0, 0
		p.satisfied, p.broken = false, false
		for _, i := range p.inst {
			m.count(i, i.state, +1)
		}
		p.unmet, p.denied = len(m.graph.Needs(p.id)), 0
		m.touch(p)
	}
}

// declared is the graph as the journal keeps it.
func (m *Machine) declared() []Declared {
	list := make([]Declared, len(m.procs))
	for id, p := range m.procs {
		n := m.graph.Node(ordering.ID(id))
		list[id] = Declared{
			Name: n.Name, Role: n.Role.String(), DependsOn: n.DependsOn, Fronts: n.Fronts, Outlives: n.Outlives,
			Instances: p.spec.Instances, Optional: p.spec.Optional,
		}
	}
	return list
}

// ReloadPlan is what a reload would do, for people to read before it does.
type ReloadPlan struct {
	Refused  string     `json:"refused,omitempty"` // why nothing would happen
	Stop     [][]string `json:"stop"`              // instances that leave for good, in stop order, level by level
	Restart  []string   `json:"restart"`           // instances that leave and come back
	Register []string   `json:"register"`          // processes that go on, with new settings
	Start    []string   `json:"start"`             // processes that are new
	Same     []string   `json:"same"`
}

// PlanReload is what a reload would do now. It changes nothing.
func (m *Machine) PlanReload(ev Reload) ReloadPlan {
	plan := ReloadPlan{Refused: ev.Unfit}
	if plan.Refused == "" {
		plan.Refused = m.barred(&operation{what: Operation{Verb: VerbReload}}, nil)
	}
	if plan.Refused == "" {
		plan.Refused = m.unquiet()
	}
	leave, back := m.leavers(&ev)
	plan.Stop, plan.Restart = m.levels(leave), names(back)
	for id := range ev.Specs {
		name := ev.Specs[id].Name
		switch ev.Changes[id] {
		case Added:
			plan.Start = append(plan.Start, name)
		case Registers:
			plan.Register = append(plan.Register, name)
		case Unchanged:
			plan.Same = append(plan.Same, name)
		case Restarts:
		}
	}
	return plan
}

// levels sorts instances by who must leave before whom.
func (m *Machine) levels(who []*instance) [][]string {
	at := make(map[ordering.ID]int)
	var levels [][]string
	var ids []ordering.ID
	for _, i := range who {
		ids = append(ids, i.proc.id)
	}
	slices.Sort(ids)
	for _, id := range m.graph.StopOrder(slices.Compact(ids)) {
		level := 0
		for before, l := range at {
			if m.graph.MustLeaveBefore(before, id) {
				level = max(level, l+1)
			}
		}
		at[id] = level
		for _, i := range who {
			if i.proc.id == id {
				for len(levels) <= level {
					levels = append(levels, nil)
				}
				levels[level] = append(levels[level], i.name)
			}
		}
	}
	return levels
}
