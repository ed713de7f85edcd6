package process

import (
	"slices"
	"syscall"
)

// sweep is a Sweep that is not over.
type sweep struct {
	sig   syscall.Signal
	told  map[identity]bool
	dirty bool
	all   bool // everybody was told, for nobody can be listed
}

// Forget says that nobody waits for a run any more: it brings no more events, and what is left of it belongs to nobody.
func (r *Reaper) Forget(run uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := r.runs[run]; x != nil {
		x.forgotten = true
		if r.sweep != nil {
			r.sweep.dirty = true
			r.poke()
		}
	}
}

// Sweep sends a signal to all descendants that belong to no living run, and to those that come to be so later. Swept
// comes once none is left; with report also at once, with those who are there. A new Sweep takes the place of an older
// one.
func (r *Reaper) Sweep(sig syscall.Signal, report bool) {
	r.still.Lock()
	r.mu.Lock()
	r.sweep = &sweep{sig: sig, told: map[identity]bool{}}
	r.mu.Unlock()
	left := r.sweepOn()
	if report && len(left) > 0 {
		r.mu.Lock()
		r.emit(Swept{Left: left})
		r.mu.Unlock()
	}
	r.still.Unlock()
	r.deliver()
}

// sweepOn goes on with the sweep and returns who is left. It is called with still held.
func (r *Reaper) sweepOn() []Member {
	r.mu.Lock()
	s := r.sweep
	s.dirty = false
	r.mu.Unlock()
	if s.sig == syscall.SIGKILL {
		s.told = map[identity]bool{} // who could not be killed may have changed his user
		r.killForgottenGroups()
	}
	var left []Member
	if r.proc.missing != nil {
		left = r.sweepBlind(s)
	}
	whose := map[int]uint64{}
	r.walk(func() []int { return r.strays(whose) }, func(m stat) {
		if id := (identity{m.pid, m.start}); !s.told[id] && s.sig != 0 {
			s.told[id] = true
			_ = r.sendTo(m, s.sig) // who may not be told is among those who are left
		}
		left = append(left, r.memberOf(m, whose))
	})
	if len(left) == 0 {
		r.mu.Lock()
		r.sweep = nil
		r.emit(Swept{})
		r.mu.Unlock()
	}
	return left
}

// strays lists the direct children that belong to no living run, and notes whose they were. It is called with still
// held.
func (r *Reaper) strays(whose map[int]uint64) []int {
	adopted := r.adopted()
	r.mu.Lock()
	defer r.mu.Unlock()
	var pids []int
	add := func(run uint64, of ...int) {
		for _, pid := range of {
			pids = append(pids, pid)
			whose[pid] = run
		}
	}
	for run, of := range adopted {
		// One that carries no mark may be the child that is being started.
		if x := r.runs[run]; (x == nil || x.forgotten) && (run != 0 || r.spawn.run == 0) {
			add(run, of...)
		}
	}
	for _, x := range r.leaders {
		if x.forgotten {
			add(x.id, x.pid)
		}
	}
	add(0, r.strangeStrays()...)
	slices.Sort(pids)
	return pids
}

// memberOf describes a stray; who is no direct child is whose his parent is.
func (r *Reaper) memberOf(s stat, whose map[int]uint64) Member {
	if _, ok := whose[s.pid]; !ok {
		whose[s.pid] = whose[s.ppid]
	}
	return Member{PID: s.pid, Run: whose[s.pid], Comm: s.comm}
}

// killForgottenGroups reaches those of a forgotten run that kill(2) may not.
func (r *Reaper) killForgottenGroups() {
	r.mu.Lock()
	var groups []string
	for _, x := range r.runs {
		if x.forgotten && x.group != "" {
			groups = append(groups, x.group)
		}
	}
	r.mu.Unlock()
	for _, g := range groups {
		_ = killGroup(g) // those who are left are reported
	}
}

// Members lists the living processes of a run's tree, the main process first.
func (r *Reaper) Members(run uint64) []Member {
	r.still.Lock()
	defer r.still.Unlock()
	r.mu.Lock()
	x := r.runs[run]
	r.mu.Unlock()
	if x == nil {
		return nil
	}
	var members []Member
	for _, s := range r.membersOf(x) {
		members = append(members, Member{PID: s.pid, Run: run, Comm: s.comm})
	}
	return members
}
