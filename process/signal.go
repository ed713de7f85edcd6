package process

import (
	"errors"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Signal sends a signal to the main process of a run or to the rest of its tree, and SIGCONT behind it, so that a frozen
// process hears it. It is no error that nobody is there.
func (r *Reaper) Signal(run uint64, sig syscall.Signal, scope Scope) error {
	if scope == Leader {
		r.mu.Lock()
		defer r.mu.Unlock()
		if x := r.leader(run); x != nil {
			return x.send(sig)
		}
		return nil
	}
	r.still.Lock()
	defer r.still.Unlock()
	r.mu.Lock()
	x := r.runs[run]
	r.mu.Unlock()
	if x == nil {
		return nil
	}
	members := r.membersOf(x, r.adopted()[run])
	members = slices.DeleteFunc(members, func(m stat) bool { return r.isLeader(m.pid) })
	var errs []error
	for _, m := range members {
		errs = append(errs, r.sendTo(m, sig))
	}
	return errors.Join(errs...)
}

// leader returns the run if its main process is not reaped. The lock is held.
func (r *Reaper) leader(run uint64) *run {
	if x := r.runs[run]; x != nil && x.pid != 0 && !x.exited {
		return x
	}
	return nil
}

func (r *Reaper) isLeader(pid int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leaders[pid] != nil
}

// thaws says whether a process should go on after the signal: not where the signal freezes it, or ends it anyway.
func thaws(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGCONT:
		return false
	default:
		return true
	}
}

// send signals the main process. The lock is held, so it is not reaped and its pid is its own.
func (x *run) send(sig syscall.Signal) error {
	return sendBy(x.pidfd, x.pid, sig)
}

// sendTo signals a process of some tree. Somebody else may reap it, so its pid is pinned first, and then looked at
// again. It is called with still held.
func (r *Reaper) sendTo(m stat, sig syscall.Signal) error {
	fd, err := unix.PidfdOpen(m.pid, 0)
	switch {
	case err == unix.ESRCH:
		return nil
	case err != nil:
		fd = -1 // no pidfds here (before 5.3, or refused): what is left is to look right before
	default:
		defer unix.Close(fd)
	}
	if now, err := r.proc.stat(m.pid); err != nil || now.start != m.start {
		return nil
	}
	return sendBy(fd, m.pid, sig)
}

func sendBy(pidfd, pid int, sig syscall.Signal) error {
	kill := func(sig syscall.Signal) error {
		if pidfd < 0 {
			return unix.Kill(pid, sig)
		}
		return unix.PidfdSendSignal(pidfd, sig, nil, 0)
	}
	err := kill(sig)
	if err == nil && sig != 0 && thaws(sig) {
		err = kill(syscall.SIGCONT)
	}
	if err == nil || err == unix.ESRCH {
		return nil
	}
	return &syscallError{pid: pid, sig: sig, err: err}
}

// syscallError says who refused which signal.
type syscallError struct {
	pid int
	sig syscall.Signal
	err error
}

func (e *syscallError) Error() string {
	return "cannot send " + SignalName(e.sig) + " to pid " + itoa(e.pid) + ": " + e.err.Error()
}

func (e *syscallError) Unwrap() error { return e.err }

// Kill sends SIGKILL to the whole tree of a run, and to all that it still forks, until it is empty.
func (r *Reaper) Kill(run uint64) {
	r.still.Lock()
	defer r.still.Unlock()
	r.mu.Lock()
	x := r.runs[run]
	if x == nil {
		r.mu.Unlock()
		return
	}
	x.killing = true
	r.pending[x.id] = x
	r.mu.Unlock()
	r.killTree(x)
}

// killTree kills whom it finds of a run. It is called again at each reap that concerns the run, for who is killed
// leaves children behind, and what may not be killed now may change its user. It is called with still held.
func (r *Reaper) killTree(x *run) {
	r.mu.Lock()
	group := x.group
	r.mu.Unlock()
	if group != "" && killGroup(group) != nil {
		group = ""
	}
	r.strike(syscall.SIGKILL, map[identity]bool{}, func() []int {
		adopted := r.adopted()[x.id]
		r.mu.Lock()
		defer r.mu.Unlock()
		if !x.exited && x.pid != 0 {
			adopted = append(adopted, x.pid)
		}
		if x.group != "" && group == "" {
			adopted = append(adopted, groupMembers(x.group)...)
		}
		return adopted
	})
}

// identity names a process for good: a pid is used again.
type identity struct {
	pid   int
	start uint64
}

// rounds bounds how long a tree that forks faster than we look is followed at a time; the reaping of those who were hit
// brings us back.
const rounds = 64

// strike sends a signal once to each process of the trees below the roots, noting whom it told. Each is told before its
// children are listed: whoever has a SIGKILL pending cannot fork any more, so what he forked before is all on the list,
// or, when he is gone, among the roots of the next round. It is called with still held.
func (r *Reaper) strike(sig syscall.Signal, told map[identity]bool, roots func() []int) {
	for range rounds {
		fresh := false
		queue := roots()
		for seen := map[int]bool{}; len(queue) > 0; {
			pid := queue[0]
			queue = queue[1:]
			if seen[pid] {
				continue
			}
			seen[pid] = true
			s, err := r.proc.stat(pid)
			if err != nil || s.dead() {
				continue
			}
			if id := (identity{pid, s.start}); !told[id] {
				told[id], fresh = true, true
				_ = r.sendTo(s, sig) // who may not be told is found in the report of those who are left
			}
			queue = append(queue, r.proc.children(pid)...)
		}
		if !fresh {
			return
		}
	}
}
