package supervisor

import (
	"fmt"
	"time"

	"lastout/ordering"
)

// quiesceTime is how long turning new connections away may take: a second until the accept queues are empty and no
// handshake is half open, and a quarter to see to the listeners.
const quiesceTime = 1250 * time.Millisecond

// drainPart is what the drain of an instance is at. Each part is passed over where it is not configured:
//
//	pre_drain hook -> quiesce -> invite -> watch -> drained
//
// Only gateways are quiesced.
//
// An invitation is no stop step: who is invited may leave by itself, and nobody need have left before it.
type drainPart uint8

const (
	notDraining drainPart = iota
	preDraining           // the pre_drain hook runs
	quiescing
	inviting // the drain command runs
	watching
)

// drain invites a gateway's instance to finish, while its workers still serve. All instances of a process share the
// time that its step has, one that is spawned while the others drain included.
func (m *Machine) drain(i *instance) {
	spec := &i.proc.spec
	bound, hook := spec.Hooks[PreDrain]
	if !hook && !spec.Drain.Wanted() {
		m.drained(i, "")
		return
	}
	i.asked, i.reason = true, i.errand
	i.drainBy = m.out.drainBy(i.proc.id, i.proc.drained.at)
	m.enter(i, Draining, "", i.drainBy)
	if hook {
		m.preDrain(i, bound)
		return
	}
	m.beginDrain(i)
}

func (m *Machine) preDrain(i *instance, bound Instant) {
	i.part = preDraining
	m.setDeadline(i, min(i.drainBy, m.after(bound)))
	m.startHook(i, PreDrain)
}

// beginDrain begins what drain.timeout bounds, when the pre_drain hook is over.
func (m *Machine) beginDrain(i *instance) {
	i.drainBy = min(i.drainBy, m.after(i.proc.spec.Drain.time()))
	if i.proc.spec.Role == ordering.Gateway {
		m.drainOn(i, quiescing)
		return
	}
	m.drainOn(i, inviting)
}

// inviteOut lets one who is no gateway finish what it has in hand, at its turn to leave, and then tells it to stop.
func (m *Machine) inviteOut(i *instance) {
	d := &i.proc.spec.Drain
	bound, hook := i.proc.spec.Hooks[PreDrain]
	if i.proc.spec.Role == ordering.Gateway || !hook && !d.Wanted() || i.finished || !m.mayFinish(i) {
		m.tell(i)
		return
	}
	i.drainBy = m.partBy(i, min(m.after(plus(bound, d.time())), m.out.inviteBy(i.proc.id, m.now)))
	m.enter(i, Draining, i.whyStop(), i.drainBy)
	if hook {
		m.preDrain(i, bound)
		return
	}
	m.beginDrain(i)
}

// mayFinish says whether an instance whose turn to leave has come gets the time to finish something before it is told:
// it lives, was ready to serve, nobody told it to stop before, and there is no hurry.
func (m *Machine) mayFinish(i *instance) bool {
	return m.level == Orderly && m.itIsTurnOf(i) && i.exit == nil && i.step == 0 && i.fault == ""
}

// itIsTurnOf says whether an instance is to leave, and its turn has come.
func (m *Machine) itIsTurnOf(i *instance) bool { return i.course == goes && i.proc.turn.came }

// hastenDrain fits a gateway's drain that began before into the time that its step has.
func (m *Machine) hastenDrain(i *instance) {
	i.drainBy = min(i.drainBy, m.out.drainBy(i.proc.id, m.now))
	m.setDeadline(i, min(i.deadline, i.drainBy))
}

// hastenInvited does so for one who is no gateway and finishes what it has in hand since before its turn came.
func (m *Machine) hastenInvited(i *instance) {
	i.drainBy = min(i.drainBy, m.partBy(i, m.out.inviteBy(i.proc.id, m.now)))
	m.setDeadline(i, min(i.deadline, i.drainBy))
}

