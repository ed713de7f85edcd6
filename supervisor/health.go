package supervisor

import "fmt"

// checkHealth begins to look whether a run that is ready is still well.
func (m *Machine) checkHealth(i *instance) {
	if i.proc.spec.Health.Failures > 0 && m.phase == Up && !i.checked {
		i.checked = true
		m.do(CheckHealth{Inst: i.inst(), Run: i.run})
	}
}

// stopHealth ends that. What was seen of it last stays as it is.
func (m *Machine) stopHealth(i *instance) {
	if i.checked {
		i.checked = false
		m.do(StopHealth{Inst: i.inst(), Run: i.run})
	}
}

// checkAnew has a run looked at by settings that have changed; there may be none any more.
func (m *Machine) checkAnew(i *instance) {
	if i.state != Ready {
		return
	}
	m.stopHealth(i)
	m.checkHealth(i)
	if !i.checked && i.sick > 0 {
		m.isWell(i)
	}
}

// healthFailed counts the looks in a row that failed. After the last one that is allowed the run is told to leave, by its
// own stop steps, and is started again as after a crash. It is not drained: what is in its hands it does not answer.
func (m *Machine) healthFailed(ev HealthFailed) {
	i := m.find(ev.Inst, ev.Run)
	if i == nil || !i.checked {
		return
	}
	i.sick++
	most := i.proc.spec.Health.Failures
	r := i.report(KindHealth)
	r.PID, r.Cause, r.Step = i.pid, ev.Why, i.sick
	m.say(r)
	m.touch(i.proc)
	if i.sick < most && !ev.Final {
		return
	}
	i.fault = "unhealthy: " + ev.Why
	if i.sick > 1 {
		i.fault = fmt.Sprintf("unhealthy, %d times in a row: %s", i.sick, ev.Why)
	}
	m.stopHealth(i)
	m.leave(i, reasonUnhealthy)
}

// healthWorks takes in that a run is well again.
func (m *Machine) healthWorks(ev HealthWorks) {
	i := m.find(ev.Inst, ev.Run)
	if i == nil || !i.checked || i.sick == 0 {
		return
	}
	m.isWell(i)
}

func (m *Machine) isWell(i *instance) {
	i.sick = 0
	r := i.report(KindHealth)
	r.PID = i.pid
	m.say(r)
	m.touch(i.proc)
}
