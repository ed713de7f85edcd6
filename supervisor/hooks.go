package supervisor

import "fmt"

// hook is a hook or stop command that runs.
type hook struct {
	run  Run
	kind HookKind // empty: a stop command or drain command
	inst *instance
	step int // of a stop command

	drains bool // a drain command
}

// startHook runs a hook of an instance, within the bound of the state it is in.
func (m *Machine) startHook(i *instance, kind HookKind) {
	h := &hook{run: m.newRun(), kind: kind, inst: i}
	m.hooks[h.run], i.hook = h, h
	told := Facts{PID: i.pid, Exit: i.exit, Reason: i.reason}
	if kind == PostStop {
		told.Reason = i.whyOver()
	}
	m.sayHook(h, 0, "", m.rest(i.deadline))
	m.do(RunHook{Hook: h.run, Kind: kind, Inst: i.inst(), For: i.run, Told: told})
}

// startStopCommand runs the command of the stop step an instance is at.
func (m *Machine) startStopCommand(i *instance) {
	h := &hook{run: m.newRun(), inst: i, step: i.step}
	m.hooks[h.run], i.hook = h, h
	r := i.report(KindCommand)
	r.PID, r.Step, r.Bound, r.HookRun = i.pid, i.step, m.rest(i.deadline), h.run
	m.say(r)
	m.do(StopCommand{Inst: i.inst(), Run: i.run, Step: i.step, Hook: h.run})
}

// stopHook kills the hook of an instance, if one runs. Nobody waits for its end.
func (m *Machine) stopHook(i *instance, why string) {
	h := i.hook
	if h == nil {
		return
	}
	i.hook = nil
	delete(m.hooks, h.run)
	m.do(StopHook{Hook: h.run})
	if h.kind != "" {
		m.sayHook(h, 1, "killed: "+why, 0)
	}
}

func (m *Machine) sayHook(h *hook, step int, cause string, bound Instant) {
	r := Report{Kind: KindHook}
	if h.inst != nil {
		r = h.inst.report(KindHook)
	}
	r.Hook, r.HookRun, r.Step, r.Cause, r.Bound = h.kind, h.run, step, cause, bound
	m.say(r)
}

// hookEnded takes in the end of a hook; the life goes on whether it succeeded or not, but for pre_start.
func (m *Machine) hookEnded(ev HookEnded) {
	h := m.hooks[ev.Run]
	if h == nil {
		return
	}
	delete(m.hooks, h.run)
	if h.kind != "" {
		m.sayHook(h, 1, ev.Failed, 0)
	}
	if h.inst == nil {
		m.shutdown.hook = nil
		m.treeHookOver(h.kind)
		return
	}
	i := h.inst
	i.hook = nil
	if h.kind == "" {
		m.commandEnded(i, h, ev.Failed)
		return
	}
	if h.kind == PreStart && ev.Failed != "" {
		m.startFault(i, "pre_start hook failed: %s", ev.Failed)
		return
	}
	m.hookOver(i)
}

// commandEnded takes in the end of a stop command, for whose effect the bound of its step waits, or of a drain command.
func (m *Machine) commandEnded(i *instance, h *hook, failed string) {
	name := "stop"
	if h.drains {
		name = "drain"
	}
	if failed != "" {
		m.note(i, fmt.Sprintf("%s command failed: %s", name, failed))
	}
	if h.drains {
		m.drainOn(i, watching)
	}
}

// hookOver goes on after the hook of the state an instance is in.
func (m *Machine) hookOver(i *instance) {
	switch i.state {
	case InPreStart:
		m.spawn(i)
	case InPostStart:
		m.enter(i, Ready, "", never)
		m.checkHealth(i)
	case Draining:
		m.beginDrain(i)
	case InPreStop:
		m.inviteOut(i)
	case InPostStop:
		m.verdict(i)
	case Off, Waiting, Starting, Running, Ready, Drained, Remains, Settling, Stopping, Killing, InBackoff, Done, Failed,
		Stopped, Lost:
		panic("supervisor: " + i.name + " had a hook in state " + string(i.state))
	}
}

// hookOverdue gives a hook up that takes longer than its bound.
func (m *Machine) hookOverdue(i *instance) {
	late := fmt.Sprintf("it took longer than %v", rounded(m.now-i.since))
	m.stopHook(i, late)
	if i.state == InPreStart {
		m.startFault(i, "pre_start hook took longer than %v", rounded(m.now-i.since))
		return
	}
	m.hookOver(i)
}
