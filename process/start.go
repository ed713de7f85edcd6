package process

import (
	"errors"
	"fmt"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Start starts a child and returns when its program runs, or why it does not. Run numbers rise, over all that this
// program ever starts. It is called on the Spawner's thread, by one goroutine at a time; an exec that hangs holds
// nobody else.
func (r *Reaper) Start(s Spec) error {
	if len(s.Argv) == 0 {
		return errors.New("exec: no program named")
	}
	if err := checkText(s); err != nil {
		return err
	}
	if err := touch("", s.Dir); err != nil {
		return err
	}
	path, err := LookPath(s.Argv[0], s.Dir, s.Env)
	if err != nil {
		return err
	}
	if err := touch(path, s.Dir); err != nil {
		return err
	}
	x, err := r.begin(s)
	if err != nil {
		return err
	}
	c, err := r.fork(s, path, x)
	if err != nil {
		r.abandon(x)
		return explain(err, s, path)
	}
	r.register(x, c)
	r.deliver()
	return nil
}

// begin makes the run known, marks what will be forked, and makes its cgroup.
func (r *Reaper) begin(s Spec) (*run, error) {
	x := &run{id: s.Run, name: s.Name, life: s.Life, hook: s.Hook, pidfd: -1}
	g := r.grouped()
	if g != nil && s.Run != 0 {
		x.group = g.make(s.Run, s.Name)
	}
	unkept := r.limit(x, g, s.Limits)
	if r.record != nil {
		x.pipes = pipesOf(s.Files)
	}
	if err := r.tags.set(s.Run); err != nil && x.group == "" {
		return nil, err // with a cgroup it is only a second mark
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.runs[s.Run] != nil || r.spawn.run != 0 || s.Run == 0 {
		x.removeGroup()
		return nil, fmt.Errorf("cannot start run %d: %s", s.Run, r.refusal())
	}
	r.runs[s.Run] = x
	r.highest = max(r.highest, s.Run)
	r.spawn.run = s.Run
	r.spawn.count++
	r.spawn.early = map[int]syscall.WaitStatus{}
	r.tellUnkept(x.id, unkept)
	return x, nil
}

func (r *Reaper) refusal() string {
	switch {
	case r.closed:
		return "the reaper is closed"
	case r.spawn.run != 0:
		return "another one is being started"
	case len(r.runs) > 0:
		return "there is one of that number"
	default:
		return "0 is nobody"
	}
}

// fork forks, into the cgroup of the run where it has one. Until that worked once, a failure may mean that clone3 or
// the cgroup is refused (seccomp, a threaded cgroup, delegation): if it works without, we do without from now on.
func (r *Reaper) fork(s Spec, path string, x *run) (child, error) {
	if x.group == "" {
		return fork(s, path, r.null, -1)
	}
	c, err := forkInto(s, path, r, x.group)
	if err == nil || r.proven || !refusesGroup(err) {
		r.proven = r.proven || err == nil
		return c, err
	}
	refused := err
	if c, err = fork(s, path, r.null, -1); err != nil {
		return c, err
	}
	x.removeGroup()
	r.mu.Lock()
	x.group = ""
	r.noGroup = fmt.Errorf("cannot start a child in a cgroup: %w", refused)
	x.memory = false
	r.tellUnkept(x.id, unkeptAll(s.Limits, r.noGroup))
	r.mu.Unlock()
	return c, nil
}

func forkInto(s Spec, path string, r *Reaper, group string) (child, error) {
	fd, err := unix.Open(group, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return child{}, err
	}
	defer unix.Close(fd)
	return fork(s, path, r.null, fd)
}

// refusesGroup says whether an error may come from clone3 with CLONE_INTO_CGROUP (clone(2)).
func refusesGroup(err error) bool {
	for _, no := range []syscall.Errno{
		syscall.ENOSYS, syscall.EPERM, syscall.EACCES, syscall.EBUSY, syscall.EOPNOTSUPP, syscall.EINVAL,
		syscall.EBADF, syscall.ENODEV, syscall.E2BIG,
	} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// register makes the main process known. It may have been reaped before.
func (r *Reaper) register(x *run, c child) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x.pid, x.pidfd = c.pid, c.pidfd
	r.enter(x)
	r.emit(Started{Run: x.id, PID: c.pid})
	status, ended := r.spawn.early[c.pid]
	r.spawn.run, r.spawn.early = 0, nil
	if ended {
		r.leaderEnded(x, status)
		r.poke()
		return
	}
	r.leaders[c.pid] = x
	if x.killing {
		r.mark(x)
		r.poke()
	}
}

// abandon forgets a run that never was.
func (r *Reaper) abandon(x *run) {
	r.mu.Lock()
	r.spawn.run, r.spawn.early = 0, nil
	delete(r.runs, x.id)
	delete(r.pending, x.id)
	r.mu.Unlock()
	x.removeGroup()
}
