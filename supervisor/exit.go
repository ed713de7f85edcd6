package supervisor

import (
	"cmp"
	"fmt"

	"lastout/ordering"
)

// The reasons that hooks are told.
const (
	reasonShutdown = "shutdown"
	reasonCrash    = "crash"
	reasonExit     = "exit"
	reasonNotReady = "not ready"
	reasonStart    = "start failed"
	reasonLost     = "lost"
	reasonStop     = "stop"
	reasonRestart  = "restart"
	reasonScale    = "scale"
	reasonDrain    = "drain"
	reasonReload   = "reload"

	reasonUnhealthy = "unhealthy"
)

// exited takes in that the main process was reaped. Others of its tree may live on: only Gone ends the run.
func (m *Machine) exited(ev Exited) {
	i := m.find(ev.Inst, ev.Run)
	if i == nil || !i.ran || i.exit != nil || !i.state.Alive() {
		return
	}
	exit := ev.Exit
	i.exit, i.last, i.left, i.freed, i.lived = &exit, &exit, ev.Left, !i.asked, m.now-i.began
	m.stopProbe(i)
	m.stopHealth(i)
	m.stopWatch(i)
	r := i.report(KindExit)
	r.PID, r.Exit, r.Asked, r.Left = i.pid, &exit, i.asked, ev.Left
	m.say(r)
	switch i.state {
	case Running, InPostStart, Ready, Drained:
		m.exitedEarly(i)
	case Draining:
		m.exitedDraining(i)
	case Settling, InPreStop:
		m.stopHook(i, "the process has exited")
		if i.left > 0 {
			m.tell(i)
		}
	case Stopping:
		switch {
		case i.left == 0:
		case m.mayStop(i):
			m.tellRest(i)
		default: // at its turn the step is taken once more, for the rest
			m.stopHook(i, "")
			i.step, i.killAt = i.step-1, never
			m.remain(i)
		}
	case Remains, Killing:
	case Off, Waiting, InPreStart, Starting, InPostStop, InBackoff, Done, Failed, Stopped, Lost:
		panic("supervisor: " + i.name + " exited in state " + string(i.state))
	}
}

// exitedEarly is an exit of one who was not on its way out.
func (m *Machine) exitedEarly(i *instance) {
	m.stopHook(i, "the process has exited")
	if i.left > 0 {
		m.orphaned(i)
		return
	}
	m.setDeadline(i, m.overdue())
}

// exitedDraining is an exit of one who was invited to: it has nothing in hand any more. One who is on its way out only
// waits for its end, within the bound of its drain.
func (m *Machine) exitedDraining(i *instance) {
	m.stopDrain(i, "the process has exited")
	switch {
	case i.left > 0:
		m.orphaned(i)
	case i.proc.spec.Role == ordering.Gateway:
		m.enter(i, Drained, "exited", m.overdue())
	default:
		m.setDeadline(i, min(i.drainBy, m.overdue()))
	}
}

// overdue is when we cease to believe that Gone will follow an exit that left nobody behind.
func (m *Machine) overdue() Instant { return m.after(m.opts.KillTimeout) }

// orphaned clears away what a main process left behind: at once while the tree is up, for the instance is to be
// started again; at its turn in a shutdown, for somebody may still be served by it.
func (m *Machine) orphaned(i *instance) {
	m.tell(i)
}

// gone takes in that nothing of a run is left.
func (m *Machine) gone(ev Gone) {
	i := m.find(ev.Inst, ev.Run)
	if i == nil {
		return
	}
	if i.lost {
		i.found = true
		m.note(i, "is gone after all, having been declared lost")
		return
	}
	if i.exit == nil || !i.state.Alive() {
		return
	}
	m.say(i.report(KindGone))
	m.over(i)
}

// over ends a run: there is nothing of it any more, or there never was. Its post_stop hook is due if it was begun.
func (m *Machine) over(i *instance) {
	m.stopHook(i, "the run is over")
	bound, ok := i.proc.spec.Hooks[PostStop]
	if !ok || !i.begun() {
		m.verdict(i)
		return
	}
	if m.level == Forced {
		m.note(i, "post_stop hook skipped: forced")
		m.verdict(i)
		return
	}
	until := m.after(bound)
	if i.course == goes {
		until = min(until, m.out.postStopBy(i.proc.id, m.now))
	}
	m.enter(i, InPostStop, "", until)
	m.startHook(i, PostStop)
}

