package supervisor

import "time"

// samePress is within which time a second interrupt is the same press: a terminal and a wrapper may both send one.
const samePress = 250 * time.Millisecond

// press is the last interrupt.
type press struct {
	came bool
	at   Instant
}

// interrupt asks for the shutdown, and makes one that is under way less patient.
func (m *Machine) interrupt(cause string) {
	same := m.press.came && m.now-m.press.at <= samePress
	m.press = press{came: true, at: m.now}
	switch {
	case m.phase == Up:
		m.shut(cause, nil)
	case same || m.level == Forced:
	case m.level == Orderly:
		m.raise(Urgent, cause)
		m.urge()
	default:
		m.raise(Forced, cause)
		m.force()
	}
}

// hurry makes the shutdown urgent, whether it is under way or not.
func (m *Machine) hurry(cause string) {
	m.stop(cause)
	if m.level == Orderly {
		m.raise(Urgent, cause)
		m.urge()
	}
}

func (m *Machine) raise(l Level, cause string) {
	m.level = l
	m.say(Report{Kind: KindLevel, Level: l, Cause: cause})
}

// urge skips what can be skipped, and keeps the order.
func (m *Machine) urge() {
	m.cutAnnouncing()
	m.endLinger()
	for _, i := range m.insts {
		switch i.state {
		case Draining:
			m.drained(i, "urgent")
		case Settling, InPreStop:
			m.stopWatch(i)
			m.stopHook(i, "urgent")
			m.tell(i)
		case Stopping:
			if m.mayStop(i) {
				m.hasten(i)
			}
		case Off, Waiting, InPreStart, Starting, Running, InPostStart, Ready, Drained, Remains, Killing, InPostStop,
			InBackoff, Done, Failed, Stopped, Lost:
		}
	}
}

// cutAnnouncing skips the rest of the announcement.
func (m *Machine) cutAnnouncing() {
	if m.phase == Announcing {
		m.stopTreeHook(m.level.String())
		m.walk()
	}
}

// force kills everybody at once.
func (m *Machine) force() {
	m.cutAnnouncing()
	for _, i := range m.insts {
		switch i.state {
		case Starting:
			m.setDeadline(i, min(i.deadline, m.after(m.opts.KillTimeout)))
		case Running, InPostStart, Ready, Draining, Drained, Remains, Settling, InPreStop, Stopping:
			m.kill(i, "forced")
		case InPostStop:
			m.stopHook(i, "forced")
			m.verdict(i)
		case Killing, Off, Waiting, InPreStart, InBackoff, Done, Failed, Stopped, Lost:
		}
	}
	m.endLinger()
	switch m.shutdown.stage {
	case telling:
		m.sweep(killing, m.shutdown.countBy)
	case afterHook:
		m.stopTreeHook("forced")
		m.finish()
	case idle, beforeHook, delaying, surveying, killing, counting, lingering:
	}
}
