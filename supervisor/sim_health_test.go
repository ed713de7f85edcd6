package supervisor_test

import (
	"math/rand/v2"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// drawHealth draws how often in a row a look at an instance may fail.
func (p *plan) drawHealth(i int, role ordering.Role) supervisor.Health {
	r := stream(p.seed, forHealth, p.orig[i])
	most := pick(r, 0, 0, 0, 1, 2, 3)
	if role == ordering.Task || p.cut.has(cutHealth) {
		most = 0
	}
	return supervisor.Health{Failures: most}
}

// checkHealth looks at a run a few times: some looks fail, and the first good one after that is told.
func (k *kernel) checkHealth(a supervisor.CheckHealth) {
	r := stream(k.plan.seed, forHealth, uint64(a.Run), 1)
	c := k.children[a.Run]
	c.checks++
	mine := c.checks
	every := pick(r, ms, 100*ms, s)
	k.lookAgain(r, c, mine, every, r.IntN(8), false)
}

func (k *kernel) lookAgain(r *rand.Rand, c *child, mine int, every time.Duration, looks int, sick bool) {
	if looks == 0 {
		return
	}
	k.after(every, func() supervisor.Event {
		if c.checks != mine && c.body.heeds {
			return nil
		}
		fails, final := chance(r, 40), chance(r, 5)
		k.lookAgain(r, c, mine, every, looks-1, fails)
		switch {
		case fails:
			return supervisor.HealthFailed{Inst: c.inst, Run: c.run, Why: "no answer", Final: final}
		case sick:
			return supervisor.HealthWorks{Inst: c.inst, Run: c.run}
		}
		return nil
	})
}

// healthBook is what the witness keeps of the looks at a run.
type healthBook struct {
	checked bool
	sick    int
	ill     bool // it failed as often as it may
}

func (w *witness) onCheckHealth(a supervisor.CheckHealth) {
	r := w.living(a.Inst, a.Run, "CheckHealth")
	if w.down || r.told || r.health.checked || w.states[a.Inst] != supervisor.Ready || w.spec(a.Inst).Health.Failures == 0 {
		w.failf("health: CheckHealth of %s, which is %s: %+v", w.name(a.Inst), w.states[a.Inst], r.health)
	}
	r.health.checked = true
}

func (w *witness) onStopHealth(a supervisor.StopHealth) {
	r := w.known(a.Inst, a.Run, "StopHealth")
	if !r.health.checked {
		w.failf("health: StopHealth of %s, which is not looked at", w.name(a.Inst))
	}
	r.health.checked = false
}

func (w *witness) healthFailed(ev supervisor.HealthFailed) {
	if r := w.runs[ev.Run]; r != nil && r.health.checked {
		r.health.sick++
		r.health.ill = ev.Final || r.health.sick >= w.spec(r.inst).Health.Failures
	}
}

func (w *witness) healthWorks(ev supervisor.HealthWorks) {
	if r := w.runs[ev.Run]; r != nil && r.health.checked {
		r.health.sick = 0
	}
}

// checkHealthGoes holds that a run which is ready is looked at, in no other state, and that who is ill is told to leave.
func (w *witness) checkHealthGoes(r *run) {
	state := w.states[r.inst]
	leaves := w.down || w.ops.leaving[r.inst] || w.ops.draining[r.inst]
	wanted := !leaves && state == supervisor.Ready && !r.exited && w.spec(r.inst).Health.Failures > 0
	switch {
	case wanted != r.health.checked:
		w.failf("health: %s is %s, and looked at: %v", w.name(r.inst), state, r.health.checked)
	case r.health.ill && !r.exited && (state == supervisor.Ready || !r.asked):
		w.failf("health: %s is ill, and is %s", w.name(r.inst), state)
	}
}
