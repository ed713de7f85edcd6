package process

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"lastout/process/cgroup"
	"lastout/process/register"
)

// Options is what a Reaper is made with.
type Options struct {
	Name     string      // of the tree; part of the name of its cgroup
	NoCgroup bool        // do without, also where cgroups could be had
	Notify   func(Event) // called in order, by one goroutine at a time; must not block

	// Register keeps on record who lives, for the case that this process is killed; nil: nothing does.
	Register *register.Register
}

// Reaper starts children and is the only one to reap them. There is one in a program, for it waits for every child.
type Reaper struct {
	name   string
	notify func(Event)
	record *register.Register
	proc   *procfs
	tags   tags
	null   *os.File // what a child gets where it is given no file

	sigchld chan os.Signal
	wake    chan struct{} // something other than an exit is to be looked at
	pause   chan pauseOrder
	halt    chan struct{} // closed by Resume
	stop    chan struct{}
	stopped chan struct{}

	// still is held while children are reaped, and by whoever needs that none is: as long as it is held, the pid of a
	// child stays that child's, and the list of children is exact. It is taken before mu, and never across a fork.
	still   sync.Mutex
	orphans map[int]uint64 // direct children that are no main process, and whose they are; of still
	listed  int            // how many children there were when they were listed last; of still

	mu      sync.Mutex
	closed  bool
	runs    map[uint64]*run // all that are being started or not empty yet
	leaders map[int]*run    // the main processes that are not reaped, by pid
	pending map[uint64]*run // of these an orphan's end is of interest: exited or killing
	dirty   []*run          // to be looked at, in the order of their exits
	highest uint64          // the last run number that was used
	spawn   spawning
	sweep   *sweep

	groups  *groups // nil: no cgroups
	proven  bool    // a child was put into a cgroup by clone3
	noGroup error   // why there are none
	watch   *groupWatch
	looking bool // it will be looked for kills in a moment

	left     string         // the cgroups of a supervisor whose runs are strangers; empty: none
	watchers sync.WaitGroup // of strangers

	queue      []Event // to be delivered
	delivering bool
	delivered  sync.Cond // not delivering any more
}

// run is one life as the reaper knows it.
type run struct {
	id     uint64
	name   string
	life   uint64
	hook   bool
	pid    int // 0 while it is being started
	pidfd  int // -1: none, or reaped
	group  string
	status syscall.WaitStatus
	oom    cgroup.OOM // that was told of

	oomSeen uint64 // how many kills there were at the last look

	exited    bool // the main process is reaped
	told      bool // Exited was emitted
	killing   bool
	forgotten bool
	dirty     bool // it is in the list of those to be looked at
	watching  bool // for changes of cgroup.events
	memory    bool // its cgroup counts who is killed for want of memory

	pipes   [2]uint64
	strange *strange // nil: it is, or was, our own child
}

// spawning is the fork under way. Its child may be reaped before anybody knows its pid.
type spawning struct {
	run   uint64 // 0: none
	count uint64 // forks begun so far
	early map[int]syscall.WaitStatus
}

// New makes this process a subreaper, looks what the kernel has, and begins to reap.
func New(o Options) (*Reaper, error) {
	r, err := newHere(o)
	if err != nil {
		return nil, err
	}
	if o.NoCgroup {
		r.noGroup = errNotWanted
	} else if r.groups, err = newGroups(r.proc, o.Name); err != nil {
		r.noGroup = err
	} else {
		r.watch = newGroupWatch(r.groupChanged)
	}
	r.run()
	return r, nil
}

