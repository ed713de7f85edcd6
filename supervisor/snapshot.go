package supervisor

import (
	"time"

	"lastout/ordering"
)

// Snapshot is the tree as it stands at a time that is not before the last Step.
func (m *Machine) Snapshot(now Instant) Snapshot {
	s := Snapshot{At: now, Phase: m.phase, Level: m.level, Instances: make([]InstanceSnapshot, 0, len(m.insts))}
	if m.out != nil && m.shutdown.ends != never {
		s.Ends = m.shutdown.ends
	}
	waits := make([][]string, len(m.procs))
	for _, i := range m.insts {
		n := m.snapshotOf(i, now)
		if m.holds(i) {
			if waits[i.proc.id] == nil {
				waits[i.proc.id] = m.waitsFor(i.proc)
			}
			n.WaitsFor = waits[i.proc.id]
		}
		s.Instances = append(s.Instances, n)
	}
	return s
}

func (m *Machine) snapshotOf(i *instance, now Instant) InstanceSnapshot {
	n := InstanceSnapshot{
		Name: i.name, Process: i.proc.spec.Name, Role: i.proc.spec.Role.String(), State: i.state, Since: i.since,
		Run: i.run, Restarts: max(0, i.starts-1), Exit: i.last, Optional: i.proc.spec.Optional,
	}
	if i.state.Alive() && i.exit == nil {
		n.PID = i.pid
	}
	if i.checked {
		well := i.sick == 0
		n.Healthy = &well
	}
	if i.deadline != never {
		n.Bound = max(0, i.deadline-now)
	}
	return n
}

// holds says whether an instance waits for others: to start, or to leave.
func (m *Machine) holds(i *instance) bool {
	if m.out == nil {
		return i.state == Waiting
	}
	return !i.state.Left() && !i.proc.turn.came
}

// waitsFor names the processes that a process waits for.
func (m *Machine) waitsFor(p *process) []string {
	var names []string
	if m.out == nil {
		for _, id := range m.graph.Needs(p.id) {
			if need := m.procs[id]; !need.satisfied {
				names = append(names, need.spec.Name)
			}
		}
		return names
	}
	said := make(map[ordering.ID]bool)
	for _, s := range m.out.walk.Waits(ordering.Step{Kind: ordering.Leave, ID: p.id}) {
		if s.ID != p.id && !said[s.ID] && m.procs[s.ID].present > 0 {
			said[s.ID] = true
			names = append(names, m.procs[s.ID].spec.Name)
		}
	}
	return names
}

// bound is how long a shutdown may take: what everybody may take on the critical path, and the sweep behind it, within
// the timeout.
func (o Options) bound(b *ordering.Budget) time.Duration {
	return min(b.Hard(), plus(b.Total()-min(b.Total(), leastSweep), max(leastSweep, 2*o.Reserve)))
}
