package supervisor

import "strings"

// linger is the stay, beside the sweep and before the after_shutdown hook, for bytes that the kernel still owes clients
// of those who have left: where the network goes away with the supervisor, they would be lost.
type linger struct {
	asked bool // and not over
	by    Instant
	owed  []string // by the last answer
}

// beginLinger begins to wait, where that is wanted and there is no hurry. room is the time that there is for it.
func (m *Machine) beginLinger(room Instant) {
	if m.opts.Linger > 0 && m.level == Orderly {
		m.shutdown.linger = linger{asked: true, by: m.after(min(m.opts.Linger, room))}
		m.do(Linger{})
	}
}

func (m *Machine) lingered(ev Lingered) {
	l := &m.shutdown.linger
	if m.phase != Closing || !l.asked {
		return
	}
	l.owed = ev.Left
	if len(l.owed) == 0 {
		m.endLinger()
	}
}

// lingerLate gives up who is still owed something.
func (m *Machine) lingerLate() {
	cause := "nobody knows whether all bytes reached the clients"
	if owed := m.shutdown.linger.owed; len(owed) > 0 {
		cause = "bytes did not reach " + strings.Join(owed, ", ")
	}
	m.say(Report{Kind: KindNote, Cause: cause})
	m.endLinger()
}

// endLinger goes on to what comes behind the stay, if that waits for it.
func (m *Machine) endLinger() {
	m.shutdown.linger.asked = false
	if m.shutdown.stage == lingering {
		m.afterLinger()
	}
}
