package supervisor_test

import (
	"lastout/ordering"
	"lastout/supervisor"
)

// restarts is what the witness keeps of an instance from one life to the next.
type restarts struct {
	attempts int
	due      supervisor.Instant // not before then may it start again
}

// used counts how many attempts are used up after a run: those since one that lived long enough.
func (w *witness) used(r *run) int {
	reset := w.spec(r.inst).Backoff.ResetAfter
	if r.exited && r.exitedAt-r.spawnedAt >= reset {
		return 0
	}
	return w.restarts[r.inst].attempts
}

// onRetry judges a restart that is announced.
func (w *witness) onRetry(rep supervisor.Report) {
	i, _ := w.instance(rep)
	r, spec := w.last[i], w.spec(i)
	if r == nil || r.run != rep.Run || r.alive() {
		w.failf("restart: %s is to be started again, and its run %d is not over", rep.Instance, rep.Run)
		return
	}
	used := w.used(r)
	switch {
	case w.down || w.ops.leaving[i]:
		w.failf("restart: %s is to be started again, and is to leave", rep.Instance)
	case spec.Restart == supervisor.RestartNever:
		w.failf("restart: %s is to be started again although that is never wanted", rep.Instance)
	case well(r) && (spec.Restart == supervisor.RestartOnFailure || spec.Role == ordering.Task):
		w.failf("restart: %s is to be started again although it ended well", rep.Instance)
	case spec.Backoff.Limit > 0 && used >= spec.Backoff.Limit:
		w.failf("restart: %s is to be started again after %d attempts", rep.Instance, used)
	case rep.Attempt != used+1:
		w.failf("restart: attempt %d of %s is called %d", used+1, rep.Instance, rep.Attempt)
	}
	base := spec.Backoff.Min
	for n := 1; n < rep.Attempt && base < spec.Backoff.Max; n++ {
		base *= 2
	}
	base = min(base, spec.Backoff.Max)
	if rep.Bound < base || rep.Bound > min(base+base/4, spec.Backoff.Max) {
		w.failf("restart: attempt %d of %s waits for %v, it should be %v and up to a quarter", rep.Attempt, rep.Instance,
			rep.Bound, base)
	}
	w.restarts[i] = restarts{attempts: used + 1, due: w.now + rep.Bound}
}

// well says whether a run ended by itself, and well.
func well(r *run) bool { return r.exited && r.unasked && r.exit.OK() }

// checkVerdict judges what becomes of an instance whose run is over while the tree is up.
func (w *witness) checkVerdict(i supervisor.Inst, rep supervisor.Report) {
	r, spec := w.last[i], w.spec(i)
	switch rep.State {
	case supervisor.Done:
		if r == nil || !well(r) {
			w.failf("restart: %s is done and did not end well", rep.Instance)
		} else if !w.down && !w.ops.leaving[i] && spec.Restart == supervisor.RestartAlways && spec.Role != ordering.Task &&
			(spec.Backoff.Limit == 0 || w.used(r) < spec.Backoff.Limit) {
			w.failf("restart: %s is done and should be started again", rep.Instance)
		}
	case supervisor.Failed:
		if rep.From == supervisor.Waiting {
			w.checkHopeless(i, rep)
			return
		}
		if r == nil || well(r) && spec.Restart != supervisor.RestartAlways {
			w.failf("restart: %s failed and ended well", rep.Instance)
		} else if !w.down && spec.Restart != supervisor.RestartNever &&
			(spec.Backoff.Limit == 0 || w.used(r) < spec.Backoff.Limit) {
			w.failf("restart: %s is given up after %d attempts of %d", rep.Instance, w.used(r), spec.Backoff.Limit)
		}
	case supervisor.Stopped:
		if !w.down && !w.ops.leaving[i] && rep.From != supervisor.Off && (r == nil || !r.asked) {
			w.failf("restart: %s is stopped and nobody asked for it", rep.Instance)
		}
		if w.down && r != nil && r.exited && r.unasked && rep.From != supervisor.InBackoff {
			w.failf("restart: %s is called stopped and left unasked", rep.Instance)
		}
	}
}

// checkHopeless holds that nobody is given up who could still start: some process it needs, directly or by way of
// others, has an instance that ended for good.
func (w *witness) checkHopeless(i supervisor.Inst, rep supervisor.Report) {
	if w.down {
		return
	}
	for _, need := range w.plan.order.needs[i.Proc] {
		if w.hopeless(need) {
			return
		}
	}
	w.failf("start: %s is given up although all it needs may still come", rep.Instance)
}

func (w *witness) hopeless(p int) bool {
	spec := w.plan.specs[p]
	if len(w.there[ordering.ID(p)]) == 0 {
		for _, need := range w.plan.order.needs[p] {
			if w.hopeless(need) {
				return true
			}
		}
		return false
	}
	for _, i := range w.there[ordering.ID(p)] {
		switch w.states[i] {
		case supervisor.Failed, supervisor.Lost:
			return true
		case supervisor.Done:
			if spec.Role != ordering.Task {
				return true
			}
		}
	}
	return false
}
