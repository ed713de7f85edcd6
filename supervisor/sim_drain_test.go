package supervisor_test

import (
	"math/rand/v2"
	"syscall"

	"lastout/ordering"
	"lastout/supervisor"
)

// drawDrain draws how an instance finishes what it has in hand. Only gateways are quiesced and settle, whatever is
// configured for others.
func (p *plan) drawDrain(i int, role ordering.Role) (d supervisor.Drain) {
	r := stream(p.seed, forDrain, p.orig[i])
	percent := 15
	if role == ordering.Gateway {
		percent = 60
		d.Settle = pick(r, 0, 0, 50*ms, s)
	} else if chance(r, 5) {
		d.Settle = s
	}
	if wanted := chance(r, percent); wanted {
		d.Quiesce = chance(r, 60)
		d.Invite = pick(r, supervisor.Invite{}, supervisor.Invite{Signal: syscall.SIGQUIT},
			supervisor.Invite{Signal: syscall.SIGTSTP}, supervisor.Invite{Command: pick(r, 10*ms, s, 20*s)})
		d.Until = pick(r, supervisor.UntilNothing, supervisor.UntilExit, supervisor.UntilExit, supervisor.UntilQuiet,
			supervisor.UntilConnections, supervisor.UntilProbe)
		d.Timeout = pick(r, 10*ms, 100*ms, s, 2*s, 10*s)
		d.Listens = role == ordering.Gateway && chance(r, 50)
	}
	if p.cut.has(cutDrains) {
		return supervisor.Drain{}
	}
	return d
}

// skipDrains lets some gateways that have nothing to do for their drain say so.
func (p *plan) skipDrains() {
	for i := range p.nodes {
		spec := &p.specs[i]
		idle := spec.Role == ordering.Gateway && spec.Hooks[supervisor.PreDrain] == 0 && !spec.Drain.Wanted()
		if half := chance(stream(p.seed, forDrain, p.orig[i], 1), 50); idle && half && !p.cut.has(cutDrains) {
			p.nodes[i].NoDrain = true
		}
	}
}

// drainStream gives the random numbers for a run's part in its drain.
func (k *kernel) drainStream(run supervisor.Run, part uint64) *rand.Rand {
	return stream(k.plan.seed, forDrain, uint64(run), 2, part)
}

// quiesce is answered at once, late or never, and now and then a second time.
func (k *kernel) quiesce(a supervisor.Quiesce) {
	r := k.drainStream(a.Run, 0)
	takes := pick(r, 0, upTo(r, ms), upTo(r, 100*ms), upTo(r, 100*ms), upTo(r, 3*s), never)
	answer := func() supervisor.Event { return supervisor.Quiesced{Inst: a.Inst, Run: a.Run, How: "filter"} }
	k.after(takes, answer)
	if takes != never && chance(r, 10) {
		k.after(takes+upTo(r, 3*s), answer)
	}
}

// invited is the effect of an invitation: some leave, in whatever way.
func (k *kernel) invited(c *child) {
	r := k.drainStream(c.run, 1)
	leaves := pick(r, never, never, upTo(r, 10*ms), upTo(r, s), upTo(r, 10*s))
	exit := pick(r, supervisor.Exit{}, supervisor.Exit{}, supervisor.Exit{Code: 1},
		supervisor.Exit{Signal: syscall.SIGSEGV, Core: true})
	k.after(leaves, func() supervisor.Event { return k.die(c, exit) })
}

// watch looks whether a run is drained, or has settled. It does not know of the run's end, so that its answer may come
// after that; so may one that is on its way when the watch is ended.
func (k *kernel) watch(run supervisor.Run, part uint64, answer supervisor.Event) {
	r := k.drainStream(run, part)
	c := k.children[run]
	c.watches++
	mine := c.watches
	k.after(pick(r, 0, upTo(r, 10*ms), upTo(r, s), upTo(r, s), upTo(r, 10*s), never), func() supervisor.Event {
		if c.watches != mine && c.body.heeds {
			return nil
		}
		return answer
	})
}

// cutOff tells now and then that connections were cut off when a run ended.
func (k *kernel) cutOff(c *child) {
	r := k.drainStream(c.run, 4)
	if told := chance(r, 10); told && !k.plan.cut.has(cutDrains) {
		k.after(pick(r, 0, 0, upTo(r, 100*ms)), func() supervisor.Event {
			return supervisor.Cut{Inst: c.inst, Run: c.run, Connections: []supervisor.Connection{{Peer: "192.0.2.1:4711"}}}
		})
	}
}

