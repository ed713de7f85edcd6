package supervisor_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

const (
	ms = time.Millisecond
	s  = time.Second
)

// maxNodes is how many processes a world has at most.
const maxNodes = 12

// cut takes parts out of a world, to find the smallest one that still fails: the lowest bits drop processes, the others
// calm one kind of trouble each. Everything else of the world stays as it was.
type cut uint64

const (
	cutLateness cut = 1 << (maxNodes + iota)
	cutStale
	cutStrays
	cutSpawnFaults
	cutCrashes
	cutRest
	cutUnkillable
	cutDeaf
	cutHookFaults
	cutHooks
	cutInterrupts
	cutRepeats
	cutInstances
	cutSteps
	cutReadyFaults
	cutDrains
	cutHealth
	cutOperations
	cutBound // one more than the last
)

func (c cut) has(part cut) bool { return c&part != 0 }

// The purposes that random numbers are drawn for. Each has a stream of its own, so that what is cut changes nothing
// else.
const (
	forShape uint64 = iota
	forNode
	forEdges
	forOptions
	forStimuli
	forBody
	forHook
	forLateness
	forStale
	forSweep
	forDrain
	forHealth
	forSuccessors
	forOperations
	forHurries
)

// stream gives the random numbers of one purpose.
func stream(seed, purpose uint64, ids ...uint64) *rand.Rand {
	h := purpose + 1
	for _, id := range ids {
		h = (h ^ id) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	return rand.New(rand.NewPCG(seed, h))
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

// upTo draws a duration in steps of a fiftieth, so that things often meet at the same instant.
func upTo(r *rand.Rand, d time.Duration) time.Duration { return d / 50 * time.Duration(r.IntN(51)) }

// plan is a world before it begins: what is configured, and what will be asked of it from outside.
type plan struct {
	seed    uint64
	cut     cut
	nodes   []ordering.Node
	specs   []supervisor.Spec
	options supervisor.Options
	orig    []uint64 // the number of each process before any was cut
	stimuli []stimulus
	reloads map[supervisor.Op]renumbering
	order   *order
	graph   *ordering.Graph
}

// stimulus is a Stop or an Interrupt from outside.
type stimulus struct {
	at supervisor.Instant
	ev supervisor.Event
}

// newPlan draws a world. The error is a fault of the package ordering.
func newPlan(seed uint64, c cut) (*plan, error) {
	p := &plan{seed: seed, cut: c}
	p.drawGraph()
	p.drawOptions()
	p.drawStimuli()
	p.drawOperations()
	p.drawHurries()
	for i, n := range p.nodes {
		p.specs = append(p.specs, p.drawSpec(i, n))
	}
	p.skipDrains()
	p.order = newOrder(p.nodes)
	var err error
	p.graph, err = ordering.New(p.nodes)
	if (err != nil) != p.order.circular() {
		return nil, fmt.Errorf("order: ordering.New says %v, by the definition a circle: %v", err, p.order.circular())
	}
	if err != nil {
		for i := range p.nodes {
			p.nodes[i].Fronts, p.nodes[i].Outlives = nil, nil
		}
		p.order = newOrder(p.nodes)
		if p.graph, err = ordering.New(p.nodes); err != nil {
			return nil, fmt.Errorf("order: ordering.New of a graph without fronts and outlives: %w", err)
		}
	}
	p.finishReloads()
	return p, p.order.compare(p.graph)
}

// drawGraph draws processes of all roles and edges that point to earlier ones, then shuffles them, so that the IDs say
// nothing about the order.
func (p *plan) drawGraph() {
	r := stream(p.seed, forShape)
	count := 1 + min(r.IntN(maxNodes), r.IntN(maxNodes+4))
	density := pick(r, 8, 20, 45)
	nodes := make([]ordering.Node, count)
	safe := make([]bool, count) // a service may depend on it
	for i := range nodes {
		r := stream(p.seed, forEdges, uint64(i))
		n := &nodes[i]
		n.Name = fmt.Sprintf("p%d", i)
		n.Role = pick(r, ordering.Worker, ordering.Worker, ordering.Worker, ordering.Gateway, ordering.Gateway,
			ordering.Service, ordering.Service, ordering.Task)
		safe[i] = n.Role == ordering.Service || n.Role == ordering.Task
		for j := range i {
			if !chance(r, density) || len(n.DependsOn) > 4 || n.Role == ordering.Service && !safe[j] {
				continue
			}
			n.DependsOn = append(n.DependsOn, nodes[j].Name)
			safe[i] = safe[i] && (n.Role == ordering.Service || safe[j])
		}
	}
	for i := range nodes {
		drawExtras(stream(p.seed, forEdges, uint64(i), 1), nodes, i)
	}
	at := r.Perm(count)
	for _, i := range at {
		if !p.cut.has(1 << i) {
			p.nodes = append(p.nodes, nodes[i])
			p.orig = append(p.orig, uint64(i))
		}
	}
	p.forgetCut()
}

// drawExtras draws fronts and outlives, which may close a circle.
func drawExtras(r *rand.Rand, nodes []ordering.Node, i int) {
	n := &nodes[i]
	if n.Role == ordering.Gateway && chance(r, 15) {
		n.Fronts = []string{}
		for j, other := range nodes {
			if j != i && (other.Role == ordering.Worker || other.Role == ordering.Gateway) && chance(r, 40) {
				n.Fronts = append(n.Fronts, other.Name)
			}
		}
	}
	if j := r.IntN(len(nodes)); j != i && chance(r, 4) && n.Role != ordering.Task && nodes[j].Role != ordering.Task {
		n.Outlives = []string{nodes[j].Name}
	}
}

// forgetCut takes the names of processes that were cut out of those that stay.
func (p *plan) forgetCut() {
	gone := func(name string) bool {
		return !slices.ContainsFunc(p.nodes, func(n ordering.Node) bool { return n.Name == name })
	}
	for i := range p.nodes {
		n := &p.nodes[i]
		n.DependsOn = slices.DeleteFunc(slices.Clone(n.DependsOn), gone)
		n.Outlives = slices.DeleteFunc(slices.Clone(n.Outlives), gone)
		if n.Fronts != nil {
			n.Fronts = slices.DeleteFunc(append([]string{}, n.Fronts...), gone)
		}
	}
}

func (p *plan) drawOptions() {
	r := stream(p.seed, forOptions)
	o := &p.options
	o.Timeout = pick(r, 0, 0, 0, 10*ms, 100*ms, 500*ms, 2*s, 5*s, 10*s, 30*s, 30*s, 120*s)
	o.Reserve = pick(r, ms, 100*ms, s, 2*s)
	o.Delay = pick(r, 0, 0, 0, 50*ms, 1*s)
	if o.Timeout > 0 && o.Delay >= o.Timeout {
		o.Delay = 0
	}
	o.KillTimeout = pick(r, 10*ms, 100*ms, s, 5*s)
	before, after := pick(r, 0, 0, 50*ms, s), pick(r, 0, 0, 50*ms, s)
	if !p.cut.has(cutHooks) {
		o.Before, o.After = before, after
	}
	o.ClassOnly, o.Stay = chance(r, 30), chance(r, 30)
	o.Seed = r.Uint64()
	if linger := pick(stream(p.seed, forDrain), 0, 0, 50*ms, s); !p.cut.has(cutDrains) {
		o.Linger = linger
	}
}

// drawStimuli draws when and how the world is asked to stop: at the very begin, in start-up, in steady state, or so
// late that it may end by itself; then repeated stops and interrupts at all distances.
func (p *plan) drawStimuli() {
	r := stream(p.seed, forStimuli)
	first := pick(r, 0, upTo(r, 100*ms), upTo(r, s), upTo(r, s), upTo(r, 10*s), upTo(r, 10*s), upTo(r, 100*s), 300*s)
	p.stimuli = append(p.stimuli, stimulus{first, supervisor.Stop{Cause: "SIGTERM"}})
	if chance(r, 25) {
		p.stimuli[0].ev = supervisor.Interrupt{Cause: "SIGINT"}
	}
	if n := r.IntN(4); chance(r, 40) && !p.cut.has(cutRepeats) {
		for range n {
			p.stimuli = append(p.stimuli, stimulus{first + upTo(r, pick(r, 100*ms, 10*s)), supervisor.Stop{Cause: "SIGTERM"}})
		}
	}
	if n := 1 + r.IntN(4); chance(r, 35) && !p.cut.has(cutInterrupts) {
		at := first
		for range n {
			at += pick(r, 0, ms, 100*ms, 249*ms, 250*ms, 251*ms, upTo(r, s), upTo(r, 10*s))
			p.stimuli = append(p.stimuli, stimulus{at, supervisor.Interrupt{Cause: "SIGINT"}})
		}
	}
}

// drawHurries draws a few shutdowns that are urgent from the begin, or made so by somebody who knows it.
func (p *plan) drawHurries() {
	r := stream(p.seed, forHurries)
	if chance(r, 92) || p.cut.has(cutInterrupts) {
		return
	}
	at := p.stimuli[0].at + pick(r, -upTo(r, s), 0, upTo(r, 100*ms), upTo(r, 10*s))
	for range pick(r, 1, 1, 2) {
		p.stimuli = append(p.stimuli, stimulus{max(0, at), supervisor.Hurry{Cause: "down --now"}})
	}
}

func (p *plan) drawSpec(i int, n ordering.Node) supervisor.Spec {
	r := stream(p.seed, forNode, p.orig[i])
	spec := supervisor.Spec{
		Name: n.Name, Role: n.Role, Enabled: !chance(r, 6), Instances: pick(r, 1, 1, 1, 1, 1, 1, 2, 2, 3, 0),
		Restart: pick(r, supervisor.RestartOnFailure, supervisor.RestartOnFailure, supervisor.RestartAlways,
			supervisor.RestartNever),
		Backoff: supervisor.Backoff{
			Min: pick(r, 100*ms, s), Max: pick(r, s, 30*s), ResetAfter: pick(r, s, 10*s, 60*s),
			Limit: pick(r, 0, 1, 2, 3, 10),
		},
		OnExit: pick(r, supervisor.Ignore, supervisor.Ignore, supervisor.Shutdown, supervisor.ShutdownOnFailure),
		Ready: supervisor.Readiness{
			Kind: pick(r, supervisor.ReadyExec, supervisor.ReadyExec, supervisor.ReadyProbe, supervisor.ReadyProbe,
				supervisor.ReadyDelay),
			Delay: pick(r, 50*ms, s), Timeout: pick(r, 100*ms, s, 60*s), Continue: chance(r, 30),
		},
	}
	if spec.Role == ordering.Task {
		spec.Ready.Kind = supervisor.ReadyExit
		spec.Restart = pick(r, supervisor.RestartOnFailure, supervisor.RestartNever, supervisor.RestartNever)
	}
	if p.cut.has(cutInstances) && spec.Instances > 1 {
		spec.Instances = 1
	}
	spec.Stop = p.drawStop(r)
	spec.Hooks = p.drawHooks(r, n.Role)
	spec.Drain = p.drawDrain(i, n.Role)
	spec.Health = p.drawHealth(i, n.Role)
	return spec
}

func (p *plan) drawStop(r *rand.Rand) []supervisor.StopStep {
	steps := make([]supervisor.StopStep, pick(r, 0, 1, 1, 1, 1, 1, 1, 1, 2, 3))
	for k := range steps {
		steps[k].Timeout = pick(r, 10*ms, 100*ms, s, s, 5*s, 10*s)
		if chance(r, 20) {
			steps[k].Command = true
		} else {
			steps[k].Signal = pick(r, syscall.SIGTERM, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
		}
	}
	if p.cut.has(cutSteps) {
		return []supervisor.StopStep{{Signal: syscall.SIGTERM, Timeout: s}}
	}
	return steps
}

func (p *plan) drawHooks(r *rand.Rand, role ordering.Role) map[supervisor.HookKind]time.Duration {
	hooks := make(map[supervisor.HookKind]time.Duration)
	busy := chance(r, 30)
	for _, kind := range []supervisor.HookKind{
		supervisor.PreStart, supervisor.PostStart, supervisor.PreDrain, supervisor.PreStop, supervisor.PostStop,
	} {
		percent := 10
		if busy {
			percent = 50
		}
		if kind == supervisor.PreDrain && role == ordering.Task {
			percent = 0
		}
		bound := pick(r, 10*ms, 100*ms, s, 5*s)
		if chance(r, percent) && !p.cut.has(cutHooks) {
			hooks[kind] = bound
		}
	}
	return hooks
}
