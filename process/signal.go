package process

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"lastout/process/signame"
)

// Signal sends a signal to the main process of a run or to the rest of its tree, and SIGCONT behind it, so that a
// frozen process hears it. It is no error that nobody is there.
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
	if r.proc.missing != nil {
		return r.signalFamily(x, sig)
	}
	var errs []error
	r.walk(r.rootsOf(x), func(m stat) {
		if !r.isLeader(m.pid) && (x.strange == nil || m.pid != x.pid || m.start != x.strange.start) {
			errs = append(errs, r.sendTo(m, sig))
		}
	})
	return errors.Join(errs...)
}

// Send sends a signal to the main process of a run as it is, with no SIGCONT behind it. It is no error that nobody is
// there.
func (r *Reaper) Send(run uint64, sig syscall.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := r.leader(run); x != nil {
		return killBy(x.pidfd, x.pid, sig)
	}
	return nil
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
	err := killBy(pidfd, pid, sig)
	if err == nil && sig != 0 && thaws(sig) {
		err = killBy(pidfd, pid, syscall.SIGCONT)
	}
	return err
}

// killBy sends one signal. It is no error that nobody is there.
func killBy(pidfd, pid int, sig syscall.Signal) error {
	var err error
	if pidfd < 0 {
		err = unix.Kill(pid, sig)
	} else {
		err = unix.PidfdSendSignal(pidfd, sig, nil, 0)
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
	return "cannot send " + signame.Of(e.sig) + " to pid " + itoa(e.pid) + ": " + e.err.Error()
}

func (e *syscallError) Unwrap() error { return e.err }

// Kill sends SIGKILL to the whole tree of a run, and to all that it still forks, until it is empty. The main process is
// hit at once; the rest right after, for all runs that are killed together, because to find them costs a look at all
// children.
func (r *Reaper) Kill(run uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.runs[run]
	if x == nil {
		return
	}
	x.killing = true
	r.pending[x.id] = x
	if r.leader(run) != nil {
		_ = x.send(syscall.SIGKILL) // refused by a setuid program: its cgroup, or a later attempt, may do
	}
	r.mark(x)
	r.poke()
}

// killTrees kills whom it finds of some runs. It is called again at each reap that concerns a run, for who is killed
// leaves children behind, and what may not be killed now may change its user. It is called with still held.
func (r *Reaper) killTrees(runs []*run) {
	if len(runs) == 0 {
		return
	}
	for _, x := range runs {
		if group := r.groupOf(x); group != "" {
			_ = killGroup(group) // before 5.14 it cannot be had; the walk reaches them too
		}
	}
	if r.proc.missing != nil {
		r.killFamilies(runs)
		return
	}
	// Each is hit before its children are listed: whoever has a SIGKILL pending cannot fork any more.
	whole := r.walk(r.rootsOf(runs...), func(m stat) {
		_ = r.sendTo(m, syscall.SIGKILL) // who may not be killed is found in the report of those who are left
	})
	if whole {
		return
	}
	// It forks as fast as we look. Those who were hit are reaped before we look again, for the dead are in the way.
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range runs {
		r.mark(x)
	}
	r.poke()
}

func (r *Reaper) groupOf(x *run) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return x.group
}