// drainOn goes on with a drain: with the given part, or with the first behind it that there is.
func (m *Machine) drainOn(i *instance, part drainPart) {
	d := &i.proc.spec.Drain
	i.part = part
	switch {
	case d.Wanted() && m.now >= i.drainBy:
		m.drainLate(i)
	case part <= quiescing && d.Quiesce && !(i.proc.spec.Held && i.comesBack()):
		m.quiesce(i)
	case part <= inviting && d.Invite != (Invite{}):
		m.invite(i)
	case d.Until != UntilNothing:
		i.part, i.watched = watching, true
		m.setDeadline(i, i.drainBy)
		m.do(Watch{Inst: i.inst(), Run: i.run})
	default:
		m.drained(i, "")
	}
}

func (m *Machine) quiesce(i *instance) {
	i.part, i.quiesced = quiescing, true
	m.setDeadline(i, min(i.drainBy, m.after(quiesceTime)))
	r := i.report(KindQuiesce)
	r.PID, r.Bound = i.pid, m.rest(i.deadline)
	m.say(r)
	m.do(Quiesce{Inst: i.inst(), Run: i.run})
}

// quiesceOver goes on when new connections are turned away, or when nobody knows.
func (m *Machine) quiesceOver(i *instance, how string) {
	r := i.report(KindQuiesce)
	r.PID, r.Step, r.Cause = i.pid, 1, how
	m.say(r)
	m.drainOn(i, inviting)
}

func (m *Machine) quiesced(ev Quiesced) {
	if i := m.find(ev.Inst, ev.Run); i != nil && i.state == Draining && i.part == quiescing {
		m.quiesceOver(i, ev.How)
	}
}

// invite asks the program itself to finish.
func (m *Machine) invite(i *instance) {
	invite := i.proc.spec.Drain.Invite
	i.invited = true
	r := i.report(KindInvite)
	r.PID, r.Signal, r.Bound = i.pid, invite.Signal, m.rest(i.drainBy)
	if invite.Command > 0 {
		i.part = inviting
		m.setDeadline(i, min(i.drainBy, m.after(invite.Command)))
		h := &hook{run: m.newRun(), inst: i, drains: true}
		m.hooks[h.run], i.hook = h, h
		r.Signal, r.HookRun, r.Bound = 0, h.run, m.rest(i.deadline)
		m.say(r)
		m.do(DrainCommand{Inst: i.inst(), Run: i.run, Hook: h.run})
		return
	}
	m.say(r)
	m.do(Signal{Inst: i.inst(), Run: i.run, Signal: invite.Signal, Scope: Leader})
	m.drainOn(i, watching)
}

func (m *Machine) becameDrained(ev BecameDrained) {
	if i := m.find(ev.Inst, ev.Run); i != nil && i.state == Draining && i.watched {
		i.watched = false // the watch ended with its answer
		m.drained(i, ev.Why)
	}
}

// drainDue is when a part of a drain has reached its bound.
func (m *Machine) drainDue(i *instance) {
	switch i.part {
	case preDraining:
		m.hookOverdue(i)
	case quiescing:
		m.quiesceOver(i, fmt.Sprintf("no answer within %v", rounded(min(quiesceTime, m.now-i.since))))
	case inviting:
		m.inviteLate(i)
	case watching:
		m.drainLate(i)
	case notDraining:
		panic("supervisor: " + i.name + " drains, and nothing is done for it")
	}
}

// inviteLate gives a drain command up that takes longer than its bound. What it began to do is waited for all the same.
func (m *Machine) inviteLate(i *instance) {
	if m.now < i.drainBy {
		m.note(i, fmt.Sprintf("drain command failed: it took longer than %v", rounded(i.proc.spec.Drain.Invite.Command)))
		m.stopHook(i, "")
	}
	m.drainOn(i, watching)
}

// drainLate ends a drain whose time is over.
func (m *Machine) drainLate(i *instance) {
	late := fmt.Sprintf("not drained within %v", rounded(m.now-i.since))
	if i.proc.spec.Role != ordering.Gateway {
		m.note(i, late)
	}
	i.watched = i.watched || i.quiesced // it may not have come to the watch: who is not answered is told of all the same
	m.drained(i, late)
}

// drained ends a drain. A gateway then waits until its workers have left; others are told to stop.
func (m *Machine) drained(i *instance, why string) {
	m.stopDrain(i, why)
	if i.proc.spec.Role != ordering.Gateway {
		i.finished = true
		m.tell(i)
		return
	}
	m.enter(i, Drained, why, i.whenGone())
}

