package supervisor

// inherit takes over the runs of a tree whose supervisor has died, and begins the shutdown: nobody starts, and nobody is
// started again. Whatever a run was at, it may be told to leave once more, so all are taken for ready: they drain, their
// hooks run, and their stop steps begin with the first.
func (m *Machine) inherit(ev Adopt) {
	if m.begun || m.phase != Up {
		return
	}
	m.begun, m.legacy = true, ev.Code
	m.say(Report{Kind: KindNote, Cause: ev.Cause + ": its tree is taken down in order"})
	for _, a := range ev.Runs {
		i := m.known(a.Inst)
		if i == nil || i.run != 0 || a.Run == 0 {
			continue
		}
		i.life = life{run: a.Run, addr: a.Inst, pid: a.PID, ran: true, began: m.now, wasReady: true, killAt: never}
		i.name = a.Name
		m.lives[i.run] = i
		m.runs = max(m.runs, a.Run)
		i.starts++
		m.enter(i, Ready, "lives on", never)
	}
	m.shut(ev.Cause, nil)
}

// known finds an instance by its name; nil: there is none.
func (m *Machine) known(at Inst) *instance {
	if at.Proc < 0 || int(at.Proc) >= len(m.procs) {
		return nil
	}
	for _, i := range m.procs[at.Proc].inst {
		if i.n == at.N {
			return i
		}
	}
	return nil
}
