package process

import (
	"path/filepath"
	"slices"
)

// settle decides what the last exits mean. It is called with still held, right after a batch was reaped.
func (r *Reaper) settle() {
	r.mu.Lock()
	dirty := r.dirty
	r.dirty = nil
	for _, x := range dirty {
		x.dirty = false
	}
	swept := r.sweep != nil && r.sweep.dirty
	r.mu.Unlock()
	if len(dirty) == 0 && !swept {
		return
	}
	adopted := r.adopted()
	all := r.everybodyTwice(dirty)
	var kill []*run
	for _, x := range dirty {
		if more := r.settleRun(x, adopted[x.id], all); more {
			kill = append(kill, x)
		}
	}
	r.killTrees(kill)
	if swept {
		r.sweepOn()
	}
}

// settleRun looks whether a run is empty, whose adopted children are given, or for a stranger everybody, and says whether
// there is somebody to be killed.
func (r *Reaper) settleRun(x *run, adopted []int, all map[int]stat) (kill bool) {
	r.mu.Lock()
	known, exited, told, killing := r.runs[x.id] == x, x.exited, x.told, x.killing
	r.mu.Unlock()
	if !known {
		return false // it was marked once more while it was found empty
	}
	if !exited {
		return killing
	}
	empty := len(adopted) == 0 && !r.inGroup(x) && !r.inFamily(x) &&
		(x.strange == nil || len(r.strangers(x, all)) == 0)
	left := 0
	if !empty && !told {
		left = max(1, len(r.membersOf(x)))
	}

	oom, others := r.readOOM(x)
	r.mu.Lock()
	if others != nil && !x.forgotten {
		r.emit(*others)
	}
	if !told && !x.forgotten {
		r.emit(Exited{Run: x.id, Status: x.status, Left: left, OOM: oom})
	}
	x.told = true
	if empty {
		delete(r.runs, x.id)
		delete(r.pending, x.id)
		r.record.Gone(x.id)
		if !x.forgotten {
			r.emit(Empty{Run: x.id})
		}
	}
	r.mu.Unlock()
	if empty {
		x.closePidfd()
		x.removeGroup()
	}
	return !empty && killing
}

// inGroup says whether somebody is in the cgroup of a run whose main process has ended. It is read at each reap, for
// the kernel holds notices of changes back; they are for whoever ends without being our child.
func (r *Reaper) inGroup(x *run) bool {
	if x.group == "" || !populated(x.group) {
		return false
	}
	if r.watch != nil && !x.watching {
		x.watching = true
		r.watch.add(filepath.Join(x.group, "cgroup.events"))
		return populated(x.group) // it may have changed before the watch was in
	}
	return true
}

// adopted lists the direct children that are no main process, by the run they belong to; 0 is nobody's. It is called
// with still held.
func (r *Reaper) adopted() map[uint64][]int {
	pids := r.direct()
	r.listed = len(pids)
	by := map[uint64][]int{}
	known := make(map[int]uint64, len(r.orphans))
	var unknown []int
	r.mu.Lock()
	spawning := r.spawn.run
	for _, pid := range pids {
		if r.leaders[pid] != nil {
			continue
		}
		if whose, ok := r.orphans[pid]; ok {
			known[pid] = whose
			by[whose] = append(by[whose], pid)
		} else {
			unknown = append(unknown, pid)
		}
	}
	r.mu.Unlock()
	for _, pid := range unknown {
		whose := r.adoptee(pid)
		by[whose] = append(by[whose], pid)
		if spawning == 0 {
			known[pid] = whose // else it may be the child that is being started
		}
	}
	r.orphans = known
	return by
}

// direct lists our children, zombies included. Nobody but us reaps them, except fork, when exec failed: that may hide
// one from the list, so while a child is being started the list is read twice.
func (r *Reaper) direct() []int {
	r.mu.Lock()
	before := r.spawn
	r.mu.Unlock()
	pids := r.proc.children(r.proc.own)
	r.mu.Lock()
	after := r.spawn
	r.mu.Unlock()
	if before.run == 0 && before.count == after.count {
		return pids
	}
	pids = append(pids, r.proc.children(r.proc.own)...)
	slices.Sort(pids)
	return slices.Compact(pids)
}

// adoptee tells to which run a direct child belongs that is no main process; 0 is nobody. It goes by the cgroup, by the
// tag, and for a program that changed its limits by the process group, whose number stays taken as long as there is
// anybody in it. It is called with still held.
func (r *Reaper) adoptee(pid int) uint64 {
	if whose, ok := r.orphans[pid]; ok {
		return whose
	}
	if whose := r.marked(pid); whose != 0 {
		return whose
	}
	return r.family(pid)
}

// marked tells which run's mark a process carries: its cgroup, or its tag. A limit below all tags is the program's own.
func (r *Reaper) marked(pid int) uint64 {
	dir := itoa(pid)
	if g := r.grouped(); g != nil {
		if b, err := r.proc.read(dir + "/cgroup"); err == nil {
			if whose, ok := g.run(b); ok {
				return whose
			}
		}
	}
	b, err := r.proc.read(dir + "/limits")
	if err != nil {
		return 0
	}
	hard, ok := hardRTTime(b)
	if !ok {
		return 0
	}
	run := r.tags.run(hard)
	r.mu.Lock()
	defer r.mu.Unlock()
	if run > r.highest {
		return 0
	}
	return run
}

// grouped returns our cgroups, where there are any.
func (r *Reaper) grouped() *groups {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.noGroup != nil {
		return nil
	}
	return r.groups
}
