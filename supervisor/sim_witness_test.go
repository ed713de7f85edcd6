package supervisor_test

import (
	"fmt"
	"syscall"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// witness watches a world from outside: it sees the events that go in and the actions that come out, keeps its own
// books, and holds them against what the guarantees say. It knows nothing of how the machine decides.
type witness struct {
	succeeded int // machines that took the place of another
	plan      *plan
	now       supervisor.Instant
	err       error // the first violation

	runs       map[supervisor.Run]*run
	ordered    []*run // by the time they were begun
	last       map[supervisor.Inst]*run
	hooks      map[supervisor.Run]*hookRun
	top        supervisor.Run // the highest number given so far
	states     map[supervisor.Inst]supervisor.State
	started    map[supervisor.Inst]bool
	there      map[ordering.ID][]supervisor.Inst // the instances that a process has
	called     map[supervisor.Inst]string        // their names
	ops        operations
	departures int                      // begun so far
	hopelessly map[supervisor.Inst]bool // it failed while it waited
	entered    map[supervisor.Inst]int  // and when it entered its state

	restarts map[supervisor.Inst]restarts
	failedUp []supervisor.Inst // failed for good before the shutdown
	allOver  bool              // it began because nothing was left to run

	calledFor bool               // on_exit of somebody who ended for good calls for the shutdown
	saidAt    supervisor.Instant // the time of the last report
	promises  promises

	asked       bool // a Stop or Interrupt came in
	down        bool // the machine said that the shutdown began
	downAt      supervisor.Instant
	lateness    time.Duration // injected since then
	walking     bool
	walk        *ordering.Walk   // of the shutdown, gone by what was seen
	level       supervisor.Level // as the interrupts say
	said        supervisor.Level // as the machine says
	pressed     bool
	pressedAt   supervisor.Instant
	mustKill    []*run
	left        []string // by the last answer to a sweep
	counted     bool     // there was one
	survivors   []string // who was left when the machine gave them up
	swept       bool     // with SIGKILL
	before      int      // how often the hooks of the whole tree ran
	after       int
	finished    bool
	outcome     supervisor.Outcome
	inviting    bool // the next signal is an invitation
	linger      lingering
	survey      surveyed
	cuts        int  // that the machine was told of and has not said
	unsatisfied bool // states changed since the start order was looked at

	kinds   map[supervisor.Kind]int
	reached map[supervisor.State]int
	reports []supervisor.Report
}

// run is one life as the witness knows it.
type run struct {
	inst supervisor.Inst
	run  supervisor.Run

	preStart  bool // the hook ran
	spawn     bool // was asked for
	cancelled bool
	spawned   bool
	spawnedAt supervisor.Instant
	late      bool // that was in the shutdown
	failed    bool // there is no process and never was
	probing   bool
	ready     bool
	exited    bool
	exitedAt  supervisor.Instant
	exit      supervisor.Exit
	unasked   bool // it ended by itself
	empty     bool // and left nobody behind: Gone follows at once
	gone      bool
	lost      bool
	forgotten bool
	hooks     map[supervisor.HookKind]*hookRun
	drain     drainBook
	health    healthBook

	upAsked   bool // it was asked to leave before the shutdown began
	asked     bool // invited, told or killed
	told      bool // a stop step was taken
	toldAt    supervisor.Instant
	toldUp    bool // before the shutdown
	signalled bool // by other than SIGKILL
	rest      bool // the first step went to what a crash left behind
	killed    bool
	killedAt  supervisor.Instant
	killDown  bool
}

// alive says whether a process of the run may exist, as far as anybody can know.
func (r *run) alive() bool { return r.spawn && !r.failed && !r.gone && !r.lost }

type hookRun struct {
	of      *run
	ended   bool
	stopped bool
}

func (h *hookRun) live() bool { return !h.ended && !h.stopped }

func newWitness(p *plan) *witness {
	w := &witness{
		there: make(map[ordering.ID][]supervisor.Inst), called: make(map[supervisor.Inst]string), ops: newOperations(), hopelessly: make(map[supervisor.Inst]bool), entered: make(map[supervisor.Inst]int),
		plan: p, runs: make(map[supervisor.Run]*run), hooks: make(map[supervisor.Run]*hookRun),
		last: make(map[supervisor.Inst]*run), states: make(map[supervisor.Inst]supervisor.State),
		started: make(map[supervisor.Inst]bool), restarts: make(map[supervisor.Inst]restarts),
		promises: promises{
			states: make(map[supervisor.Inst]promise), leaves: make(map[supervisor.Inst]promise),
			drains: make(map[supervisor.Inst]promise),
		},
		kinds: make(map[supervisor.Kind]int), reached: make(map[supervisor.State]int),
	}
	for id, spec := range p.specs {
		for n := 1; spec.Enabled && n <= spec.Instances; n++ {
			w.add(supervisor.Inst{Proc: ordering.ID(id), N: n}, spec.Instances > 1)
		}
	}
	return w
}

// add lets a process have an instance, with a name that has its number or not.
func (w *witness) add(i supervisor.Inst, numbered bool) {
	w.there[i.Proc] = append(w.there[i.Proc], i)
	if w.called[i] = w.plan.nodes[i.Proc].Name; numbered {
		w.called[i] = w.name(i)
	}
}

// failf keeps the first violation: what comes after it follows from it.
func (w *witness) failf(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("at %v: %s", w.now, fmt.Sprintf(format, args...))
	}
}