// stopDrain ends whatever runs for a drain or for settling.
func (m *Machine) stopDrain(i *instance, why string) {
	m.stopWatch(i)
	m.stopHook(i, why)
	i.part = notDraining
}

func (m *Machine) stopWatch(i *instance) {
	if i.watched {
		i.watched = false
		m.do(StopWatch{Inst: i.inst(), Run: i.run})
	}
}

// settleOut gives a gateway whose workers are gone the time to push its last bytes out.
func (m *Machine) settleOut(i *instance) {
	bound := i.proc.spec.Drain.Settle
	if i.proc.spec.Role != ordering.Gateway || bound <= 0 || i.proc.silent || i.prepared || !m.mayFinish(i) {
		m.prepare(i)
		return
	}
	m.enter(i, Settling, i.whyStop(), m.partBy(i, min(m.after(bound), m.out.settleBy(i.proc.id, m.now))))
	i.watched = true
	m.do(Settle{Inst: i.inst(), Run: i.run})
}

func (m *Machine) settled(ev Settled) {
	if i := m.find(ev.Inst, ev.Run); i != nil && i.state == Settling && i.watched {
		i.watched = false
		m.prepare(i)
	}
}

// partBy bounds a part of a leaving that comes before the stop steps: where the spawn came late and took of the time,
// they shall still have theirs.
func (m *Machine) partBy(i *instance, until Instant) Instant {
	if i.killAt == never {
		return until
	}
	return min(until, max(m.now, i.killAt-i.stepsLeft()))
}

// cut passes on which connections were cut off, and what happened to their instance then.
func (m *Machine) cut(ev Cut) {
	i := m.find(ev.Inst, ev.Run)
	if i == nil || !i.ran || len(ev.Connections) == 0 {
		return
	}
	r := i.report(KindCut)
	r.State, r.Step, r.Connections = i.state, i.step, ev.Connections
	if !i.state.Alive() {
		r.State = i.ended
	}
	r.PID, r.Cause = i.pid, i.whyCut(r.State)
	m.say(r)
}

// unanswered passes on who still waited for an answer when a drain was over.
func (m *Machine) unanswered(ev Unanswered) {
	i := m.find(ev.Inst, ev.Run)
	if i == nil || len(ev.Connections) == 0 {
		return
	}
	r := i.report(KindUnanswered)
	r.PID, r.Connections = i.pid, ev.Connections
	m.say(r)
}

// whyCut says by whom connections were cut off.
func (i *instance) whyCut(s State) string {
	switch s {
	case Killing:
		return "SIGKILL"
	case Stopping:
		return fmt.Sprintf("stop step %d", i.step)
	case Draining, Drained:
		return "left during its drain"
	case Settling, InPreStop, Remains:
		return "left by itself before its stop steps"
	case Starting, Running, InPostStart, Ready:
		return "left by itself"
	case Off, Waiting, InPreStart, InPostStop, InBackoff, Done, Failed, Stopped, Lost:
	}
	panic("supervisor: " + i.name + " lived in state " + string(s))
}

// drainsFor is for what the drain of an instance, or its settling, waits; empty where a hook says enough.
func (i *instance) drainsFor() string {
	if i.state == Settling {
		return i.name + " settles: waits for its last bytes to be sent"
	}
	if i.state != Draining {
		return ""
	}
	what := ""
	switch i.part {
	case quiescing:
		what = "new connections to be turned away"
	case inviting:
		what = "its drain command"
	case watching:
		what = i.proc.spec.Drain.Until.whatFor()
	case preDraining, notDraining:
		return ""
	}
	return i.name + " drains: waits for " + what
}

// whatFor is what a watch waits for.
func (u Until) whatFor() string {
	switch u {
	case UntilExit:
		return "its exit"
	case UntilQuiet:
		return "its answers to be sent"
	case UntilConnections:
		return "its connections"
	case UntilProbe:
		return "its drain probe"
	case UntilNothing:
	}
	panic(fmt.Sprintf("supervisor: nothing is waited for by %d", u))
}
