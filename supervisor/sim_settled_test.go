package supervisor_test

import (
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// late is how late a timer may come in a world.
const late = 50 * ms

// settled judges the tree after a Step and all its actions.
func (w *witness) settled() {
	if w.asked && !w.down {
		w.failf("rule: no shutdown began although one was asked for")
	}
	if w.calledFor && !w.down {
		w.failf("rule: no shutdown began although on_exit calls for one")
	}
	if w.said > supervisor.Orderly && !w.walking {
		w.failf("impatience: the shutdown still announces itself")
	}
	if w.level != w.said {
		w.failf("impatience: the level is %d, it should be %d", w.said, w.level)
	}
	for _, r := range w.mustKill {
		if !r.killed || !r.forgotten {
			w.failf("rule: %s is not killed and left to the sweep although it came late, after it was lost", w.name(r.inst))
		}
	}
	w.mustKill = w.mustKill[:0]
	if w.finished {
		return
	}
	if w.down {
		w.surveyLate()
	}
	w.advance()
	w.checkPromises()
	w.checkOperations()
	for _, r := range w.ordered {
		if r.alive() {
			w.checkLiving(r)
			w.checkDrainGoes(r)
			w.checkHealthGoes(r)
		}
		if r.probing && (r.told || !r.alive()) {
			w.failf("rule: the probe of %s was not ended", w.name(r.inst))
		}
	}
	if !w.down {
		if w.nothingLeft() && !w.plan.options.Stay && !w.ops.keepUp(w) {
			w.failf("rule: nothing is left to run, and it stays up")
		}
		w.checkStarts()
	}
}

// checkStarts holds that nobody waits who could start.
func (w *witness) checkStarts() {
	if !w.unsatisfied {
		return
	}
	w.unsatisfied = false
	for p := range w.plan.specs {
		for _, i := range w.there[ordering.ID(p)] {
			if w.states[i] == supervisor.Waiting && w.needsReady(p) {
				w.failf("start: %s waits although all it needs is ready", w.name(i))
			}
		}
	}
}

// checkLiving holds what must be true of a living run at every moment.
func (w *witness) checkLiving(r *run) {
	w.checkPatience(r)
	if !w.down && !w.ops.leaving[r.inst] {
		return
	}
	if !r.spawned && !r.cancelled && !r.killed {
		w.failf("rule: the spawn of %s was not cancelled", w.name(r.inst))
	}
	if w.said == supervisor.Forced && r.spawned && !r.killed {
		w.failf("impatience: %s is not killed in a forced shutdown", w.name(r.inst))
	}
	if w.said == supervisor.Urgent && r.told && !r.toldUp && !r.killed && w.spec(r.inst).Role != ordering.Service {
		w.failf("impatience: %s is being stopped and not killed in an urgent shutdown", w.name(r.inst))
	}
	if w.walking && r.spawned && !r.empty && !r.told && !w.running(r, supervisor.PreStop) && !w.finishing(r) &&
		w.free(r) {
		w.failf("frontier: %s may leave and is not told", w.name(r.inst))
	}
}

// checkPatience holds that nobody is waited for longer than his bounds: his stop steps, and kill_timeout after SIGKILL.
func (w *witness) checkPatience(r *run) {
	if r.killed {
		if w.now > r.killedAt+w.plan.options.KillTimeout+late {
			w.failf("time: %s is waited for %v after SIGKILL, kill_timeout is %v", w.name(r.inst), w.now-r.killedAt,
				w.plan.options.KillTimeout)
		}
		return
	}
	if own := w.steps(r.inst); r.told && !r.toldUp && w.now > r.toldAt+own+late {
		w.failf("time: %s is waited for %v, its own steps take %v", w.name(r.inst), w.now-r.toldAt, own)
	}
}

// steps is how long the stop steps of a process take together.
func (w *witness) steps(i supervisor.Inst) (own time.Duration) {
	for _, s := range w.spec(i).Stop {
		own += s.Timeout
	}
	return own
}

// checkSilence holds that a shutdown which waits says so: at least every 10 s there is a word of it.
func (w *witness) checkSilence() {
	if quiet := w.now - w.saidAt; (w.down || w.walking) && quiet > 10*s+late {
		w.failf("waiting: nothing was said for %v", quiet)
	}
	w.saidAt = w.now
}
