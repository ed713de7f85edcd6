package supervisor

import (
	"fmt"

	"lastout/ordering"
)

// begin wants everything that is enabled. What starts first follows from the reviews.
func (m *Machine) begin() {
	if m.begun || m.phase != Up {
		return
	}
	m.begun = true
	m.say(Report{Kind: KindPhase, Phase: Up})
	for _, i := range m.insts {
		m.enter(i, Waiting, "", never)
	}
	for _, p := range m.procs {
		m.touch(p)
	}
}

// satisfying says whether an instance of the process in a state satisfies those who need it.
func (p *process) satisfying(s State) bool {
	return s == Ready || s == Done && p.spec.Role == ordering.Task
}

// reviewStart passes on whether a process is satisfied, and sees whether it is clear what becomes of those of its
// instances that wait.
func (m *Machine) reviewStart(p *process) {
	satisfied, broken := p.ready > 0 && p.ready+p.stopped == len(p.inst), p.hopeless > 0
	if len(p.inst) == 0 { // it has nothing to run: whoever needs it waits for what it needs
		satisfied, broken = p.unmet == 0, p.denied > 0
	}
	if satisfied != p.satisfied || broken != p.broken {
		m.tellDependents(p, satisfied, broken)
	}
	if m.begun && p.waiting > 0 && (p.unmet == 0 || p.denied > 0) {
		m.poised.push(p)
	}
}

// decide starts those of a process's instances that wait, or gives them up. It comes when all that has changed was looked
// at: a user may have called back several at once that need one another.
func (m *Machine) decide(p *process) {
	m.work++
	switch {
	case p.waiting == 0 || m.phase != Up:
	case p.unmet == 0:
		for _, i := range p.inst {
			if i.state == Waiting {
				m.start(i)
			}
		}
	case p.denied > 0:
		cause := "cannot start: " + m.blame(p)
		for _, i := range p.inst {
			if i.state == Waiting {
				i.fault = cause
				m.fail(i, cause)
			}
		}
	}
}

func (m *Machine) tellDependents(p *process, satisfied, broken bool) {
	for _, id := range m.graph.NeededBy(p.id) {
		d := m.procs[id]
		d.unmet += change(p.satisfied, satisfied, -1)
		d.denied += change(p.broken, broken, +1)
		m.touch(d)
		m.work++
	}
	p.satisfied, p.broken = satisfied, broken
}

// change is by how much a count moves when a fact becomes true, or its opposite when it ceases to be.
func change(was, is bool, by int) int {
	switch {
	case was == is:
		return 0
	case is:
		return by
	default:
		return -by
	}
}

// blame says which need of a process will never be satisfied, and what became of it.
func (m *Machine) blame(p *process) string {
	for _, id := range m.graph.Needs(p.id) {
		need := m.procs[id]
		if !need.broken {
			continue
		}
		if len(need.inst) == 0 {
			return m.blame(need)
		}
		for _, i := range need.inst {
			if i.state.Left() && !need.satisfying(i.state) {
				return i.name + " " + fate(i.state)
			}
		}
	}
	panic("supervisor: nobody is to blame for " + p.spec.Name)
}

func fate(s State) string {
	switch s {
	case Done:
		return "has ended"
	case Lost:
		return "is lost"
	default:
		return string(s)
	}
}

// start begins a new life of an instance: its pre_start hook, or the spawn.
func (m *Machine) start(i *instance) {
	delete(m.lives, i.run)
	i.life, i.lost, i.found = life{run: m.newRun(), addr: i.inst(), killAt: never}, false, false
	m.lives[i.run] = i
	i.starts++
	if bound, ok := i.proc.spec.Hooks[PreStart]; ok {
		m.enter(i, InPreStart, "", m.after(bound))
		m.startHook(i, PreStart)
		return
	}
	m.spawn(i)
}

func (m *Machine) spawn(i *instance) {
	m.enter(i, Starting, "", never)
	m.do(Spawn{Inst: i.inst(), Run: i.run})
}

func (m *Machine) spawned(ev Spawned) {
	i := m.find(ev.Inst, ev.Run)
	if i == nil || i.ran {
		return
	}
	switch {
	case i.lost:
		// The spawn was given up and succeeded all the same. It must not stay, and the sweep shall find it.
		i.ran, i.pid = true, ev.PID
		m.sayKill(i, "runs although its spawn was given up", never)
		m.do(Kill{Inst: i.inst(), Run: i.run})
		m.do(Forget{Inst: i.inst(), Run: i.run})
		return
	case i.state != Starting:
		return
	}
	i.ran, i.pid, i.began = true, ev.PID, m.now
	if i.course == goes {
		m.spawnedLate(i)
		return
	}
	m.awaitReady(i)
}

// spawnedLate takes in a run whose spawn was under way when it was to leave: it lives, so it drains and leaves with its
// siblings, at its turn.
func (m *Machine) spawnedLate(i *instance) {
	m.enter(i, Running, "its spawn could not be taken back", never)
	if m.phase == Up {
		i.killAt = never // nothing that is bounded waits for it
	}
	switch {
	case m.level == Forced:
		m.kill(i, "forced")
	case m.mayStop(i):
		m.leave(i, i.errand)
	case i.proc.drained.came && i.proc.draining > 0 && m.level == Orderly:
		m.drain(i) // as its siblings do: it may have taken connections already
	}
}

func (m *Machine) spawnFailed(ev SpawnFailed) {
	i := m.find(ev.Inst, ev.Run)
	if i == nil || i.state != Starting {
		return
	}
	if ev.Cancelled && i.cancelling {
		i.cancelled = true
	} else {
		i.fault = "cannot start: " + ev.Reason
	}
	m.over(i)
}

// startFault ends a life before there was a process.
func (m *Machine) startFault(i *instance, format string, args ...any) {
	i.fault = "cannot start: " + fmt.Sprintf(format, args...)
	m.over(i)
}
