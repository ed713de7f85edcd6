package supervisor_test

import (
	"slices"

	"lastout/ordering"
	"lastout/supervisor"
)

// squeezed says whether the bound of the whole shutdown may shorten the waits of the single ones.
func (p *plan) squeezed() bool { return p.options.Timeout != 0 }

// stopStep is G1, for each signal, stop command and SIGKILL.
func (w *witness) stopStep(r *run, what string, kill bool) {
	if !r.told {
		w.checkFinished(r)
		r.told, r.toldAt, r.toldUp = true, w.now, !w.down
	}
	r.asked = true
	if kill && !r.killed {
		r.killed, r.killedAt, r.killDown = true, w.now, w.down && !r.lost && r.spawned
	}
	if !kill {
		r.signalled = true
	}
	member := w.ops.leaving[r.inst]
	if !w.down && !member || w.said == supervisor.Forced || r.lost {
		return
	}
	w.checkTurn(what, r.inst, ordering.Leave)
	if w.said == supervisor.Urgent && !kill && w.spec(r.inst).Role != ordering.Service {
		w.failf("impatience: %s of %s, which is to be killed", what, w.name(r.inst))
	}
	if w.down && w.now < w.downAt+w.plan.options.Delay && !w.plan.squeezed() && w.said == supervisor.Orderly {
		w.failf("time: %s of %s before shutdown.delay is over", what, w.name(r.inst))
	}
	for _, other := range w.ordered {
		if !w.plan.order.before[other.inst.Proc][r.inst.Proc] || !w.down && !w.ops.leaving[other.inst] {
			continue
		}
		if other.alive() {
			w.failf("G1: %s of %s while run %d of %s lives", what, w.name(r.inst), other.run, w.name(other.inst))
		}
		if w.running(other, supervisor.PostStop) {
			w.failf("G1: %s of %s before %s has left: its post_stop runs", what, w.name(r.inst), w.name(other.inst))
		}
	}
	if w.down && w.said == supervisor.Orderly {
		w.checkDrained(r)
	}
}

// checkDrained holds that a worker serves until its gateways have drained: their pre_drain ran, and is over.
func (w *witness) checkDrained(r *run) {
	for _, g := range w.ordered {
		serves := g.alive() && g.spawned && !g.exited && !g.late
		leaving := g.asked && g.hooks[supervisor.PreDrain] == nil && !g.drain.began // on its way out before the shutdown
		if !serves || leaving || w.survey.silent[g.inst.Proc] || w.spec(g.inst).Role != ordering.Gateway || !w.fronts(g.inst.Proc, r.inst.Proc) {
			continue
		}
		if w.running(g, supervisor.PreDrain) {
			w.failf("drain: %s is told to leave while its gateway %s drains", w.name(r.inst), w.name(g.inst))
		}
		if w.spec(g.inst).Hooks[supervisor.PreDrain] > 0 && g.hooks[supervisor.PreDrain] == nil && !w.plan.squeezed() {
			w.failf("drain: %s is told to leave before its gateway %s was drained", w.name(r.inst), w.name(g.inst))
		}
		if g.drain.watch == forDrained || w.states[g.inst] == supervisor.Draining {
			w.failf("drain: %s is told to leave while its gateway %s still drains", w.name(r.inst), w.name(g.inst))
		}
		if !w.plan.squeezed() {
			w.checkDrainDone(g, "the worker "+w.name(r.inst)+" is told to leave")
		}
	}
}

func (w *witness) fronts(g, worker ordering.ID) bool {
	for _, x := range w.plan.order.workers(int(g)) {
		if x == int(worker) {
			return true
		}
	}
	return false
}

// checkGrace holds that nobody is killed before its stop steps are used up.
func (w *witness) checkGrace(r *run) {
	steps := w.spec(r.inst).Stop
	if r.lost || r.killed || !r.spawned || w.said == supervisor.Forced {
		return
	}
	if r.late && (w.now == r.spawnedAt || w.lateness > 0) {
		return // the spawn took all the time there was
	}
	service := w.spec(r.inst).Role == ordering.Service
	if (w.said == supervisor.Orderly || service) && len(steps) > 0 && !r.signalled && !w.plan.squeezed() {
		w.failf("impatience: %s is killed without a word before", w.name(r.inst))
	}
	if r.late {
		return // its spawn took of its time
	}
	own := w.steps(r.inst)
	if w.said == supervisor.Orderly && !(w.down && w.plan.squeezed()) && w.now < r.toldAt+own {
		w.failf("time: %s is killed %v after it was told, its own steps take %v", w.name(r.inst), w.now-r.toldAt, own)
	}
	if w.said == supervisor.Urgent && service && !w.plan.squeezed() &&
		w.now < r.toldAt+min(own, w.plan.options.Reserve) {
		w.failf("impatience: the service %s is killed %v after it was told", w.name(r.inst), w.now-r.toldAt)
	}
}

