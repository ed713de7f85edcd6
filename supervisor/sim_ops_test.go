package supervisor_test

import (
	"fmt"
	"maps"
	"slices"
	"syscall"

	"lastout/ordering"
	"lastout/supervisor"
)

// drawOperations draws what users ask of the tree while it is up, and a few things that come too late.
func (p *plan) drawOperations() {
	r := stream(p.seed, forOperations)
	if chance(r, 35) || p.cut.has(cutOperations) || len(p.nodes) == 0 {
		return
	}
	last := p.stimuli[0].at
	for n := range 1 + r.IntN(pick(r, 3, 8, 20)) {
		ev := supervisor.Operate{Op: supervisor.Op(n + 1)}
		ev.Verb = pick(r, supervisor.VerbStart, supervisor.VerbStart, supervisor.VerbStop, supervisor.VerbStop,
			supervisor.VerbRestart, supervisor.VerbRestart, supervisor.VerbRolling, supervisor.VerbScale,
			supervisor.VerbDrain, supervisor.VerbDrain, supervisor.VerbUndrain, supervisor.VerbSignal)
		for range pick(r, 1, 1, 1, 2, 4) {
			name := fmt.Sprintf("p%d", r.IntN(maxNodes))
			if chance(r, 10) {
				name += pick(r, ".1", ".2")
			}
			ev.Names = append(ev.Names, name)
		}
		if chance(r, 80) { // mostly of those there are
			for k := range ev.Names {
				ev.Names[k] = p.nodes[r.IntN(len(p.nodes))].Name
			}
		}
		if ev.Verb == supervisor.VerbScale {
			ev.Names = ev.Names[:1]
		}
		ev.NoDeps, ev.Count, ev.Signal = chance(r, 30), r.IntN(5), syscall.SIGHUP
		ev.Timeout = pick(r, 0, 0, 0, 0, 100*ms, 5*s)
		at := upTo(r, pick(r, last, last, last+s, min(last, 10*s)))
		if chance(r, 30) && n > 0 {
			at = p.stimuli[len(p.stimuli)-1].at + upTo(r, pick(r, 0, ms, 100*ms, s))
		}
		if reload := p.drawReload(r, ev.Op); chance(r, 12) {
			p.stimuli = append(p.stimuli, stimulus{at, reload})
			continue
		}
		p.stimuli = append(p.stimuli, stimulus{at, ev})
	}
}

// send is the effect of a signal that a user sends: mostly none.
func (k *kernel) send(a supervisor.Send) {
	r := stream(k.plan.seed, forOperations, uint64(a.Run), uint64(k.now))
	c := k.children[a.Run]
	if chance(r, 30) && !k.plan.cut.has(cutCrashes) {
		k.after(upTo(r, 100*ms), func() supervisor.Event { return k.die(c, supervisor.Exit{Signal: a.Signal}) })
	}
}

// operations is what the witness keeps of what users ask.
type operations struct {
	asked    []supervisor.Operate // and not answered yet
	open     map[supervisor.Op]*opBook
	leaving  map[supervisor.Inst]bool // in a partial departure
	draining map[supervisor.Inst]bool // to be drained in one, and to stay
	drained  map[supervisor.Inst]bool // that was done
	surplus  map[supervisor.Inst]bool
	returns  map[supervisor.Inst]bool // the last that anybody wanted of it is that it runs
	emptied  map[ordering.ID]bool
	results  map[string]int
}

// opBook is an operation that was accepted and has not ended.
type opBook struct {
	supervisor.Operate
	at       supervisor.Instant
	insts    []supervisor.Inst
	departed map[supervisor.Inst]bool // leaves, or left, for it
	left     map[supervisor.Inst]bool // has left since
	reached  map[supervisor.Inst]bool // is, or was, where it is wanted
}

func newOperations() operations {
	return operations{
		open: make(map[supervisor.Op]*opBook), leaving: make(map[supervisor.Inst]bool),
		draining: make(map[supervisor.Inst]bool), drained: make(map[supervisor.Inst]bool),
		surplus: make(map[supervisor.Inst]bool), returns: make(map[supervisor.Inst]bool),
		emptied: make(map[ordering.ID]bool), results: make(map[string]int),
	}
}

// keepUp says whether a tree in which nothing runs stays up: because of what users did, or still wait for.
func (o *operations) keepUp(w *witness) bool {
	for _, state := range w.states {
		if state == supervisor.Stopped {
			return true
		}
	}
	return len(o.open) > 0 || len(o.emptied) > 0
}

