package supervisor

import "fmt"

// awaitReady begins the wait for readiness in the way the process is configured.
func (m *Machine) awaitReady(i *instance) {
	ready := i.proc.spec.Ready
	until := never
	switch ready.Kind {
	case ReadyProbe:
		if ready.Timeout > 0 {
			until = m.after(ready.Timeout)
		}
	case ReadyDelay:
		until = m.after(ready.Delay)
	case ReadyExec, ReadyExit:
	}
	m.enter(i, Running, "", until)
	switch ready.Kind {
	case ReadyProbe:
		i.probing = true
		m.do(Probe{Inst: i.inst(), Run: i.run})
	case ReadyExec:
		m.ready(i, "")
	case ReadyDelay, ReadyExit:
	}
}

func (m *Machine) becameReady(ev BecameReady) {
	i := m.find(ev.Inst, ev.Run)
	if i == nil || i.state != Running || !i.probing || i.exit != nil {
		return
	}
	i.probing = false // the probe ended with its answer
	m.ready(i, "")
}

// readyDue is when the time for readiness has passed.
func (m *Machine) readyDue(i *instance) {
	ready := i.proc.spec.Ready
	if ready.Kind == ReadyDelay {
		m.ready(i, "")
		return
	}
	m.stopProbe(i)
	late := fmt.Sprintf("not ready within %v", ready.Timeout)
	if ready.Continue {
		m.note(i, late+": goes on as if it were")
		m.ready(i, late)
		return
	}
	i.fault = late
	m.leave(i, reasonNotReady)
}

// ready lets the dependents on, after the post_start hook.
func (m *Machine) ready(i *instance, cause string) {
	i.wasReady = true
	if bound, ok := i.proc.spec.Hooks[PostStart]; ok {
		m.enter(i, InPostStart, cause, m.after(bound))
		m.startHook(i, PostStart)
		return
	}
	m.enter(i, Ready, cause, never)
	m.checkHealth(i)
}

func (m *Machine) stopProbe(i *instance) {
	if i.probing {
		i.probing = false
		m.do(StopProbe{Inst: i.inst(), Run: i.run})
	}
}
