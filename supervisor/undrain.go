package supervisor

import (
	"slices"

	"lastout/ordering"
)

// drainThem lets gateways turn work away and finish what they have in hand, without stopping them.
func (m *Machine) drainThem(o *operation, who []*instance) string {
	for _, i := range who {
		if i.proc.spec.Role != ordering.Gateway {
			return i.proc.spec.Name + " is no gateway: there is nothing to turn away from"
		}
	}
	if why := held(who); why != "" {
		return why
	}
	who = slices.DeleteFunc(who, func(i *instance) bool { return !i.serving() && i.state != Draining && i.state != Drained })
	if len(who) == 0 {
		return o.nobody("running")
	}
	m.accept(o, who)
	for _, i := range who {
		o.want(i, toDrain)
	}
	m.settleParts(o)
	m.drainTogether(slices.DeleteFunc(who, func(i *instance) bool { return !i.serving() }), o.op)
	return ""
}

// undrainThem lets new connections in again. Who was invited to finish cannot be told that it was not meant.
func (m *Machine) undrainThem(o *operation, who []*instance) string {
	if why := held(who, VerbDrain); why != "" {
		return why
	}
	who = slices.DeleteFunc(who, func(i *instance) bool { return i.state != Draining && i.state != Drained || i.course == goes })
	if len(who) == 0 {
		return o.nobody("drained")
	}
	for _, i := range who {
		switch {
		case i.invited:
			return i.name + " was asked to finish, which cannot be taken back (restart it)"
		case i.part == quiescing && i.proc.spec.Drain.Invite != (Invite{}): // its listeners may be its own again already
			return i.name + " is about to be asked to finish, which cannot be taken back (restart it then)"
		case i.exit != nil:
			return i.name + " has exited"
		}
	}
	m.accept(o, who)
	for _, i := range who {
		m.overtake(i, o)
		m.undrain(i)
	}
	return ""
}

// undrain lets new connections of one in again, and takes it up where its drain began.
func (m *Machine) undrain(i *instance) {
	m.stopDrain(i, "the drain is taken back")
	if i.quiesced {
		m.do(Unquiesce{Inst: i.inst(), Run: i.run})
	}
	i.asked, i.reason, i.quiesced = false, "", false
	m.setCourse(i, stays)
	if i.wasReady {
		m.enter(i, Ready, "the drain is taken back", never)
		m.checkHealth(i)
		return
	}
	m.awaitReady(i)
}