// onOperation judges what becomes of an operation: an answer at once, and one end of what was accepted.
func (w *witness) onOperation(r supervisor.Report) {
	w.ops.results[string(r.Verb)+" "+string(r.Result)]++
	switch r.Result {
	case supervisor.Accepted, supervisor.Refused:
		if len(w.ops.asked) == 0 || w.ops.asked[0].Op != r.Op {
			w.failf("ops: operation %d is %s, and nobody asked for it", r.Op, r.Result)
			return
		}
		ev := w.ops.asked[0]
		w.ops.asked = w.ops.asked[1:]
		if r.Result == supervisor.Accepted {
			w.accepted(ev, r)
		} else if r.Cause == "" {
			w.failf("ops: operation %d is refused without a reason", r.Op)
		}
	case supervisor.Completed, supervisor.Unsuccessful:
		book := w.ops.open[r.Op]
		if book == nil {
			w.failf("ops: operation %d is %s, and is not under way", r.Op, r.Result)
			return
		}
		delete(w.ops.open, r.Op)
		if r.Result == supervisor.Unsuccessful {
			if r.Cause == "" {
				w.failf("ops: operation %d failed without a reason", r.Op)
			}
			return
		}
		for _, i := range book.insts {
			if !book.reached[i] {
				w.failf("ops: operation %d (%s) is done, and %s is %s", r.Op, r.Verb, w.name(i), w.states[i])
			}
		}
	default:
		w.failf("ops: operation %d is %q", r.Op, r.Result)
	}
}

// accepted opens the book of an operation.
func (w *witness) accepted(ev supervisor.Operate, r supervisor.Report) {
	if w.down {
		w.failf("ops: operation %d is accepted in a shutdown", r.Op)
	}
	var gone []supervisor.Inst
	if ev.Verb == supervisor.VerbScale {
		gone = w.scaled(ev)
	}
	book := &opBook{
		Operate: ev, at: w.now, departed: make(map[supervisor.Inst]bool), left: make(map[supervisor.Inst]bool), reached: make(map[supervisor.Inst]bool),
	}
	for i, name := range w.called {
		if slices.Contains(r.After, name) && slices.Contains(w.there[i.Proc], i) {
			book.insts = append(book.insts, i)
			switch ev.Verb {
			case supervisor.VerbStart, supervisor.VerbRestart, supervisor.VerbRolling, supervisor.VerbReload:
				w.ops.returns[i] = true
			case supervisor.VerbStop, supervisor.VerbDrain:
				delete(w.ops.returns, i)
			case supervisor.VerbScale, supervisor.VerbUndrain, supervisor.VerbSignal:
			}
			book.see(w, i, w.states[i])
		}
	}
	if len(book.insts) != len(r.After) {
		w.failf("ops: operation %d touches %q, of whom %d are known", r.Op, r.After, len(book.insts))
	}
	w.ops.open[r.Op] = book
	for _, i := range gone {
		if w.states[i].Left() {
			w.forget(i)
		}
	}
	if ev.Verb == supervisor.VerbStop {
		w.checkTaken(book)
	}
	if ev.Verb == supervisor.VerbReload {
		w.checkReloaded(book)
	}
}

// checkTaken holds that a stop takes along whom it must, by the definition, and nobody else.
func (w *witness) checkTaken(book *opBook) {
	set := make(map[supervisor.Inst]bool)
	named := make(map[ordering.ID]int)
	for i, name := range w.called {
		if slices.Contains(book.Names, name) || slices.Contains(book.Names, w.plan.nodes[i.Proc].Name) {
			if slices.Contains(w.there[i.Proc], i) && !set[i] && !w.ops.surplus[i] {
				set[i] = true
				named[i.Proc]++
			}
		}
	}
	for p, n := range named {
		lasting := slices.DeleteFunc(slices.Clone(w.there[p]), func(i supervisor.Inst) bool { return w.ops.surplus[i] })
		if book.NoDeps || n < len(lasting) {
			continue
		}
		for q := range w.plan.nodes {
			if w.plan.order.stopsWith(int(p), q) {
				for _, i := range w.there[ordering.ID(q)] {
					set[i] = true
				}
			}
		}
	}
	for i := range set {
		if there := !w.states[i].Left() && !w.ops.surplus[i]; there != slices.Contains(book.insts, i) {
			w.failf("ops: stop of %q takes %s along: %v, it is %s", book.Names, w.name(i), !there, w.states[i])
		}
	}
	for _, i := range book.insts {
		if !set[i] {
			w.failf("ops: stop of %q takes %s along", book.Names, w.name(i))
		}
	}
}