// checkNeeds holds that an instance begins for the first time only when all it needs is satisfied.
func (w *witness) checkNeeds(i supervisor.Inst) {
	for _, need := range w.plan.order.needs[i.Proc] {
		if !w.satisfied(need) {
			w.failf("start: %s begins before %s is ready", w.name(i), w.plan.nodes[need].Name)
		}
	}
}

// satisfied says whether dependents of a process may start.
func (w *witness) satisfied(p int) bool {
	spec := w.plan.specs[p]
	if len(w.there[ordering.ID(p)]) == 0 {
		return w.needsReady(p)
	}
	want := supervisor.Ready
	if spec.Role == ordering.Task {
		want = supervisor.Done
	}
	serving := 0
	for _, i := range w.there[ordering.ID(p)] {
		switch w.states[i] {
		case want:
			serving++
		case supervisor.Stopped: // by a user: the others serve
		default:
			return false
		}
	}
	return serving > 0
}

func (w *witness) needsReady(p int) bool {
	for _, need := range w.plan.order.needs[p] {
		if !w.satisfied(need) {
			return false
		}
	}
	return true
}

// report takes in what the machine says of itself.
func (w *witness) report(r supervisor.Report) {
	w.kinds[r.Kind]++
	w.checkSilence()
	w.reports = append(w.reports, r)
	if r.At != w.now {
		w.failf("rule: a report of kind %s is dated %v", r.Kind, r.At)
	}
	switch r.Kind {
	case supervisor.KindState:
		w.onState(r)
	case supervisor.KindRetry:
		w.onRetry(r)
	case supervisor.KindLost:
		w.onLost(r)
	case supervisor.KindPhase:
		switch r.Phase {
		case supervisor.Announcing:
			if w.down {
				w.failf("rule: the shutdown begins a second time")
			}
			w.down, w.downAt = true, w.now
			w.walking, w.walk = false, nil
			w.anew()
			for _, run := range w.ordered {
				run.upAsked = run.asked
			}
			w.allOver = w.nothingLeft()
			if !w.asked && !w.calledFor && (!w.allOver || w.plan.options.Stay) {
				w.failf("rule: a shutdown began, and nothing asked for it")
			}
		case supervisor.Walking:
			w.walking = true
			w.surveyLate()
			w.walk = w.orderGone().Walk()
		case supervisor.Closing:
			w.checkAllLeft("closing")
		case supervisor.Up, supervisor.Finished:
		}
	case supervisor.KindStrays:
		if r.Cause != "" {
			w.survivors = w.left
			if !w.counted {
				w.survivors = r.After // nobody knows
			}
		}
	case supervisor.KindOperation:
		w.onOperation(r)
	case supervisor.KindDepart:
		w.onDepart(r)
	case supervisor.KindInvite:
		w.inviting = r.Signal != 0
	case supervisor.KindCut:
		if w.cuts--; w.cuts < 0 || len(r.Connections) == 0 || !r.State.Alive() {
			w.failf("rule: connections of %s were cut in state %q, and nobody said so", r.Instance, r.State)
		}
	case supervisor.KindUnanswered:
		if len(r.Connections) == 0 {
			w.failf("rule: nobody is unanswered at %s, and that is said", r.Instance)
		}
	case supervisor.KindLevel:
		if r.Level <= w.said {
			w.failf("rule: the level does not rise: %d after %d", r.Level, w.said)
		}
		w.said = r.Level
	}
	w.onBound(r)
}

func (w *witness) onState(r supervisor.Report) {
	i, ok := w.instance(r)
	if !ok {
		w.failf("rule: a report of the unknown instance %q", r.Instance)
		return
	}
	was, ok := w.states[i]
	if ok && was != r.From {
		w.failf("rule: %s goes to %s from %s, it was %s", r.Instance, r.State, r.From, was)
	}
	if w.down && !was.Alive() && r.State.Alive() {
		w.failf("G4: %s goes from %s to %s after the shutdown began", r.Instance, was, r.State)
	}
	if was == r.State {
		w.failf("rule: %s goes to %s from itself", r.Instance, r.State)
	}
	if w.last[i] != nil && w.last[i].alive() && !r.State.Alive() {
		w.failf("G2: %s is %s while its run %d lives", r.Instance, r.State, w.last[i].run)
	}
	w.states[i], w.entered[i] = r.State, w.departures
	if run := w.last[i]; run != nil && r.State == supervisor.Draining {
		run.asked = true
	}
	if run := w.last[i]; run != nil && (r.State == supervisor.Ready || r.State == supervisor.InPostStart) {
		run.ready = true
		post := run.hooks[supervisor.PostStart]
		due := w.spec(i).Hooks[supervisor.PostStart] > 0 && !w.down
		if r.State == supervisor.Ready && due && (post == nil || post.live()) {
			w.failf("hooks: %s is ready before its post_start is over", r.Instance)
		}
	}
	if (r.State == supervisor.Failed || r.State == supervisor.Lost) && !w.down && !w.ops.leaving[i] {
		w.failedUp = append(w.failedUp, i)
		w.hopelessly[i] = r.From == supervisor.Waiting
	}
	if r.State == supervisor.Waiting { // started once more, by a user
		w.failedUp = slices.DeleteFunc(w.failedUp, func(x supervisor.Inst) bool { return x == i })
	}
	w.checkVerdict(i, r)
	if on := w.spec(i).OnExit; !w.down && !w.ops.leaving[i] && (r.State == supervisor.Done && on == supervisor.Shutdown ||
		(r.State == supervisor.Failed || r.State == supervisor.Lost) && on != supervisor.Ignore) {
		w.calledFor = true
	}
	w.reached[r.State]++
	w.unsatisfied = true
	w.opsState(i, r)
}