// newHere makes this process a subreaper, and a Reaper that has no cgroups and does not reap yet.
func newHere(o Options) (*Reaper, error) {
	proc := openProc()
	t, err := inheritedTags()
	if err != nil {
		return nil, err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("cannot become a subreaper: %w", err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return newReaper(o, proc, t, null), nil
}

// run begins to reap.
func (r *Reaper) run() {
	signal.Notify(r.sigchld, syscall.SIGCHLD)
	go r.loop()
}

func newReaper(o Options, proc *procfs, t tags, null *os.File) *Reaper {
	r := &Reaper{
		name: o.Name, notify: o.Notify, record: o.Register, proc: proc, tags: t, null: null,
		sigchld: make(chan os.Signal, 1), wake: make(chan struct{}, 1), pause: make(chan pauseOrder),
		stop: make(chan struct{}), stopped: make(chan struct{}),
		runs: map[uint64]*run{}, leaders: map[int]*run{}, pending: map[uint64]*run{}, orphans: map[int]uint64{},
	}
	r.delivered.L = &r.mu
	return r
}

// Close ends the reaping and removes the cgroups. Children that still run are left alone.
func (r *Reaper) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	r.mu.Unlock()
	signal.Stop(r.sigchld)
	close(r.stop)
	<-r.stopped
	r.watchers.Wait()
	for _, x := range r.runs {
		x.closePidfd()
	}
	if r.watch != nil {
		r.watch.close()
	}
	var err error
	if r.groups != nil {
		err = r.groups.close()
	}
	if r.left != "" {
		removeLeft(r.proc, r.left)
	}
	r.null.Close()
	r.proc.close()
	return err
}

// loop reaps. SIGCHLD is a wake-up and no evidence: equal signals are merged.
func (r *Reaper) loop() {
	defer close(r.stopped)
	r.poke() // children that we were started with may have ended already
	for {
		select {
		case <-r.stop:
			return
		case halt := <-r.pause:
			halt.obey(r.stop)
			continue
		case <-r.sigchld:
		case <-r.wake:
		}
		for more := true; more; {
			r.still.Lock()
			more = r.reap()
			r.settle()
			r.still.Unlock()
			r.deliver()
		}
	}
}

// poke wakes the loop.
func (r *Reaper) poke() {
	select {
	case r.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// batch is how many are reaped at least, where there are as many, before it is decided what that means.
const batch = 128

// reap reaps those that have ended, and says whether there may be more. It is bounded, because a tree that forks on and
// on must not keep us from deciding; and by no less than the number of children, because to decide costs a look at all
// of them, the dead included.
func (r *Reaper) reap() (more bool) {
	for range max(batch, r.listed) {
		pid := endedChild()
		if pid == 0 {
			return false
		}
		r.reapOne(pid)
	}
	return true
}

// reapOne reaps a zombie. It is looked at first, for then it is still in /proc; that takes no lock, so the main process
// of a run may become known meanwhile.
func (r *Reaper) reapOne(pid int) {
	r.mu.Lock()
	_, leader := r.leaders[pid]
	spawn := r.spawn
	concern := !leader && (spawn.run != 0 || len(r.pending) > 0 || r.sweep != nil)
	r.mu.Unlock()
	var whose uint64
	if concern {
		whose = r.adoptee(pid)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	var status syscall.WaitStatus
	if got, err := wait4(pid, &status); err != nil || got != pid {
		return // fork's own, which failed to exec, and was waited for by whoever forked
	}
	delete(r.orphans, pid)
	if r.sweep != nil {
		r.sweep.dirty = true
	}
	if x := r.leaders[pid]; x != nil {
		delete(r.leaders, pid)
		r.leaderEnded(x, status)
		return
	}
	if spawn.run != 0 && spawn.run == r.spawn.run && (whose == spawn.run || whose == 0) {
		r.spawn.early[pid] = status
	}
	r.orphanEnded(whose)
}

// leaderEnded notes that the main process of a run was reaped. The lock is held.
func (r *Reaper) leaderEnded(x *run, status syscall.WaitStatus) {
	x.exited, x.status = true, status
	if r.proc.missing == nil {
		x.closePidfd()
	}
	r.record.Exited(x.id)
	r.pending[x.id] = x
	r.mark(x)
}

// orphanEnded notes that one of a run's descendants was reaped; 0 may be anybody's. The lock is held.
func (r *Reaper) orphanEnded(whose uint64) {
	if whose == 0 {
		for _, x := range r.pending {
			r.mark(x)
		}
	} else if x := r.pending[whose]; x != nil {
		r.mark(x)
	}
}

// mark notes that a run is to be looked at. The lock is held.
func (r *Reaper) mark(x *run) {
	if !x.dirty {
		x.dirty = true
		r.dirty = append(r.dirty, x)
	}
}

// groupChanged is called when the cgroup.events of a run that is waited for, or the memory.events of any, has changed.
func (r *Reaper) groupChanged() {
	r.mu.Lock()
	r.lookSoon()
	for _, x := range r.pending {
		if x.watching {
			r.mark(x)
		}
	}
	r.mu.Unlock()
	r.poke()
}

func (x *run) closePidfd() {
	if x.pidfd >= 0 {
		unix.Close(x.pidfd)
		x.pidfd = -1
	}
}

func (x *run) removeGroup() {
	if x.group != "" {
		removeGroup(x.group)
	}
}

// emit puts an event into the queue. The lock is held.
func (r *Reaper) emit(e Event) { r.queue = append(r.queue, e) }

// deliver hands out what is queued, without the lock, so that whoever is notified may call us. One goroutine does it at
// a time; what is queued meanwhile, it delivers too.
func (r *Reaper) deliver() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.delivering {
		return
	}
	r.delivering = true
	for len(r.queue) > 0 {
		q := r.queue
		r.queue = nil
		r.mu.Unlock()
		for _, e := range q {
			r.notify(e)
		}
		r.mu.Lock()
	}
	r.delivering = false
	r.delivered.Broadcast()
}