// stopsWith says whether the stop of j stops i as well: it depends on it, at once or over others, and must leave first
// at each of these edges.
func (o *order) stopsWith(j, i int) bool {
	if i == j {
		return true
	}
	for k := range o.nodes {
		if k != i && o.reaches(i, k) && o.nodes[k].Role != ordering.Task && o.direct[i][k] && o.stopsWith(j, k) {
			return true
		}
	}
	return false
}

// scaled changes how many instances there are.
func (w *witness) scaled(ev supervisor.Operate) (surplus []supervisor.Inst) {
	id := ordering.ID(w.plan.order.id[ev.Names[0]])
	have := len(w.there[id])
	var gone []supervisor.Inst
	for n := have + 1; n <= ev.Count; n++ {
		i := supervisor.Inst{Proc: id, N: n}
		w.add(i, n > 1 || ev.Count > 1 && have == 0)
		delete(w.ops.surplus, i)
		delete(w.restarts, i)
		w.states[i] = supervisor.Off
	}
	for n := ev.Count + 1; n <= have; n++ {
		i := supervisor.Inst{Proc: id, N: n}
		w.ops.surplus[i] = true
		delete(w.ops.returns, i)
		gone = append(gone, i)
	}
	if delete(w.ops.emptied, id); ev.Count == 0 {
		w.ops.emptied[id] = true
	}
	w.unsatisfied = true
	return gone
}

// scaledSpecs are the specs with as many instances as each process ever had: a shutdown may take the time for them.
func (w *witness) scaledSpecs() []supervisor.Spec {
	specs := slices.Clone(w.plan.specs)
	for i := range w.called {
		specs[i.Proc].Instances = max(specs[i.Proc].Instances, i.N)
	}
	return specs
}

// forget drops an instance that is too many and has left.
func (w *witness) forget(i supervisor.Inst) {
	w.there[i.Proc] = slices.DeleteFunc(w.there[i.Proc], func(x supervisor.Inst) bool { return x == i })
	delete(w.states, i)
	delete(w.promises.states, i)
	w.failedUp = slices.DeleteFunc(w.failedUp, func(x supervisor.Inst) bool { return x == i })
}

// onDepart takes in who leaves, or drains, from here on.
func (w *witness) onDepart(r supervisor.Report) {
	if w.down {
		w.failf("ops: %q depart in a shutdown", r.After)
	}
	found := 0
	for i, name := range w.called {
		if !slices.Contains(r.After, name) || !slices.Contains(w.there[i.Proc], i) {
			continue
		}
		found++
		if book := w.ops.open[r.Op]; book != nil {
			if book.departed[i] {
				w.failf("ops: %s departs a second time for operation %d", w.name(i), r.Op)
			}
			book.departed[i] = true
			w.checkRolling(book, i)
		}
		if w.states[i].Left() || w.ops.leaving[i] {
			w.failf("ops: %s departs although it is %s, and leaves: %v", w.name(i), w.states[i], w.ops.leaving[i])
		}
		if r.Cause == "drain" {
			w.ops.draining[i] = true
		} else {
			w.ops.leaving[i] = true
			delete(w.ops.draining, i)
		}
	}
	if found != len(r.After) || w.ops.open[r.Op] == nil {
		w.failf("ops: %q depart for operation %d", r.After, r.Op)
	}
	w.walking, w.walk = true, w.plan.graph.Walk()
	w.anew()
}

// checkRolling holds that a rolling restart takes one at a time, and that the one before has come back.
func (w *witness) checkRolling(book *opBook, i supervisor.Inst) {
	if book.Verb != supervisor.VerbRolling {
		return
	}
	for other := range book.departed {
		if other != i && !book.reached[other] && w.ops.returns[other] {
			w.failf("ops: %s departs for operation %d while %s is %s", w.name(i), book.Op, w.name(other), w.states[other])
		}
		if w.plan.order.before[i.Proc][other.Proc] {
			w.failf("ops: %s departs for operation %d behind %s", w.name(i), book.Op, w.name(other))
		}
	}
}

// anew begins a departure: all that have not left yet begin anew, and who settled may have to do so again.
func (w *witness) anew() {
	w.departures++
	clear(w.promises.leaves)
	clear(w.promises.drains)
	for _, run := range w.ordered {
		run.drain.settled = false
	}
}