// stopWatch ends a watch, and tells now and then who still waits.
func (k *kernel) stopWatch(a supervisor.StopWatch) {
	k.children[a.Run].watches++
	if k.plan.cut.has(cutDrains) || !chance(k.drainStream(a.Run, 5), 30) {
		return
	}
	k.after(0, func() supervisor.Event {
		return supervisor.Unanswered{Inst: a.Inst, Run: a.Run, Connections: []supervisor.Connection{{Peer: "192.0.2.1:4711"}}}
	})
}

// linger says who is owed something, and later that nobody is; or nothing.
func (k *kernel) linger() {
	r := stream(k.plan.seed, forDrain, 3)
	if chance(r, 70) {
		k.after(0, func() supervisor.Event { return supervisor.Lingered{Left: []string{"192.0.2.1:4711"}} })
	}
	k.after(pick(r, 0, upTo(r, 10*ms), upTo(r, 2*s), never), func() supervisor.Event { return supervisor.Lingered{} })
}

// drainBook is what the witness keeps of the drain of a run.
type drainBook struct {
	from      supervisor.Instant // when the first part that drain.timeout bounds began
	began     bool
	quiesced  bool // was asked to be
	quiescing bool // and that is neither answered nor out of time
	invited   bool
	command   *hookRun
	commandAt supervisor.Instant
	watch     watchKind // that goes on
	watched   bool      // there was one, or the time was over before it
	answered  bool      // a Watch was
	settled   bool      // a Settle was asked for
	settleAt  supervisor.Instant
}

// watchKind is what a run is watched for.
type watchKind string

const (
	forDrained watchKind = "drain"
	forSettled watchKind = "settle"
)

// drainPart judges the begin of a part of a drain: the run lives and serves, nobody told it to stop, its time has come,
// and what comes before the part is over.
func (w *witness) drainPart(i supervisor.Inst, n supervisor.Run, what string) *run {
	r := w.living(i, n, what)
	kind, hook := ordering.Leave, supervisor.PreStop
	if w.spec(i).Role == ordering.Gateway {
		kind, hook = ordering.Drain, supervisor.PreDrain
	}
	if w.states[i] != supervisor.Draining || w.entered[i] == w.departures { // else it drained before more were to leave
		w.checkTurn(what, i, kind)
		if kind == ordering.Drain {
			w.checkOuter(i, what)
		}
	}
	switch {
	case !w.down && !w.ops.leaving[i] && !w.ops.draining[i] || w.said != supervisor.Orderly:
		w.failf("drain: %s of %s, in a shutdown: %v, of level %v", what, w.name(i), w.down, w.said)
	case r.told || r.drain.watch != "":
		w.failf("drain: %s of %s, told before: %v, watched: %q", what, w.name(i), r.told, r.drain.watch)
	case w.unhooked(r, hook) || w.unhooked(r, supervisor.PreDrain):
		w.failf("drain: %s of %s before its hooks are over", what, w.name(i))
	}
	if !r.drain.began {
		r.drain.began, r.drain.from = true, w.now
	}
	r.asked = true
	return r
}

// unhooked says whether a hook that a run has is not over.
func (w *witness) unhooked(r *run, kind supervisor.HookKind) bool {
	return w.spec(r.inst).Hooks[kind] > 0 && (r.hooks[kind] == nil || r.hooks[kind].live())
}

// checkOuter holds that work is turned away from the edge inward: by a gateway only when those that need it, directly
// or not, have drained.
func (w *witness) checkOuter(i supervisor.Inst, what string) {
	for p := range w.plan.nodes {
		if p == int(i.Proc) || !w.plan.order.needsAtAll(p, int(i.Proc)) {
			continue
		}
		for _, outer := range w.there[ordering.ID(p)] {
			drains := w.states[outer] == supervisor.Draining && w.spec(outer).Role == ordering.Gateway
			if drains || w.undrained(outer) {
				w.failf("drain: %s of %s before its outer gateway %s has drained", what, w.name(i), w.name(outer))
			}
		}
	}
}

// needsAtAll says whether i depends on j, over others or not.
func (o *order) needsAtAll(i, j int) bool {
	for _, d := range o.needs[i] {
		if d == j || o.needsAtAll(d, j) {
			return true
		}
	}
	return false
}

func (w *witness) onQuiesce(a supervisor.Quiesce) {
	r := w.drainPart(a.Inst, a.Run, "Quiesce")
	if r.drain.quiesced || r.drain.invited || !w.spec(a.Inst).Drain.Quiesce || w.spec(a.Inst).Role != ordering.Gateway {
		w.failf("drain: Quiesce of %s out of place: %+v", w.name(a.Inst), r.drain)
	}
	r.drain.quiesced, r.drain.quiescing = true, true
}

// quiesceTime is how long a gateway is waited for to turn new connections away.
const quiesceTime = 1250 * ms

