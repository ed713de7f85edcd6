package supervisor

import (
	"fmt"
	"syscall"
	"time"

	"lastout/ordering"
)

// One way out serves every reason to stop: a shutdown, a run that never became ready, the leftovers of a crash.
//
//	leave -> settle -> pre_stop hook -> own drain -> tell -> nextStep ... -> kill -> lose
//
// with over (exit.go) as soon as the tree is empty.
//
// Between any two of its stop steps stands mayStop: whoever is on the way out already when more are to leave, or all,
// hears nothing more before it is its turn among them.

// leaving says whether an instance is somewhere on its way out.
func (i *instance) leaving() bool {
	switch i.state {
	case Remains, Settling, InPreStop, Stopping, Killing, InPostStop:
		return true
	case Off, Waiting, InPreStart, Starting, Running, InPostStart, Ready, Draining, Drained, InBackoff, Done, Failed,
		Stopped, Lost:
		return false
	}
	panic("supervisor: unknown state " + string(i.state))
}

// mayStop says whether a stop step may reach an instance now.
func (m *Machine) mayStop(i *instance) bool {
	return i.course != goes || i.proc.turn.came || m.level == Forced
}

// atOnce says whether an instance is killed where it would be told to stop.
func (m *Machine) atOnce(i *instance) bool {
	return m.level == Forced || m.level == Urgent && i.proc.spec.Role != ordering.Service
}

// leave shows an instance out.
func (m *Machine) leave(i *instance, reason string) {
	m.stopProbe(i)
	m.stopDrain(i, "the process is told to stop")
	if i.exit == nil {
		i.asked = true
	}
	if i.reason == "" {
		i.reason = reason
	}
	m.settleOut(i)
}

// prepare runs the pre_stop hook of one who is shown out.
func (m *Machine) prepare(i *instance) {
	if !m.mayStop(i) {
		m.remain(i)
		return
	}
	bound, ok := i.proc.spec.Hooks[PreStop]
	if !ok || i.exit != nil || i.prepared || m.level > Orderly {
		m.inviteOut(i)
		return
	}
	i.prepared = true
	until := m.after(bound)
	if i.course == goes {
		until = min(until, m.out.preStopBy(i.proc.id, m.now))
	}
	m.enter(i, InPreStop, i.whyStop(), m.partBy(i, until))
	m.startHook(i, PreStop)
}

// tell begins the stop steps, or goes on with them.
func (m *Machine) tell(i *instance) {
	switch {
	case !m.mayStop(i):
		m.remain(i)
	case m.atOnce(i):
		m.kill(i, m.level.String())
	default:
		if i.step == 0 {
			i.told = m.now
		}
		m.setKillAt(i)
		m.nextStep(i)
	}
}

// setKillAt works out when SIGKILL comes if the steps that are left do not help.
func (m *Machine) setKillAt(i *instance) {
	own := i.stepsLeft()
	if m.level == Urgent {
		own = min(own, m.opts.Reserve)
	}
	i.killAt = min(i.killAt, m.after(own))
	if i.course == goes {
		i.killAt = min(i.killAt, m.out.killAt(i.proc, m.now, own))
	}
	i.cut = i.killAt < m.after(own)
}

// stepsLeft is how long the stop steps that were not taken yet may take.
func (i *instance) stepsLeft() (own time.Duration) {
	for _, s := range i.proc.spec.Stop[i.step:] {
		own = plus(own, s.Timeout)
	}
	return own
}

// nextStep takes the next stop step, or kills where none is left or there is no time for it.
func (m *Machine) nextStep(i *instance) {
	steps := i.proc.spec.Stop
	switch {
	case !m.mayStop(i):
		m.stopHook(i, "")
		i.killAt = never
		m.remain(i)
		return
	case i.step == len(steps) || m.now >= i.killAt:
		m.kill(i, m.whyKill(i))
		return
	}
	m.stopHook(i, "")
	s := steps[i.step]
	i.step++
	until := min(m.after(s.Timeout), i.killAt)
	if i.state == Stopping {
		m.setDeadline(i, until)
	} else {
		m.enter(i, Stopping, i.whyStop(), until)
	}
	switch {
	case i.exit != nil:
		m.tellRest(i)
	case s.Command:
		m.startStopCommand(i)
	default:
		m.signal(i, s.Signal, Leader)
	}
}

// remain leaves one alone whose turn has not come.
func (m *Machine) remain(i *instance) { m.enter(i, Remains, "not its turn", never) }

// whyStop is why an instance that was up is told to stop.
func (i *instance) whyStop() string {
	switch {
	case i.fault != "":
		return i.fault
	case i.freed:
		return "its main process left others behind"
	default:
		return i.reason
	}
}

