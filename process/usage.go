package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Usage is what the tree of a run uses.
type Usage struct {
	Processes int
	Memory    int64         // bytes: the cgroup's where it counts memory, else what is resident of each process
	CPU       time.Duration // since its begin; without a cgroup, that of the living and of whom they have waited for
}

// Usage looks at the trees of some runs, the living ones. It is for people and for metrics: unlike Members it takes no
// care of whom a tree that changes meanwhile may hide, and keeps nobody from being reaped for longer than a look at our
// own children takes.
func (r *Reaper) Usage(runs []uint64) map[uint64]Usage {
	tops := r.tops(runs)
	found := make(map[uint64]Usage, len(tops))
	for id, top := range tops {
		u := r.usageBelow(top.pids)
		if top.group != "" {
			u.readGroup(top.group)
		}
		if u.Processes > 0 {
			found[id] = u
		}
	}
	return found
}

// top is what the tree of a run hangs from.
type top struct {
	pids  []int
	group string
}

// tops finds the main processes, whom we adopted, and who is in the cgroups.
func (r *Reaper) tops(runs []uint64) map[uint64]top {
	r.still.Lock()
	adopted := r.adopted()
	r.still.Unlock()
	found := make(map[uint64]top, len(runs))
	r.mu.Lock()
	for _, id := range runs {
		x := r.runs[id]
		if x == nil {
			continue
		}
		t := top{pids: adopted[id], group: x.group}
		if x.pid != 0 && !x.exited {
			t.pids = append(t.pids, x.pid)
		}
		found[id] = t
	}
	r.mu.Unlock()
	for id, t := range found {
		if t.group != "" {
			t.pids = append(t.pids, groupMembers(t.group)...)
			found[id] = t
		}
	}
	return found
}

// usageBelow adds up the processes of a tree.
func (r *Reaper) usageBelow(queue []int) Usage {
	var u Usage
	seen := map[int]bool{}
	for len(queue) > 0 {
		pid := queue[0]
		queue = queue[1:]
		s, err := r.proc.stat(pid)
		if seen[pid] || err != nil || s.dead() {
			continue
		}
		seen[pid] = true
		u.Processes++
		u.Memory += s.rss * int64(os.Getpagesize())
		u.CPU += time.Duration(s.utime+s.stime+s.cutime+s.cstime) * (time.Second / clockTicks)
		queue = append(queue, r.proc.children(pid)...)
	}
	return u
}

// readGroup takes what a cgroup has counted, as far as it does: memory only where that controller is on.
func (u *Usage) readGroup(dir string) {
	if b, err := os.ReadFile(filepath.Join(dir, "memory.current")); err == nil {
		if n, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64); err == nil {
			u.Memory = n
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "cpu.stat"))
	if err != nil {
		return
	}
	for line := range bytes.Lines(b) {
		if text, ok := bytes.CutPrefix(line, []byte("usage_usec ")); ok {
			if n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64); err == nil {
				u.CPU = time.Duration(n) * time.Microsecond
			}
		}
	}
}
