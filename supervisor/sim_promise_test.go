package supervisor_test

import (
	"slices"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// promises are the bounds that the machine has said aloud. People rely on them, so the witness does too.
type promises struct {
	states map[supervisor.Inst]promise // when the wait that an instance is in will be over
	leaves map[supervisor.Inst]promise // when it will have left
	drains map[supervisor.Inst]promise // when it will have drained
	ends   promise                     // when the shutdown will be over
	made   bool                        // the last one was
}

// promise is a moment, and how late timers had been in sum when it was named.
type promise struct {
	by       supervisor.Instant
	lateness time.Duration
}

// promised makes a promise of a report's bound.
func (w *witness) promised(bound time.Duration) (p promise, ok bool) {
	if bound >= supervisor.Forever-w.now {
		return promise{}, false
	}
	return promise{by: w.now + bound, lateness: w.lateness}, true
}

// broken says whether a promise was not kept, timers that came late since then allowed for.
func (w *witness) broken(p promise) bool { return w.now > p.by+w.lateness-p.lateness+late }

// onBound takes in the bound of a report.
func (w *witness) onBound(r supervisor.Report) {
	switch r.Kind {
	case supervisor.KindState, supervisor.KindSignal, supervisor.KindCommand, supervisor.KindKill:
		i, _ := w.instance(r)
		delete(w.promises.states, i)
		if p, ok := w.promised(r.Bound); ok && r.Bound > 0 {
			w.promises.states[i] = p
		}
	case supervisor.KindPhase:
		if p, ok := w.promised(r.Bound); ok && r.Phase == supervisor.Announcing {
			w.promises.ends, w.promises.made = p, true
		}
	case supervisor.KindLevel:
		clear(w.promises.leaves)
		clear(w.promises.drains)
	case supervisor.KindWaiting:
		w.onWaiting(r)
	}
}

// onWaiting judges for whom the machine says that it waits, and takes its word for how long at most.
func (w *witness) onWaiting(rep supervisor.Report) {
	if !w.down && !w.walking || len(rep.After) == 0 {
		w.failf("waiting: for %q, in a shutdown: %v", rep.After, w.down)
	}
	p, bounded := w.promised(rep.Bound)
	for i, state := range w.states {
		if !slices.Contains(rep.After, w.plainName(i)) {
			continue
		}
		switch {
		case state.Left():
			w.failf("waiting: for %s, which is %s", w.plainName(i), state)
		case !bounded || state == supervisor.Starting: // it may still come up, and then take its time to leave
		case state == supervisor.Draining && w.spec(i).Role == ordering.Gateway:
			w.promises.drains[i] = p
		default:
			w.promises.leaves[i] = p
		}
	}
}

// checkPromises holds the machine to what it said.
func (w *witness) checkPromises() {
	for i, p := range w.promises.states {
		state, r := w.states[i], w.last[i]
		if r != nil && r.exited || (w.down || w.ops.leaving[i]) && state == supervisor.Running {
			continue // the end is at hand, or readiness is no longer waited for
		}
		if w.broken(p) {
			w.failf("promise: %s is still %s, which should have been over at %v", w.name(i), state, p.by)
		}
	}
	for i, p := range w.promises.leaves {
		if !w.states[i].Left() && w.broken(p) {
			w.failf("promise: %s is still %s, it should have left by %v", w.name(i), w.states[i], p.by)
		}
	}
	for i, p := range w.promises.drains {
		if w.states[i] == supervisor.Draining && w.broken(p) {
			w.failf("promise: %s still drains, which should have been over at %v", w.name(i), p.by)
		}
	}
	if w.promises.made && w.down && w.broken(w.promises.ends) {
		w.failf("G3: the shutdown goes on, it should have been over at %v", w.promises.ends.by)
	}
}