// afterQuiesce holds that a part of a drain comes behind the quiesce, and not before that is answered or out of time.
func (w *witness) afterQuiesce(r *run, what string) {
	gateway := w.spec(r.inst).Role == ordering.Gateway
	if w.spec(r.inst).Drain.Quiesce && gateway && !r.drain.quiesced {
		w.failf("drain: %s of %s, which was not quiesced", what, w.name(r.inst))
	}
	if r.drain.quiescing && w.now < r.drain.from+quiesceTime {
		w.failf("drain: %s of %s before it was quiesced", what, w.name(r.inst))
	}
	r.drain.quiescing = false
}

// onInvite judges an invitation by signal or command. It is no stop step: nobody need have left before it.
func (w *witness) onInvite(i supervisor.Inst, n supervisor.Run, how supervisor.Invite) {
	r := w.drainPart(i, n, "invitation")
	w.afterQuiesce(r, "invitation")
	if r.drain.invited || how != w.spec(i).Drain.Invite {
		w.failf("drain: %s is invited by %+v, a second time: %v", w.name(i), how, r.drain.invited)
	}
	r.drain.invited = true
}

func (w *witness) onDrainCommand(a supervisor.DrainCommand) {
	w.onInvite(a.Inst, a.Run, supervisor.Invite{Command: w.spec(a.Inst).Drain.Invite.Command})
	w.number(a.Hook)
	h := &hookRun{of: w.runs[a.Run]}
	w.hooks[a.Hook] = h
	if r := w.runs[a.Run]; r != nil {
		r.drain.command, r.drain.commandAt = h, w.now
	}
}

func (w *witness) onWatch(a supervisor.Watch) {
	r := w.drainPart(a.Inst, a.Run, "Watch")
	w.afterQuiesce(r, "Watch")
	d := w.spec(a.Inst).Drain
	if d.Until == supervisor.UntilNothing || r.drain.invited != (d.Invite != supervisor.Invite{}) {
		w.failf("drain: Watch of %s out of place: %+v", w.name(a.Inst), r.drain)
	}
	if c := r.drain.command; c != nil && c.live() {
		w.failf("drain: Watch of %s while its drain command runs", w.name(a.Inst))
	} else if c != nil && c.stopped && w.now < r.drain.commandAt+d.Invite.Command {
		w.failf("drain: the drain command of %s was ended before its bound", w.name(a.Inst))
	}
	r.drain.watch, r.drain.watched = forDrained, true
}

// onSettle judges the begin of settling: it is the gateway's turn, and all who leave before it have left.
func (w *witness) onSettle(a supervisor.Settle) {
	r := w.living(a.Inst, a.Run, "Settle")
	w.checkTurn("Settle", a.Inst, ordering.Leave)
	switch d := &r.drain; {
	case w.said != supervisor.Orderly || !w.down && !w.ops.leaving[a.Inst] || r.told || r.hooks[supervisor.PreStop] != nil:
		w.failf("settle: %s settles, told before: %v, level %v", w.name(a.Inst), r.told, w.said)
	case d.settled || d.watch != "" || w.spec(a.Inst).Drain.Settle == 0 || w.spec(a.Inst).Role != ordering.Gateway:
		w.failf("settle: %s settles out of place: %+v", w.name(a.Inst), r.drain)
	}
	for _, other := range w.ordered {
		if w.plan.order.before[other.inst.Proc][a.Inst.Proc] && other.alive() && (w.down || w.ops.leaving[other.inst]) {
			w.failf("settle: %s settles while run %d of %s lives", w.name(a.Inst), other.run, w.name(other.inst))
		}
	}
	r.asked = true
	r.drain.settled, r.drain.watch, r.drain.settleAt = true, forSettled, w.now
}

func (w *witness) onStopWatch(a supervisor.StopWatch) {
	r := w.known(a.Inst, a.Run, "StopWatch")
	if r.drain.watch == "" && (!r.drain.quiesced || r.drain.watched) {
		w.failf("drain: StopWatch of %s, which is not watched: %+v", w.name(a.Inst), r.drain)
	}
	r.drain.watch, r.drain.watched = "", true
}

// watchAnswered takes in an answer that the machine shall heed.
func (w *witness) watchAnswered(n supervisor.Run, kind watchKind) {
	if r := w.runs[n]; r != nil && r.drain.watch == kind {
		r.drain.watch = ""
		r.drain.answered = r.drain.answered || kind == forDrained
	}
}