func (w *witness) name(i supervisor.Inst) string {
	return fmt.Sprintf("%s.%d", w.plan.nodes[i.Proc].Name, i.N)
}

func (w *witness) spec(i supervisor.Inst) supervisor.Spec { return w.plan.specs[i.Proc] }

// event takes in what the machine is about to be told.
func (w *witness) event(now supervisor.Instant, ev supervisor.Event) {
	w.now = now
	switch ev := ev.(type) {
	case supervisor.Stop:
		w.asked = w.asked || !w.down
	case supervisor.Interrupt:
		w.interrupt()
	case supervisor.Hurry:
		w.asked = w.asked || !w.down
		w.level = max(w.level, supervisor.Urgent)
	case supervisor.Spawned:
		if r := w.runs[ev.Run]; r != nil && !r.failed && !r.spawned {
			r.spawned, r.spawnedAt, r.late = true, now, w.down
			if r.lost {
				w.mustKill = append(w.mustKill, r)
			}
		}
	case supervisor.SpawnFailed:
		if r := w.runs[ev.Run]; r != nil && !r.spawned {
			r.failed = true
		}
	case supervisor.BecameReady:
		if r := w.runs[ev.Run]; r != nil {
			r.probing = false
		}
	case supervisor.Exited:
		if r := w.runs[ev.Run]; r != nil && r.spawned && !r.exited {
			r.exited, r.exitedAt, r.exit, r.unasked = true, now, ev.Exit, !r.asked
			r.empty = ev.Left == 0
		}
	case supervisor.Gone:
		if r := w.runs[ev.Run]; r != nil && r.exited {
			r.gone = true
		}
	case supervisor.HookEnded:
		if h := w.hooks[ev.Run]; h != nil {
			h.ended = true
		}
	case supervisor.HealthFailed:
		w.healthFailed(ev)
	case supervisor.HealthWorks:
		w.healthWorks(ev)
	case supervisor.Surveyed:
		w.surveyAnswered(ev)
	case supervisor.Quiesced:
		if r := w.runs[ev.Run]; r != nil {
			r.drain.quiescing = false
		}
	case supervisor.BecameDrained:
		w.watchAnswered(ev.Run, forDrained)
	case supervisor.Settled:
		w.watchAnswered(ev.Run, forSettled)
	case supervisor.Cut:
		if r := w.last[ev.Inst]; r != nil && r.run == ev.Run {
			w.cuts++
		}
	case supervisor.Lingered:
		w.linger.over = w.linger.over || w.linger.came && len(ev.Left) == 0
	case supervisor.Swept:
		w.left, w.counted = ev.Left, true
	case supervisor.Operate:
		w.ops.asked = append(w.ops.asked, ev)
	case supervisor.Reload:
		w.ops.asked = append(w.ops.asked, supervisor.Operate{
			Op: ev.Op, Operation: supervisor.Operation{Verb: supervisor.VerbReload},
		})
	case supervisor.Begin, supervisor.Tick:
	}
}