// begun says whether there is something for post_stop to clear up; a spawn that never answered may have succeeded.
func (i *instance) begun() bool {
	_, prepared := i.proc.spec.Hooks[PreStart]
	return i.ran || prepared || i.lost
}

// whyOver is what hooks are told of how a run came to its end.
func (i *instance) whyOver() string {
	switch {
	case i.lost:
		return reasonLost
	case i.reason == reasonNotReady, i.reason == reasonUnhealthy:
		return i.reason
	case i.fault != "":
		return reasonStart
	case i.freed && i.exit.OK():
		return reasonExit
	case i.freed:
		return reasonCrash
	default:
		return cmp.Or(i.errand, reasonShutdown)
	}
}

// verdict says what becomes of an instance whose run is over.
func (m *Machine) verdict(i *instance) {
	switch {
	case i.lost:
		wanted := i.course != goes
		m.enter(i, Lost, i.whyLost, never)
		m.failedForGood(i, i.whyLost, wanted)
	case i.fault != "":
		m.ended(i, false, i.fault)
	case i.freed && i.exit.OK():
		m.ended(i, true, i.exit.String())
	case i.freed:
		m.ended(i, false, i.exit.String())
	default:
		m.enter(i, Stopped, "", never)
	}
}

// ended is the end of a run that nobody asked for.
func (m *Machine) ended(i *instance, well bool, cause string) {
	if m.phase == Up && i.course == goes && !(well && i.proc.spec.Role == ordering.Task) {
		m.enter(i, Stopped, cause, never) // it was to leave, and has: nobody wants it back for that
		return
	}
	restart := i.proc.spec.Restart
	again := restart == RestartAlways || restart == RestartOnFailure && !well
	if well && i.proc.spec.Role == ordering.Task {
		again = false // a task has run to its end
	}
	if m.phase == Up && i.course != goes && again {
		if m.retry(i, cause) {
			return
		}
		// Who does not stay up has failed, however politely it leaves.
		well, cause = false, fmt.Sprintf("%s, after %s", cause, restarts(i.attempts))
	}
	if !well {
		m.fail(i, cause)
		return
	}
	wanted := i.course != goes
	m.enter(i, Done, cause, never)
	if wanted && i.proc.spec.OnExit == Shutdown {
		m.trigger(i, cause)
	}
}

func restarts(n int) string {
	if n == 1 {
		return "1 restart"
	}
	return fmt.Sprintf("%d restarts", n)
}

// fail ends an instance for good, not well.
func (m *Machine) fail(i *instance, cause string) {
	m.enter(i, Failed, cause, never)
	m.failedForGood(i, cause, true)
}

// lose gives a run up that outlived the bound of SIGKILL, or whose spawn never answers. It counts as gone, is said
// aloud, and everything else goes on; its post_stop hook is told that the run is lost, for what it clears away may be
// in use.
func (m *Machine) lose(i *instance, cause string) {
	m.stopHook(i, "the run is lost")
	r := i.report(KindLost)
	r.PID, r.Cause = i.pid, cause
	m.say(r)
	if i.state == Killing { // a spawn under way must still answer, so that it can be killed then
		m.do(Forget{Inst: i.inst(), Run: i.run})
	}
	i.lost, i.wasLost, i.whyLost = true, true, cause
	m.over(i)
}

// failedForGood keeps in mind a failure of the tree while it is up, and lets it trigger the shutdown where that is
// configured, unless the instance was not wanted any more.
func (m *Machine) failedForGood(i *instance, cause string, wanted bool) {
	if m.phase != Up || !wanted {
		return
	}
	i.failed, i.unstarted = true, !i.wasReady
	if i.proc.spec.OnExit != Ignore {
		m.trigger(i, cause)
	}
}

// trigger begins the shutdown because an instance has ended for good.
func (m *Machine) trigger(i *instance, cause string) {
	if m.phase == Up {
		m.shut(fmt.Sprintf("%s: %s", i.name, cause), i)
	}
}

// String is how a process ended, for people: "exit code 3".
func (e Exit) String() string {
	switch {
	case e.Unknown:
		return "exit status unknown"
	case e.OOM != "":
		return fmt.Sprintf("killed by the kernel: out of memory (%s)", e.OOM)
	case e.Signal == 0:
		return fmt.Sprintf("exit code %d", e.Code)
	case e.Core:
		return fmt.Sprintf("signal %d (%v), core dumped", int(e.Signal), e.Signal)
	default:
		return fmt.Sprintf("signal %d (%v)", int(e.Signal), e.Signal)
	}
}