// onLost takes in that a run is declared lost.
func (w *witness) onLost(rep supervisor.Report) {
	r := w.runs[rep.Run]
	if r == nil || !r.alive() {
		w.failf("G2: run %d of %s is declared lost and does not live", rep.Run, rep.Instance)
		return
	}
	if r.spawned && !r.killed {
		w.failf("rule: %s is lost without SIGKILL", rep.Instance)
	}
	if r.killed && !w.plan.squeezed() && w.said != supervisor.Forced && w.now < r.killedAt+w.plan.options.KillTimeout {
		w.failf("time: %s is lost %v after SIGKILL, kill_timeout is %v", rep.Instance, w.now-r.killedAt,
			w.plan.options.KillTimeout)
	}
	r.lost = true
}

// nothingLeft says whether all instances have ended for good.
func (w *witness) nothingLeft() bool {
	for _, state := range w.states {
		if !state.Left() {
			return false
		}
	}
	return true
}

// instance finds whom a report speaks of.
func (w *witness) instance(r supervisor.Report) (supervisor.Inst, bool) {
	p, ok := w.plan.order.id[r.Process]
	if !ok {
		return supervisor.Inst{}, false
	}
	for _, i := range w.there[ordering.ID(p)] {
		if w.called[i] == r.Instance {
			return i, true
		}
	}
	return supervisor.Inst{}, false
}

// checkTurn holds that the step of the stop order which an action belongs to is free: all steps before it are over, the
// soft ones included, by a walk that the witness goes itself.
func (w *witness) checkTurn(what any, i supervisor.Inst, kind ordering.StepKind) {
	if !w.down && !w.ops.leaving[i] && !w.ops.draining[i] || w.said == supervisor.Forced {
		return
	}
	w.advance()
	step := ordering.Step{Kind: kind, ID: i.Proc}
	if !w.walking || !w.walk.Free(step) && !w.walk.Over(step) {
		w.failf("order: %v of %s although its turn to %v has not come: it waits for %v", what, w.name(i), kind,
			w.walk.Waits(step))
	}
}

// advance ends the steps of the witness's walk that are over.
func (w *witness) advance() {
	for more := w.walking; more; {
		more = false
		for p := range w.plan.nodes {
			for _, kind := range []ordering.StepKind{ordering.Drain, ordering.Leave} {
				step := ordering.Step{Kind: kind, ID: ordering.ID(p)}
				if !w.walk.Free(step) {
					continue
				}
				if w.stepOver(step) {
					w.walk.Done(step)
					more = true
				}
			}
		}
	}
}

// stepOver says whether nothing is left to do of a step: nobody drains, all have left.
func (w *witness) stepOver(step ordering.Step) bool {
	for _, i := range w.there[step.ID] {
		if !w.down && !w.ops.leaving[i] && !w.ops.draining[i] {
			continue
		}
		if step.Kind == ordering.Leave && !w.down && !w.ops.leaving[i] {
			continue
		}
		state, ok := w.states[i]
		if step.Kind == ordering.Leave && ok && !state.Left() {
			return false
		}
		drains := state == supervisor.Draining && w.spec(i).Role == ordering.Gateway
		if step.Kind == ordering.Drain && (drains || w.undrained(i)) {
			return false
		}
	}
	return true
}

// undrained says whether a gateway's instance serves and will be invited to finish before its workers leave, as long as
// the drain of its process is not over.
func (w *witness) undrained(i supervisor.Inst) bool {
	state := w.states[i]
	serves := state == supervisor.Ready || state == supervisor.Running
	drains := w.spec(i).Hooks[supervisor.PreDrain] > 0 || w.spec(i).Drain.Wanted()
	step := ordering.Step{Kind: ordering.Drain, ID: i.Proc}
	return w.spec(i).Role == ordering.Gateway && w.said == supervisor.Orderly && drains && serves && !w.survey.silent[i.Proc] &&
		!w.last[i].exited && !w.walk.Over(step)
}

// free says whether it is the run's turn to leave.
func (w *witness) free(r *run) bool {
	w.advance()
	return w.walk.Free(ordering.Step{Kind: ordering.Leave, ID: r.inst.Proc})
}

// checkAllLeft holds that the walk is over before what comes after it.
func (w *witness) checkAllLeft(what any) {
	for _, r := range w.ordered {
		if r.alive() {
			w.failf("G1: %v although run %d of %s lives", what, r.run, w.name(r.inst))
		}
	}
}
