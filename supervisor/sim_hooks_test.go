package supervisor_test

import (
	"lastout/ordering"
	"lastout/supervisor"
)

func (w *witness) onHook(a supervisor.RunHook) {
	w.number2(a)
	h := &hookRun{}
	w.hooks[a.Hook] = h
	if w.said == supervisor.Forced {
		w.failf("hooks: %s runs after the shutdown was forced", a.Kind)
	}
	if w.said == supervisor.Urgent && (a.Kind == supervisor.PreDrain || a.Kind == supervisor.PreStop ||
		a.Kind == supervisor.BeforeShutdown) {
		w.failf("hooks: %s runs in an urgent shutdown", a.Kind)
	}
	switch a.Kind {
	case supervisor.BeforeShutdown:
		w.before++
		return
	case supervisor.AfterShutdown:
		w.after++
		w.checkAllLeft(a.Kind)
		return
	case supervisor.PreStart:
		if w.down || w.ops.leaving[a.Inst] {
			w.failf("G4: pre_start of %s after the shutdown began", w.name(a.Inst))
		}
		w.begin(a.Inst, a.For).preStart = true
	case supervisor.PostStart, supervisor.PreDrain, supervisor.PreStop:
		w.living(a.Inst, a.For, string(a.Kind))
		switch {
		case a.Kind == supervisor.PreDrain && w.spec(a.Inst).Role == ordering.Gateway:
			w.checkTurn(a.Kind, a.Inst, ordering.Drain)
		case a.Kind != supervisor.PostStart:
			w.checkTurn(a.Kind, a.Inst, ordering.Leave)
		}
	case supervisor.PostStop:
		if r := w.runs[a.For]; r == nil || r.alive() {
			w.failf("hooks: post_stop of run %d of %s, which lives", a.For, w.name(a.Inst))
		}
	}
	h.of = w.runs[a.For]
	if h.of != nil && (a.Kind == supervisor.PreDrain || a.Kind == supervisor.PreStop) {
		h.of.asked = true
	}
	if h.of == nil || h.of.inst != a.Inst {
		w.failf("hooks: %s for run %d, which is none of %s", a.Kind, a.For, w.name(a.Inst))
		return
	}
	if h.of.hooks[a.Kind] != nil {
		w.failf("hooks: %s runs a second time for run %d of %s", a.Kind, a.For, w.name(a.Inst))
	}
	h.of.hooks[a.Kind] = h
	if w.spec(a.Inst).Hooks[a.Kind] == 0 {
		w.failf("hooks: %s of %s, which has none", a.Kind, w.name(a.Inst))
	}
}

// number2 checks the numbers of a hook: that of the run it begins, where it does, comes first.
func (w *witness) number2(a supervisor.RunHook) {
	if a.Kind == supervisor.PreStart && a.For > w.top {
		if a.Hook == a.For || a.Hook <= w.top {
			w.failf("rule: hook number %d of the new run %d", a.Hook, a.For)
		}
		w.runs[a.For] = w.begin(a.Inst, a.For)
		w.top = max(w.top, a.Hook)
		return
	}
	w.number(a.Hook)
}

func (w *witness) onStopHook(a supervisor.StopHook) {
	h := w.hooks[a.Hook]
	if h == nil || !h.live() {
		w.failf("rule: StopHook of hook %d, which does not run", a.Hook)
		return
	}
	h.stopped = true
}
