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
	starts, leaves := make([][]string, len(m.procs)), make([][]string, len(m.procs))
	for _, i := range m.insts {
		n := m.snapshotOf(i, now)
		id := i.proc.id
		switch {
		case i.state == Waiting:
			if starts[id] == nil {
				starts[id] = m.needsOf(i.proc)
			}
			n.WaitsFor = starts[id]
		case i.course == goes && !i.proc.turn.came:
			if leaves[id] == nil {
				leaves[id] = m.heldBy(i.proc)
			}
			n.WaitsFor = leaves[id]
		}
		s.Instances = append(s.Instances, n)
	}
	before := 0
	for _, p := range m.procs {
		if before += len(p.inst); len(p.inst) == 0 {
			s.Empty = append(s.Empty, EmptySnapshot{
				Process: p.spec.Name, Role: p.spec.Role.String(), Optional: p.spec.Optional, Disabled: !p.spec.Enabled,
				Before: before,
			})
		}
	}
	for _, o := range m.ops {
		s.Operations = append(s.Operations, o.snapshot())
	}
	return s
}

func (m *Machine) snapshotOf(i *instance, now Instant) InstanceSnapshot {
	n := InstanceSnapshot{
		Name: i.name, Process: i.proc.spec.Name, Role: i.proc.spec.Role.String(), State: i.state, Since: i.since,
		Run: i.run, Restarts: max(0, i.starts-1), Exit: i.last, Optional: i.proc.spec.Optional,
		Wanted: m.phase == Up && i.wanted(),
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

// needsOf names the processes that a process waits for before it starts.
func (m *Machine) needsOf(p *process) (names []string) {
	for _, id := range m.graph.Needs(p.id) {
		if need := m.procs[id]; !need.satisfied {
			names = append(names, need.spec.Name)
		}
	}
	return names
}

// heldBy names the processes that a process waits for before it leaves: those nearest before it of whom somebody is
// there and leaves.
func (m *Machine) heldBy(p *process) (names []string) {
	seen := make(map[ordering.Step]bool)
	said := make(map[ordering.ID]bool)
	todo := m.out.walk.Waits(ordering.Step{Kind: ordering.Leave, ID: p.id})
	for len(todo) > 0 {
		s := todo[0]
		todo = todo[1:]
		q := m.procs[s.ID]
		switch {
		case seen[s]:
		case q != p && (q.going > 0 || q.draining > 0):
			if !said[s.ID] {
				said[s.ID] = true
				names = append(names, q.spec.Name)
			}
		default:
			todo = append(todo, m.out.walk.Waits(s)...)
		}
		seen[s] = true
	}
	return names
}

// bound is how long a shutdown may take: what everybody may take on the critical path, and the sweep behind it, within
// the timeout.
func (o Options) bound(b *ordering.Budget) time.Duration {
	return min(b.Hard(), plus(b.Total()-min(b.Total(), leastSweep), max(leastSweep, 2*o.Reserve)))
}
