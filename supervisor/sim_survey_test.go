package supervisor_test

import (
	"slices"

	"lastout/ordering"
	"lastout/supervisor"
)

// survey is answered at once, late or never; which of the runs listen nowhere is drawn.
func (k *kernel) survey(a supervisor.Survey) {
	r := stream(k.plan.seed, forDrain, 5)
	var silent []supervisor.Run
	for _, run := range a.Runs {
		if chance(r, 60) {
			silent = append(silent, run)
		}
	}
	k.after(pick(r, 0, 0, upTo(r, 10*ms), upTo(r, s), never), func() supervisor.Event {
		return supervisor.Surveyed{Silent: silent}
	})
}

// surveyed is what the witness keeps of the look at who listens.
type surveyed struct {
	asked  bool
	over   bool // it was answered, or nothing was to be asked
	silent map[ordering.ID]bool
}

// onSurvey holds that all are asked of whose drain it depends, and nobody else.
func (w *witness) onSurvey(a supervisor.Survey) {
	if !w.down || w.walking || w.survey.asked || w.survey.over {
		w.failf("survey: out of place: %+v", w.survey)
	}
	w.survey.asked = true
	for _, r := range w.ordered {
		if wanted := w.spec(r.inst).Drain.Listens && w.serves(r); wanted != slices.Contains(a.Runs, r.run) {
			w.failf("survey: it asks about %s: %v", w.name(r.inst), !wanted)
		}
	}
}

// serves says whether a run could be invited to finish.
func (w *witness) serves(r *run) bool {
	state := w.states[r.inst]
	return w.last[r.inst] == r && r.spawned && !r.exited &&
		(state == supervisor.Running || state == supervisor.Ready || state == supervisor.InPostStart)
}

// surveyAnswered takes in who listens nowhere.
func (w *witness) surveyAnswered(ev supervisor.Surveyed) {
	if w.survey.asked && !w.survey.over && !w.walking {
		w.passOver(ev.Silent)
	}
}

// surveyLate ends the survey where nothing was asked, or the walk began without its answer.
func (w *witness) surveyLate() {
	switch {
	case w.survey.over:
	case !w.survey.asked:
		w.passOver(nil)
	case w.walking:
		w.survey.over = true
	}
}

// passOver finds the processes that have no drain in this shutdown: all that could be invited of them are silent.
func (w *witness) passOver(silent []supervisor.Run) {
	w.survey.over = true
	w.survey.silent = make(map[ordering.ID]bool)
	for p, spec := range w.plan.specs {
		w.survey.silent[ordering.ID(p)] = spec.Drain.Listens
	}
	for _, r := range w.ordered {
		spawns := r.spawn && !r.failed && !r.spawned && !r.lost
		state := w.states[r.inst]
		drains := w.last[r.inst] == r && (state == supervisor.Draining || state == supervisor.Drained)
		if (w.serves(r) || spawns || drains) && !slices.Contains(silent, r.run) {
			w.survey.silent[r.inst.Proc] = false
		}
	}
}

// orderGone is the graph of the shutdown, worked out from the nodes.
func (w *witness) orderGone() *ordering.Graph {
	nodes := slices.Clone(w.plan.nodes)
	for p := range nodes {
		nodes[p].NoDrain = nodes[p].NoDrain || w.survey.silent[ordering.ID(p)]
	}
	g, err := ordering.New(nodes)
	if err != nil {
		w.failf("survey: %v", err)
		return w.plan.graph
	}
	return g
}