// interrupt counts presses: the first asks, each later one that is no bounce of the last raises the level.
func (w *witness) interrupt() {
	bounce := w.pressed && w.now-w.pressedAt <= 250*ms
	w.pressed, w.pressedAt = true, w.now
	if !w.asked && !w.down {
		w.asked = true
		return
	}
	if !bounce && w.level < supervisor.Forced {
		w.level++
	}
}

// action judges one action, before the kernel performs it.
func (w *witness) action(a supervisor.Action) {
	if w.finished {
		w.failf("rule: %T after Finish", a)
	}
	switch a := a.(type) {
	case supervisor.Spawn:
		w.onSpawn(a)
	case supervisor.Cancel:
		r := w.known(a.Inst, a.Run, "Cancel")
		if r.spawned || r.failed || r.cancelled {
			w.failf("rule: Cancel of %s, which was answered or cancelled before", w.name(a.Inst))
		}
		r.cancelled = true
	case supervisor.Probe:
		w.living(a.Inst, a.Run, "Probe").probing = true
	case supervisor.StopProbe:
		r := w.known(a.Inst, a.Run, "StopProbe")
		if !r.probing {
			w.failf("rule: StopProbe of %s, which is not probed", w.name(a.Inst))
		}
		r.probing = false
	case supervisor.CheckHealth:
		w.onCheckHealth(a)
	case supervisor.StopHealth:
		w.onStopHealth(a)
	case supervisor.Signal:
		if w.inviting {
			w.inviting = false
			w.onInvite(a.Inst, a.Run, supervisor.Invite{Signal: a.Signal})
			return
		}
		w.onSignal(a)
	case supervisor.StopCommand:
		r := w.living(a.Inst, a.Run, "StopCommand")
		w.number(a.Hook)
		w.hooks[a.Hook] = &hookRun{of: r}
		w.stopStep(r, "StopCommand", false)
	case supervisor.Kill:
		w.onKill(a)
	case supervisor.Forget:
		w.onForget(a)
	case supervisor.RunHook:
		w.onHook(a)
	case supervisor.StopHook:
		w.onStopHook(a)
	case supervisor.Survey:
		w.onSurvey(a)
	case supervisor.Quiesce:
		w.onQuiesce(a)
	case supervisor.Unquiesce:
		w.onUnquiesce(a)
	case supervisor.Send:
		w.onSend(a)
	case supervisor.DrainCommand:
		w.onDrainCommand(a)
	case supervisor.Watch:
		w.onWatch(a)
	case supervisor.Settle:
		w.onSettle(a)
	case supervisor.StopWatch:
		w.onStopWatch(a)
	case supervisor.Linger:
		w.onLinger()
	case supervisor.Sweep:
		w.swept = w.swept || a.Signal == syscall.SIGKILL
		if w.said == supervisor.Forced && a.Signal != syscall.SIGKILL {
			w.failf("impatience: a sweep with %v in a forced shutdown", a.Signal)
		}
	case supervisor.Say:
		w.report(a.Report)
	case supervisor.Finish:
		w.finished, w.outcome = true, a.Outcome
		w.checkLinger()
	}
}

// number holds that numbers rise and are never used twice.
func (w *witness) number(n supervisor.Run) {
	if n <= w.top {
		w.failf("rule: run number %d is not above %d", n, w.top)
	}
	w.top = n
}

// known finds the run that an action speaks of.
func (w *witness) known(i supervisor.Inst, n supervisor.Run, what string) *run {
	r := w.runs[n]
	switch {
	case r == nil || r.inst != i:
		w.failf("rule: %s of run %d, which is none of %s", what, n, w.name(i))
		return &run{inst: i, run: n}
	case r.failed || r.gone:
		w.failf("rule: %s of run %d of %s, which is over", what, n, w.name(i))
	}
	return r
}

