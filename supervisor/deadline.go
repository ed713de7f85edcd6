package supervisor

// timers finds the earliest deadline of the instances. The deadline itself is a field of the instance; what is kept
// here is a heap of copies, and a copy that differs from the field is stale and dropped when it comes up. No timer can
// outlive its reason that way.
type timers struct {
	heap []timer
	set  int // instances that have a deadline
}

type timer struct {
	at  Instant
	who int // place in Machine.insts
}

func (t timer) before(u timer) bool { return t.at < u.at || t.at == u.at && t.who < u.who }

func (m *Machine) setDeadline(i *instance, at Instant) {
	if i.deadline == at {
		return
	}
	if i.deadline != never {
		m.timers.set--
	}
	i.deadline = at
	if at == never {
		return
	}
	m.timers.set++
	m.work += m.timers.push(timer{at: at, who: i.at})
	if len(m.timers.heap) > 4*m.timers.set+64 {
		m.rebuildTimers()
	}
}

// rebuildTimers drops all stale copies. It is done when they are three in four, so that each costs nothing to speak of.
func (m *Machine) rebuildTimers() {
	old := m.timers.heap
	m.timers.heap = make([]timer, 0, 2*m.timers.set+64)
	m.work += uint64(len(old))
	kept := make(map[int]bool, m.timers.set)
	for _, t := range old {
		if m.insts[t.who].deadline == t.at && !kept[t.who] {
			kept[t.who] = true
			m.work += m.timers.push(t)
		}
	}
}

// earliest gives the instance whose deadline comes first.
func (m *Machine) earliest() (*instance, bool) {
	for len(m.timers.heap) > 0 {
		t := m.timers.heap[0]
		if i := m.insts[t.who]; i.deadline == t.at {
			return i, true
		}
		m.work += m.timers.pop()
	}
	return nil, false
}

// Deadline is when the caller shall Step with Tick if nothing has happened before. There may be none.
func (m *Machine) Deadline() (Instant, bool) {
	if m.phase == Finished {
		return 0, false
	}
	at := min(m.shutdown.until, m.wait.next)
	for _, o := range m.ops {
		at = min(at, o.until)
	}
	if i, ok := m.earliest(); ok {
		at = min(at, i.deadline)
	}
	return at, at != never
}

// expire does what is due for one deadline that has come, and says whether there was one.
func (m *Machine) expire() bool {
	if i, ok := m.earliest(); ok && i.deadline <= m.now {
		m.work += m.timers.pop()
		m.setDeadline(i, never)
		m.due(i)
		return true
	}
	if m.shutdown.until <= m.now {
		m.shutdown.until = never
		m.shutdownDue()
		return true
	}
	if m.wait.next <= m.now {
		m.sayWaiting()
		return true
	}
	for _, o := range m.ops {
		if o.until <= m.now {
			m.operationLate(o)
			return true
		}
	}
	return false
}

// due is what happens when an instance's state has reached its bound.
func (m *Machine) due(i *instance) {
	if i.exit != nil && i.state.Alive() && !i.leaving() {
		m.orphaned(i) // the main process went alone, and its end was not followed by Gone
		return
	}
	switch i.state {
	case Starting:
		m.lose(i, "never answered whether it runs")
	case InPreStart, InPostStart, InPreStop, InPostStop:
		m.hookOverdue(i)
	case Draining:
		m.drainDue(i)
	case Settling:
		m.stopWatch(i)
		m.prepare(i)
	case Running:
		m.readyDue(i)
	case Stopping:
		m.nextStep(i)
	case Killing:
		m.lose(i, "outlived SIGKILL")
	case InBackoff:
		m.again(i)
	case Off, Waiting, Ready, Drained, Remains, Done, Failed, Stopped, Lost:
		panic("supervisor: " + i.name + " has a deadline in state " + string(i.state))
	}
}

// push adds a timer and returns how many places it moved through.
func (t *timers) push(x timer) (moves uint64) {
	t.heap = append(t.heap, x)
	at := len(t.heap) - 1
	for at > 0 {
		up := (at - 1) / 2
		if !t.heap[at].before(t.heap[up]) {
			break
		}
		t.heap[at], t.heap[up] = t.heap[up], t.heap[at]
		at = up
		moves++
	}
	return moves
}

// pop drops the earliest timer and returns how many places the others moved through.
func (t *timers) pop() (moves uint64) {
	last := len(t.heap) - 1
	t.heap[0] = t.heap[last]
	t.heap = t.heap[:last]
	at := 0
	for {
		least := at
		for child := 2*at + 1; child <= 2*at+2 && child < last; child++ {
			if t.heap[child].before(t.heap[least]) {
				least = child
			}
		}
		if least == at {
			return moves
		}
		t.heap[at], t.heap[least] = t.heap[least], t.heap[at]
		at = least
		moves++
	}
}
