package supervisor_test

import (
	"math/rand/v2"
	"reflect"

	"lastout/ordering"
	"lastout/supervisor"
)

// renumbering is a reload in which the file has its processes in another order, so that all have other IDs, and some
// have changed. By the IDs that they have in the world: what changed; by their new IDs: those in the world.
type renumbering struct {
	changes []supervisor.Change
	worldID []ordering.ID
}

// drawReload draws a reload.
func (p *plan) drawReload(r *rand.Rand, op supervisor.Op) supervisor.Reload {
	n := renumbering{changes: make([]supervisor.Change, len(p.nodes))}
	ev := supervisor.Reload{Op: op, Options: p.options}
	for _, at := range r.Perm(len(p.nodes)) {
		change := pick(r, supervisor.Unchanged, supervisor.Unchanged, supervisor.Registers, supervisor.Restarts)
		n.changes[at] = change
		n.worldID = append(n.worldID, ordering.ID(at))
		ev.Changes = append(ev.Changes, change)
	}
	if p.reloads == nil {
		p.reloads = make(map[supervisor.Op]renumbering)
	}
	p.reloads[op] = n
	return ev
}

// finishReloads gives the reloads their graphs, which are those of the world with its processes in another order.
func (p *plan) finishReloads() {
	for k := range p.stimuli {
		ev, ok := p.stimuli[k].ev.(supervisor.Reload)
		if !ok {
			continue
		}
		nodes := make([]ordering.Node, 0, len(p.nodes))
		for _, at := range p.reloads[ev.Op].worldID {
			nodes = append(nodes, p.nodes[at])
			ev.Specs = append(ev.Specs, p.specs[at])
		}
		var err error
		if ev.Graph, err = ordering.New(nodes); err != nil {
			panic(err)
		}
		p.stimuli[k].ev = ev
	}
}

// numbers translates between the IDs of the machine, which change with every reload, and those of the world.
type numbers struct {
	world []ordering.ID                      // by the machine's ID; nil: the same
	first map[supervisor.Run]supervisor.Inst // under which a run was begun
}

// outward is an action with the IDs of the world.
func (w *world) outward(a supervisor.Action) supervisor.Action {
	if r, ok := a.(supervisor.Reloaded); ok {
		w.numbers.world = w.plan.reloads[r.Op].worldID
	}
	v := reflect.New(reflect.TypeOf(a)).Elem()
	v.Set(reflect.ValueOf(a))
	inst := v.FieldByName("Inst")
	if !inst.IsValid() || inst.Interface().(supervisor.Inst).N == 0 {
		return a
	}
	i := inst.Interface().(supervisor.Inst)
	run := v.FieldByName("Run")
	if hook, ok := a.(supervisor.RunHook); ok {
		run = reflect.ValueOf(hook.For)
	}
	if n := run.Interface().(supervisor.Run); w.numbers.first[n] == (supervisor.Inst{}) {
		w.numbers.first[n] = i
	}
	if w.numbers.world != nil {
		i.Proc = w.numbers.world[i.Proc]
	}
	inst.Set(reflect.ValueOf(i))
	return v.Interface().(supervisor.Action)
}

// inward is an event as the engine tells it: under the ID that the run was begun with.
func (w *world) inward(ev supervisor.Event) supervisor.Event {
	v := reflect.New(reflect.TypeOf(ev)).Elem()
	v.Set(reflect.ValueOf(ev))
	inst, run := v.FieldByName("Inst"), v.FieldByName("Run")
	if !inst.IsValid() || !run.IsValid() {
		return ev
	}
	if first, ok := w.numbers.first[run.Interface().(supervisor.Run)]; ok {
		inst.Set(reflect.ValueOf(first))
	}
	return v.Interface().(supervisor.Event)
}

// checkReloaded holds that a reload touches those that changed, all of them, and nobody else.
func (w *witness) checkReloaded(book *opBook) {
	changes := w.plan.reloads[book.Op].changes
	for p := range w.plan.nodes {
		for _, i := range w.there[ordering.ID(p)] {
			state := w.states[i]
			lost := state == supervisor.Lost && !w.last[i].gone
			ended := state == supervisor.Done && w.spec(i).Role == ordering.Task
			want := changes[p] == supervisor.Restarts && state != supervisor.Stopped && !lost && !ended && !w.ops.surplus[i]
			if touched := contains(book.insts, i); touched != want {
				w.failf("reload: %s is touched: %v, it is %s", w.name(i), touched, state)
			}
		}
	}
}

func contains(list []supervisor.Inst, i supervisor.Inst) bool {
	for _, x := range list {
		if x == i {
			return true
		}
	}
	return false
}
