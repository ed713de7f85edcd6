package process

import "slices"

// identity names a process for good: a pid is used again.
type identity struct {
	pid   int
	start uint64
}

// sight is a process as it was met.
type sight struct {
	identity
	dead bool
}

// rounds bounds how long a tree that changes faster than we look is followed at a time.
const rounds = 16

// walk visits each living process of the trees below the roots once, before it looks for its children. When somebody
// dies, his children become ours, maybe behind our back; so it goes round until nobody new was met and nobody died
// meanwhile, and says whether it came to that. It is called with still held.
func (r *Reaper) walk(roots func() []int, visit func(stat)) (whole bool) {
	if r.proc.missing != nil {
		return true // nobody can be seen
	}
	met := map[sight]bool{}
	for range rounds {
		if !r.round(roots(), met, visit) {
			return true
		}
	}
	return false
}

func (r *Reaper) round(queue []int, met map[sight]bool, visit func(stat)) (again bool) {
	seen := map[int]bool{}
	for len(queue) > 0 {
		pid := queue[0]
		queue = queue[1:]
		if seen[pid] {
			continue
		}
		seen[pid] = true
		s, err := r.proc.stat(pid)
		if err != nil {
			again = true // he was there when he was listed
			continue
		}
		if at := (sight{identity{pid, s.start}, s.dead()}); !met[at] {
			met[at], again = true, true
			if !s.dead() {
				visit(s)
			}
		}
		if s.dead() {
			continue
		}
		queue = append(queue, r.proc.children(pid)...)
		if after, err := r.proc.stat(pid); err != nil || after.fewer(s) {
			again = true
		}
	}
	return again
}

// fewer says that somebody who may have had children has ended since: the process, or one of its threads, whose
// children then go to another one.
func (s stat) fewer(before stat) bool {
	return s.dead() || s.threads < before.threads || s.state == 'Z' && before.state != 'Z'
}

// rootsOf returns a function that lists who stands at the top of the trees of some runs: their main processes, whom we
// adopted of them, and who is in their cgroups. Whom we adopted last comes first, for in a tree that flees by forking,
// that is who lives.
func (r *Reaper) rootsOf(runs ...*run) func() []int {
	return func() []int {
		adopted, all := r.adopted(), r.everybodyTwice(runs)
		var pids []int
		for _, x := range runs {
			if x.strange != nil {
				pids = append(pids, r.strangers(x, all)...)
				continue
			}
			r.mu.Lock()
			if !x.exited && x.pid != 0 {
				pids = append(pids, x.pid)
			}
			r.mu.Unlock()
			slices.Reverse(adopted[x.id])
			pids = append(pids, adopted[x.id]...)
			if group := r.groupOf(x); group != "" {
				pids = append(pids, groupMembers(group)...)
			}
		}
		return pids
	}
}

// membersOf lists the living tree of a run, the main process first. It is called with still held.
func (r *Reaper) membersOf(x *run) []stat {
	if r.proc.missing != nil {
		return r.leaderOnly(x)
	}
	var found []stat
	r.walk(r.rootsOf(x), func(s stat) { found = append(found, s) })
	// Who died during the walk is none of them.
	return slices.DeleteFunc(found, func(s stat) bool {
		now, err := r.proc.stat(s.pid)
		return err != nil || now.dead() || now.start != s.start
	})
}