// checkFinished holds, at the first stop step of a run, that it got what is configured for it to finish: a gateway its
// settling, others their own drain.
func (w *witness) checkFinished(r *run) {
	spec := w.spec(r.inst)
	if !w.down || w.said != supervisor.Orderly || r.exited || r.upAsked || !r.spawned {
		return
	}
	if spec.Role == ordering.Gateway {
		if spec.Drain.Settle > 0 && !r.drain.settled && !r.late && !w.survey.silent[r.inst.Proc] {
			w.failf("settle: %s is told to stop before it has settled", w.name(r.inst))
		}
		return
	}
	if w.plan.squeezed() || r.late {
		return
	}
	if w.unhooked(r, supervisor.PreDrain) && w.lateness == 0 {
		w.failf("drain: %s is told to stop before its pre_drain hook is over", w.name(r.inst))
	}
	if spec.Drain.Wanted() {
		w.checkDrainDone(r, "told to stop")
	}
}

// checkDrainDone holds that the drain of a run was gone through to its end, or to that of its time.
func (w *witness) checkDrainDone(r *run, what string) {
	d, b := w.spec(r.inst).Drain, &r.drain
	gateway := w.spec(r.inst).Role == ordering.Gateway
	begins := gateway && d.Quiesce || d.Invite != supervisor.Invite{} || d.Until != supervisor.UntilNothing
	switch {
	case !begins: // a quiesce is for gateways alone
	case !b.began && w.lateness >= d.Timeout: // a hook before it that came late took all of its time
	case !b.began:
		w.failf("drain: %s although %s was not drained", what, w.name(r.inst))
	case w.now+w.lateness >= b.from+d.Timeout: // or some of it
	case gateway && d.Quiesce && !b.quiesced, d.Invite != supervisor.Invite{} && !b.invited,
		d.Until != supervisor.UntilNothing && !b.answered:
		w.failf("drain: %s although %s drains for %v of %v: %+v", what, w.name(r.inst), w.now-b.from, d.Timeout, *b)
	}
}

// checkDrainGoes holds what must be true of the drain of a living run at every moment.
func (w *witness) checkDrainGoes(r *run) {
	state, d, b := w.states[r.inst], w.spec(r.inst).Drain, &r.drain
	drains, settles := state == supervisor.Draining, state == supervisor.Settling
	switch {
	case b.watch == forDrained && !drains, b.watch == forSettled && !settles, b.watch != "" && r.exited:
		w.failf("drain: the watch of %s was not ended, it is %s", w.name(r.inst), state)
	case b.command != nil && b.command.live() && !drains:
		w.failf("drain: the drain command of %s runs on, it is %s", w.name(r.inst), state)
	case b.command != nil && b.command.live() && w.now > b.commandAt+d.Invite.Command+late:
		w.failf("time: the drain command of %s runs for %v, it has %v", w.name(r.inst), w.now-b.commandAt, d.Invite.Command)
	case (drains || settles) && w.said != supervisor.Orderly && !r.exited:
		w.failf("impatience: %s is %s", w.name(r.inst), state)
	case drains && b.began && w.now > b.from+d.Timeout+late && !r.exited:
		w.failf("time: %s drains for %v, drain.timeout is %v", w.name(r.inst), w.now-b.from, d.Timeout)
	case drains && b.quiescing && w.now > b.from+quiesceTime+late:
		w.failf("time: %s is waited for %v to turn connections away", w.name(r.inst), w.now-b.from)
	case settles && w.now > b.settleAt+d.Settle+late && !r.exited:
		w.failf("time: %s settles for %v, it has %v", w.name(r.inst), w.now-b.settleAt, d.Settle)
	}
}

// finishing says whether a run whose turn to leave has come still finishes what it has in hand.
func (w *witness) finishing(r *run) bool {
	state := w.states[r.inst]
	return state == supervisor.Settling || state == supervisor.Draining && w.spec(r.inst).Role != ordering.Gateway
}

// lingering is what the witness keeps of the stay for bytes that the kernel owes.
type lingering struct {
	at   supervisor.Instant
	came bool
	over bool
}

func (w *witness) onLinger() {
	if w.linger.came || w.plan.options.Linger == 0 || w.said != supervisor.Orderly {
		w.failf("linger: a second time: %v, at level %v", w.linger.came, w.said)
	}
	w.checkAllLeft("Linger")
	w.linger.came, w.linger.at = true, w.now
}

// checkLinger holds, at the end, that the stay was as long as it had to be, and not longer than it may.
func (w *witness) checkLinger() {
	most := w.plan.options.Linger
	switch stays := w.now - w.linger.at; {
	case w.said != supervisor.Orderly:
	case w.linger.came != (most > 0):
		w.failf("linger: it lingered: %v, configured is %v", w.linger.came, most)
	case w.linger.came && !w.linger.over && stays+w.lateness < most && !w.plan.squeezed():
		w.failf("linger: it is over after %v of %v, and bytes are still owed", stays, most)
	}
}