// living is known for actions that need a process.
func (w *witness) living(i supervisor.Inst, n supervisor.Run, what string) *run {
	r := w.known(i, n, what)
	if !r.spawned || r.exited {
		w.failf("rule: %s of run %d of %s, whose main process does not live", what, n, w.name(i))
	}
	return r
}

// begin opens the books of a run, at its pre_start hook or at its Spawn.
func (w *witness) begin(i supervisor.Inst, n supervisor.Run) *run {
	if r := w.runs[n]; r != nil {
		if r.inst != i || r.spawn || r.gone {
			w.failf("rule: run %d of %s is begun a second time", n, w.name(i))
		}
		return r
	}
	w.number(n)
	if old := w.last[i]; old != nil && old.alive() {
		w.failf("G2: run %d of %s begins while run %d lives", n, w.name(i), old.run)
	}
	r := &run{inst: i, run: n, hooks: make(map[supervisor.HookKind]*hookRun)}
	w.runs[n], w.last[i] = r, r
	w.ordered = append(w.ordered, r)
	if w.now < w.restarts[i].due {
		w.failf("restart: %s starts again %v too early", w.name(i), w.restarts[i].due-w.now)
	}
	if !w.started[i] || w.states[i] == supervisor.Waiting {
		w.started[i] = true
		w.checkNeeds(i)
	}
	return r
}

func (w *witness) onSpawn(a supervisor.Spawn) {
	if w.down || w.ops.leaving[a.Inst] {
		w.failf("G4: Spawn of %s, which is to leave", w.name(a.Inst))
	}
	if r := w.last[a.Inst]; r != nil && r.lost && !r.gone {
		w.failf("rule: %s is started again although it was lost", w.name(a.Inst))
	}
	r := w.begin(a.Inst, a.Run)
	r.spawn = true
	if spec := w.spec(a.Inst); spec.Hooks[supervisor.PreStart] > 0 && !r.preStart {
		w.failf("hooks: %s is spawned without its pre_start", w.name(a.Inst))
	}
	if w.running(r, supervisor.PreStart) {
		w.failf("hooks: %s is spawned while its pre_start runs", w.name(a.Inst))
	}
}

// running says whether a hook of the kind runs for the run.
func (w *witness) running(r *run, kind supervisor.HookKind) bool {
	h := r.hooks[kind]
	return h != nil && h.live()
}

func (w *witness) onSignal(a supervisor.Signal) {
	if a.Scope == supervisor.Leader {
		r := w.living(a.Inst, a.Run, "Signal")
		if w.spec(a.Inst).Hooks[supervisor.PreStop] > 0 && !w.plan.squeezed() && w.said == supervisor.Orderly &&
			(w.down || w.ops.leaving[a.Inst]) && !r.toldUp && r.hooks[supervisor.PreStop] == nil {
			w.failf("hooks: %s gets its signal without its pre_stop", w.name(a.Inst))
		}
		w.stopStep(r, "Signal", false)
		return
	}
	r := w.known(a.Inst, a.Run, "Signal")
	if !r.exited {
		w.failf("rule: Signal to the rest of %s, whose main process lives", w.name(a.Inst))
	}
	r.rest = r.rest || !r.told
	w.stopStep(r, "Signal to the rest", false)
}

func (w *witness) onKill(a supervisor.Kill) {
	r := w.known(a.Inst, a.Run, "Kill")
	if r.lost && !r.spawned {
		w.failf("rule: Kill of %s, which was lost and never spawned", w.name(a.Inst))
	}
	w.checkGrace(r)
	w.stopStep(r, "Kill", true)
}

func (w *witness) onForget(a supervisor.Forget) {
	r := w.known(a.Inst, a.Run, "Forget")
	if !r.killed {
		w.failf("rule: %s is lost without SIGKILL", w.name(a.Inst))
	}
	if !r.lost {
		w.failf("rule: %s is forgotten without being declared lost", w.name(a.Inst))
	}
	if r.forgotten {
		w.failf("rule: %s is forgotten a second time", w.name(a.Inst))
	}
	r.forgotten = true
}