// opsState takes in the state of an instance.
func (w *witness) opsState(i supervisor.Inst, r supervisor.Report) {
	o := &w.ops
	if o.leaving[i] && !r.From.Alive() && r.State.Alive() {
		w.failf("G4: %s goes from %s to %s, and is to leave", r.Instance, r.From, r.State)
	}
	if r.From == supervisor.Stopped && !o.returns[i] {
		w.failf("ops: %s is %s again, and nobody asked for it", r.Instance, r.State)
	}
	switch r.State {
	case supervisor.Waiting:
		if r.Cause != "what it needs was stopped" {
			delete(w.restarts, i) // a user began anew
		}
	case supervisor.Drained:
		o.drained[i] = o.draining[i]
		delete(o.draining, i)
	case supervisor.Ready, supervisor.Running:
		if r.From == supervisor.Draining || r.From == supervisor.Drained {
			w.undrained2(i, r)
		}
	}
	for _, op := range slices.Sorted(maps.Keys(o.open)) {
		o.open[op].see(w, i, r.State)
	}
	if !r.State.Alive() {
		delete(o.draining, i)
	}
	if r.State.Left() {
		delete(w.promises.leaves, i)
		delete(w.promises.drains, i)
		delete(o.leaving, i)
		delete(o.draining, i)
		delete(o.drained, i)
		if o.surplus[i] && !w.down {
			w.forget(i)
		}
	}
	if !w.down && len(o.leaving) == 0 && len(o.draining) == 0 {
		w.walking = false
	}
}

// undrained2 takes in that a drain was taken back.
func (w *witness) undrained2(i supervisor.Inst, r supervisor.Report) {
	run := w.last[i]
	if w.down || w.ops.leaving[i] || run.drain.invited {
		w.failf("drain: %s is %s again, invited: %v", r.Instance, r.State, run.drain.invited)
	}
	if run.drain.quiesced {
		w.failf("drain: %s is %s again, and lets nobody in", r.Instance, r.State)
	}
	run.asked, run.drain = false, drainBook{}
	delete(run.hooks, supervisor.PreDrain)
	delete(w.ops.draining, i)
	delete(w.ops.drained, i)
}

func (w *witness) onUnquiesce(a supervisor.Unquiesce) {
	r := w.living(a.Inst, a.Run, "Unquiesce")
	if !r.drain.quiesced || r.told {
		w.failf("drain: Unquiesce of %s, which was not quiesced", w.name(a.Inst))
	}
	r.drain.quiesced, r.drain.quiescing = false, false
}

func (w *witness) onSend(a supervisor.Send) {
	w.living(a.Inst, a.Run, "Send")
	for _, book := range w.ops.open {
		if book.Verb == supervisor.VerbSignal && slices.Contains(book.insts, a.Inst) && book.Signal == a.Signal {
			return
		}
	}
	w.failf("ops: a signal is sent to %s, and nobody asked for it", w.name(a.Inst))
}

// see keeps whether an instance is where an operation wants it.
func (b *opBook) see(w *witness, i supervisor.Inst, state supervisor.State) {
	if !slices.Contains(b.insts, i) {
		return
	}
	serves := state == supervisor.Ready || state == supervisor.Done && w.spec(i).Role == ordering.Task
	b.left[i] = b.left[i] || state.Left()
	switch b.Verb {
	case supervisor.VerbStart:
		b.reached[i] = b.reached[i] || serves
	case supervisor.VerbRestart, supervisor.VerbRolling, supervisor.VerbReload:
		b.reached[i] = b.reached[i] || serves && b.left[i]
	case supervisor.VerbStop:
		b.reached[i] = b.reached[i] || state.Left()
	case supervisor.VerbScale:
		b.reached[i] = b.reached[i] || (serves || state == supervisor.Stopped) && !w.ops.surplus[i] || state.Left() && w.ops.surplus[i]
	case supervisor.VerbDrain:
		b.reached[i] = b.reached[i] || state == supervisor.Drained || state.Left()
	case supervisor.VerbUndrain, supervisor.VerbSignal:
		b.reached[i] = true
	}
}

// checkOperations judges the operations after a Step.
func (w *witness) checkOperations() {
	if len(w.ops.asked) > 0 {
		w.failf("ops: operation %d was not answered", w.ops.asked[0].Op)
	}
	for _, op := range slices.Sorted(maps.Keys(w.ops.open)) {
		switch book := w.ops.open[op]; {
		case w.down:
			w.failf("ops: operation %d goes on in a shutdown", op)
		case book.Timeout > 0 && w.now > book.at+book.Timeout+late:
			w.failf("ops: operation %d goes on after %v", op, w.now-book.at)
		}
	}
	if w.down || len(w.ops.leaving) > 0 || len(w.ops.draining) > 0 {
		return
	}
	for _, state := range w.states { // by itself: somebody may wait for it all the same
		if state == supervisor.Stopping || state == supervisor.Killing || state == supervisor.InPostStop {
			return
		}
	}
	for i := range w.ops.returns {
		if w.states[i] == supervisor.Stopped {
			w.failf("ops: %s has left and does not come back, and nobody else leaves", w.name(i))
		}
	}
}
