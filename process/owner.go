package process

// Owner tells to which run a process belongs, main processes included. It goes up from parent to parent to our own
// child; a mark alone would not do, for anybody may lower his limits to those of a run.
func (r *Reaper) Owner(pid int) (run uint64, ok bool) {
	r.still.Lock()
	defer r.still.Unlock()
	if r.proc.missing != nil {
		run = r.family(pid)
		return run, run != 0
	}
	for range 3 { // a parent that ends on the way breaks the chain; the next attempt finds the new one
		top, whole := r.ancestor(pid)
		if !whole {
			continue
		}
		if top == 0 {
			return 0, false
		}
		r.mu.Lock()
		x := r.leaders[top]
		r.mu.Unlock()
		if x != nil {
			return x.id, true
		}
		run = r.adoptee(top)
		return run, run != 0
	}
	return 0, false
}

// ancestor finds the child of ours above a process, or the process itself; 0 is none. It is not whole where somebody
// ended on the way.
func (r *Reaper) ancestor(pid int) (top int, whole bool) {
	for depth := 0; pid > 0 && depth < 10000; depth++ {
		s, err := r.proc.stat(pid)
		if err != nil {
			return 0, depth == 0
		}
		if s.ppid == r.proc.own {
			return pid, true
		}
		if s.ppid == 0 || pid == 1 {
			return 0, true
		}
		pid = s.ppid
	}
	return 0, true
}
