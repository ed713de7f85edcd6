package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"lastout/process/cgroup"
)

// Kept is what a Reaper knows, for a successor: another program in the same process, after an exec (execve(2)). What the
// kernel keeps of itself is not in it: the children, their exits, and that we are a subreaper.
type Kept struct {
	name    string
	proc    int // the descriptor of /proc
	bare    bool
	base    uint64
	soft    uint64
	step    uint64
	last    uint64
	highest uint64
	runs    []keptRun
	orphans map[int]uint64
	root    string // of the cgroups; empty: there are none
	path    string
	changed cgroup.State
	proven  bool
	noGroup string
}

type keptRun struct {
	id, status                       uint64
	pid                              int
	group                            string
	name                             string
	life                             uint64
	hook                             bool
	exited, told, killing, forgotten bool
	memory                           bool
	oom                              cgroup.OOM
}

// Pause has the reaper reap nothing until Resume, and waits until it does not, and until all it knew is delivered. No
// child may be started meanwhile; whatever else the reaper is asked to do, it does.
func (r *Reaper) Pause() {
	halt := pauseOrder{rests: make(chan struct{}), resume: make(chan struct{})}
	r.halt = halt.resume
	select {
	case r.pause <- halt:
		<-halt.rests
	case <-r.stopped:
	}
	r.mu.Lock()
	for r.delivering {
		r.delivered.Wait()
	}
	r.mu.Unlock()
	r.deliver()
}

// Resume ends a Pause.
func (r *Reaper) Resume() {
	close(r.halt)
	r.poke()
}

type pauseOrder struct{ rests, resume chan struct{} }

// obey rests until it shall go on.
func (o pauseOrder) obey(stop <-chan struct{}) {
	close(o.rests)
	select {
	case <-o.resume:
	case <-stop:
	}
}

// Keep tells what a paused reaper knows. The error says what is under way that cannot be kept.
func (r *Reaper) Keep() (*Kept, error) {
	r.still.Lock()
	defer r.still.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.sweep != nil:
		return nil, errors.New("the last descendants are being swept away")
	case r.spawn.run != 0:
		return nil, errors.New("a child is being started")
	}
	k := &Kept{
		name: r.name, proc: r.proc.dir, bare: r.proc.noChildren, base: r.tags.base, soft: r.tags.soft, step: r.tags.step,
		last: r.tags.last, highest: r.highest, orphans: r.orphans, proven: r.proven,
	}
	if r.groups != nil {
		k.root, k.path = r.groups.root, r.groups.path
		k.changed = r.groups.domain.State
	}
	if r.noGroup != nil {
		k.noGroup = r.noGroup.Error()
	}
	for _, x := range r.runs {
		k.runs = append(k.runs, keptRun{
			id: x.id, status: uint64(x.status), pid: x.pid, group: x.group,
			name: x.name, life: x.life, hook: x.hook,
			exited: x.exited, told: x.told, killing: x.killing, forgotten: x.forgotten, memory: x.memory, oom: x.oom,
		})
	}
	return k, nil
}

// Descriptors are those that a successor needs.
func (k *Kept) Descriptors() []int {
	if k.proc < 0 {
		return nil
	}
	return []int{k.proc}
}

// Restore is New for the successor of a Reaper, in the same process. It reaps what has ended since, and tells of it.
func Restore(o Options, k *Kept) (*Reaper, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	proc := &procfs{dir: k.proc, own: unix.Getpid(), noChildren: k.bare}
	if k.proc < 0 {
		proc = openProc() // maybe there is one now
	}
	r := newReaper(o, proc, tags{base: k.base, soft: k.soft, step: k.step, last: k.last}, null)
	r.highest, r.proven = k.highest, k.proven
	for pid, whose := range k.orphans {
		r.orphans[pid] = whose
	}
	if k.noGroup != "" {
		r.noGroup = errors.New(k.noGroup)
	}
	if k.root != "" {
		r.groups = &groups{root: k.root, path: k.path, domain: domainOf(proc, filepath.Dir(k.root), k.root, k.changed)}
		r.watch = newGroupWatch(r.groupChanged)
	}
	for i := range k.runs {
		r.restoreRun(&k.runs[i])
	}
	r.run()
	return r, nil
}

// restoreRun takes a run up again. Its main process is our child and not reaped, so its pid is still its own, and a
// pidfd of it is opened anew.
func (r *Reaper) restoreRun(k *keptRun) {
	x := &run{
		id: k.id, name: k.name, life: k.life, hook: k.hook,
		pid: k.pid, pidfd: -1, group: k.group, status: syscall.WaitStatus(k.status),
		exited: k.exited, told: k.told, killing: k.killing, forgotten: k.forgotten, memory: k.memory, oom: k.oom,
	}
	r.runs[x.id] = x
	r.watchMemory(x)
	if !x.exited && x.pid != 0 {
		if fd, err := unix.PidfdOpen(x.pid, 0); err == nil {
			x.pidfd = fd
		}
		r.leaders[x.pid] = x
	}
	if x.exited || x.killing {
		r.pending[x.id] = x
		r.mark(x) // who has ended since is found only by looking
	}
}

// Check says whether the program of this process could be the successor.
func (k *Kept) Check() error {
	for i := range k.runs {
		if x := &k.runs[i]; x.id == 0 || x.id > k.highest || x.pid <= 0 {
			return fmt.Errorf("cannot take over run %d, pid %d", x.id, x.pid)
		}
	}
	return nil
}