// tellRest sends the signal of the present stop step to those who stay when the main process has gone. The bound of the
// step runs on. A stop command speaks to the main process, so that the rest gets SIGTERM in its place.
func (m *Machine) tellRest(i *instance) {
	sig := i.proc.spec.Stop[i.step-1].Signal
	if sig == 0 {
		sig = syscall.SIGTERM
	}
	m.signal(i, sig, Rest)
}

func (m *Machine) signal(i *instance, sig syscall.Signal, scope Scope) {
	r := i.report(KindSignal)
	r.PID, r.Signal, r.Scope, r.Step, r.Bound = i.pid, sig, scope, i.step, m.rest(i.deadline)
	m.say(r)
	m.do(Signal{Inst: i.inst(), Run: i.run, Signal: sig, Scope: scope})
}

// kill sends SIGKILL to the whole tree of a run.
func (m *Machine) kill(i *instance, cause string) {
	m.stopProbe(i)
	m.stopDrain(i, "the process is killed")
	if i.exit == nil {
		i.asked = true
	}
	until := m.after(m.opts.KillTimeout)
	if i.course == goes {
		until = min(until, m.lostAt(i))
		i.needed = i.needed || m.phase != Up
	}
	m.enter(i, Killing, cause, until)
	m.sayKill(i, cause, until)
	m.do(Kill{Inst: i.inst(), Run: i.run})
}

func (m *Machine) sayKill(i *instance, cause string, until Instant) {
	r := i.report(KindKill)
	r.PID, r.Cause, r.Bound = i.pid, cause, m.rest(until)
	m.say(r)
}

// lostAt is when an instance that is killed now in a shutdown is given up. Where all are killed at once no order is
// left for which time would have to be kept.
func (m *Machine) lostAt(i *instance) Instant {
	at := m.out.lostAt(i.proc.id, m.now)
	if m.level == Forced {
		at = max(at, m.out.end())
	}
	return at
}

// whyKill is why an instance gets SIGKILL after its stop steps.
func (m *Machine) whyKill(i *instance) string {
	if len(i.proc.spec.Stop) == 0 {
		return "no stop step is configured"
	}
	still := fmt.Sprintf("still there %v after it was told", rounded(m.now-i.told))
	switch {
	case m.level == Urgent:
		return still + ", and it is urgent"
	case i.cut:
		return still + ", which is all the time that the shutdown has"
	default:
		return still
	}
}

// itsTurn gives an instance its turn to leave.
func (m *Machine) itsTurn(i *instance) {
	switch i.state {
	case Starting:
		m.boundSpawn(i)
	case Running, InPostStart, Ready, Drained, Remains:
		m.leave(i, i.errand)
	case Draining:
		m.hastenInvited(i)
	case Settling:
		m.setDeadline(i, min(i.deadline, m.out.settleBy(i.proc.id, m.now)))
	case InPreStop:
		m.setDeadline(i, min(i.deadline, m.out.preStopBy(i.proc.id, m.now)))
	case Stopping:
		m.hasten(i)
	case Killing, InPostStop:
		// Their bounds were shortened when they joined the departure.
	case Off, Done, Failed, Stopped, Lost:
	case Waiting, InPreStart, InBackoff:
		panic("supervisor: " + i.name + " has its turn in state " + string(i.state))
	}
}

// boundSpawn bounds a spawn that was not answered when its turn came. The time for its way out runs already, for the
// bound of the whole must hold.
func (m *Machine) boundSpawn(i *instance) {
	c := i.proc.spec.cost(m.opts)
	own := plus(plus(c.Settle, c.PreStop), plus(c.Invite, i.stepsLeft()))
	if m.level > Orderly {
		own = min(own, m.opts.Reserve)
	}
	i.killAt = m.out.killAt(i.proc, m.now, own)
	m.setDeadline(i, i.killAt)
}

// hasten fits the stop steps under way into the time that the shutdown has.
func (m *Machine) hasten(i *instance) {
	if m.atOnce(i) {
		m.kill(i, m.level.String())
		return
	}
	left := max(0, i.killAt-m.now)
	if m.level == Urgent {
		left = min(left, m.opts.Reserve)
	}
	i.killAt = min(m.after(left), m.out.killAt(i.proc, m.now, left))
	i.cut = i.cut || i.killAt < m.after(left)
	m.setDeadline(i, min(i.deadline, i.killAt))
}

// String is the level as people read it.
func (l Level) String() string {
	switch l {
	case Orderly:
		return "orderly"
	case Urgent:
		return "urgent"
	case Forced:
		return "forced"
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}
