package supervisor

import (
	"slices"
	"time"

	"lastout/ordering"
)

// Plan is what will happen, for people to read before it does: who starts after whom, who leaves after whom, and how
// long a shutdown of the whole tree takes at most if everybody takes all the time he has.
type Plan struct {
	Start    [][]string    `json:"start"`    // processes that may start together, level by level
	Stop     []PlanStep    `json:"stop"`     // by level, then by configuration
	Announce time.Duration `json:"announce"` // the before_shutdown hook and shutdown.delay
	Path     []PlanWait    `json:"path"`     // the critical path, with nothing squeezed
	Bound    time.Duration `json:"bound"`    // of the whole shutdown, within shutdown.timeout
	Squeezed bool          `json:"squeezed"` // shutdown.timeout is less than the critical path takes
}

// PlanStep is a process's turn to drain or to leave.
type PlanStep struct {
	Level     int           `json:"level"` // 1 and rising; steps of one level are not told one after another
	Process   string        `json:"process"`
	Step      string        `json:"step"` // "drain" or "leave"
	Instances int           `json:"instances"`
	After     []PlanRef     `json:"after,omitempty"` // the steps it waits for
	Bound     time.Duration `json:"bound"`           // what it may take by itself
}

// PlanRef names a step.
type PlanRef struct {
	Process string `json:"process"`
	Step    string `json:"step"`
}

// PlanWait is one link of the critical path.
type PlanWait struct {
	PlanRef
	Begin time.Duration `json:"begin"` // since the begin of the shutdown
	Took  time.Duration `json:"took"`
}

// MakePlan plans a tree in which everything that is enabled runs.
func MakePlan(g *ordering.Graph, specs []Spec, o Options) Plan {
	p := planner{
		graph: g, specs: specs, walk: g.Walk(), levels: make(map[ordering.Step]int),
		waits: make(map[ordering.Step][]ordering.Step),
	}
	costs := make([]ordering.Cost, len(specs))
	for id := range specs {
		costs[id] = specs[id].cost(o)
	}
	b := g.Budget(limits(o, specs), costs, func(id ordering.ID) bool { return p.runs(id) })
	plan := Plan{Start: p.start(), Stop: p.stop(costs), Announce: b.Announce(), Bound: o.bound(b)}
	for _, s := range b.Path() {
		plan.Path = append(plan.Path, PlanWait{PlanRef: p.ref(s.Step), Begin: s.Begin, Took: s.Took})
	}
	unlimited := o
	unlimited.Timeout = 0
	free := g.Budget(limits(unlimited, specs), costs, func(id ordering.ID) bool { return p.runs(id) })
	plan.Squeezed = b.Hard() < free.Total()
	return plan
}

// boundOf is how long a shutdown of the whole tree takes at most.
func boundOf(g *ordering.Graph, specs []Spec, o Options) time.Duration {
	costs := make([]ordering.Cost, len(specs))
	for id := range specs {
		costs[id] = specs[id].cost(o)
	}
	runs := func(id ordering.ID) bool { return specs[id].Enabled && specs[id].Instances > 0 }
	return o.bound(g.Budget(limits(o, specs), costs, runs))
}

type planner struct {
	graph  *ordering.Graph
	specs  []Spec
	walk   *ordering.Walk
	levels map[ordering.Step]int
	waits  map[ordering.Step][]ordering.Step
}

func (p *planner) runs(id ordering.ID) bool { return p.specs[id].Enabled && p.specs[id].Instances > 0 }

func (p *planner) ref(s ordering.Step) PlanRef {
	return PlanRef{Process: p.specs[s.ID].Name, Step: s.Kind.String()}
}

// start gives the levels of the start: each process one above the highest of those it needs.
func (p *planner) start() [][]string {
	levels := make([]int, len(p.specs))
	var level func(id ordering.ID) int
	level = func(id ordering.ID) int {
		if levels[id] > 0 {
			return levels[id]
		}
		highest := 1
		for _, need := range p.graph.Needs(id) {
			above := level(need)
			if p.runs(need) {
				above++
			}
			highest = max(highest, above)
		}
		levels[id] = highest
		return highest
	}
	var start [][]string
	for id := range p.specs {
		at := level(ordering.ID(id))
		if !p.runs(ordering.ID(id)) {
			continue
		}
		for len(start) < at {
			start = append(start, nil)
		}
		start[at-1] = append(start[at-1], p.specs[id].Name)
	}
	return start
}

// stop lists the steps in which something happens.
func (p *planner) stop(costs []ordering.Cost) []PlanStep {
	var steps []PlanStep
	for id := range p.specs {
		for _, kind := range []ordering.StepKind{ordering.Drain, ordering.Leave} {
			s := ordering.Step{Kind: kind, ID: ordering.ID(id)}
			if !p.real(s) {
				continue
			}
			c := costs[id]
			bound := plus(c.PreDrain, c.Drain)
			if kind == ordering.Leave {
				bound = plus(plus(plus(c.Settle, c.PreStop), plus(c.Invite, c.Steps)), plus(c.Kill, c.PostStop))
			}
			step := PlanStep{
				Level: p.level(s), Process: p.specs[id].Name, Step: kind.String(), Instances: p.specs[id].Instances,
				Bound: bound,
			}
			for _, w := range p.before(s) {
				step.After = append(step.After, p.ref(w))
			}
			steps = append(steps, step)
		}
	}
	slices.SortStableFunc(steps, func(a, b PlanStep) int { return a.Level - b.Level })
	return steps
}

// real says whether something happens in a step; the others are passed through.
func (p *planner) real(s ordering.Step) bool {
	return p.runs(s.ID) && (s.Kind == ordering.Leave || p.graph.Drains(s.ID))
}

// before gives the real steps that a step waits for directly, or through steps that are passed through.
func (p *planner) before(s ordering.Step) []ordering.Step {
	if known, ok := p.waits[s]; ok {
		return known
	}
	var waits []ordering.Step
	for _, w := range p.walk.Waits(s) {
		if p.real(w) {
			waits = append(waits, w)
		} else {
			waits = append(waits, p.before(w)...)
		}
	}
	slices.SortFunc(waits, func(a, b ordering.Step) int {
		if a.ID != b.ID {
			return int(a.ID - b.ID)
		}
		return int(a.Kind) - int(b.Kind)
	})
	waits = slices.Compact(waits)
	p.waits[s] = waits
	return waits
}

// level is one above the highest of the steps waited for.
func (p *planner) level(s ordering.Step) int {
	if known := p.levels[s]; known > 0 {
		return known
	}
	at := 1
	for _, w := range p.before(s) {
		at = max(at, p.level(w)+1)
	}
	p.levels[s] = at
	return at
}
