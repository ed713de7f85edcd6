package process

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Without /proc nobody can be listed. What is left is a run's cgroup, where it has one, and its family: the process group
// of its main process, whose number stays taken as long as anybody is in it. Who has left that group is known only as some
// child of ours, and is nobody's.

// pidfdGroup is PIDFD_SIGNAL_PROCESS_GROUP (pidfd_send_signal(2), Linux 6.9).
const pidfdGroup = 1 << 2

// inFamily says whether somebody is left of the family of a run whose main process has ended.
func (r *Reaper) inFamily(x *run) bool {
	return r.proc.missing != nil && x.pid > 1 && unix.Kill(-x.pid, 0) != unix.ESRCH
}

// family tells to which run a process belongs by its group; 0 is nobody.
func (r *Reaper) family(pid int) uint64 {
	pgid, err := unix.Getpgid(pid)
	if err != nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.runs {
		if x.pid == pgid && pgid != 0 {
			return x.id
		}
	}
	return 0
}

// leaderOnly are the members of a run, as far as they are known.
func (r *Reaper) leaderOnly(x *run) []stat {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x.pid == 0 || x.exited {
		return nil
	}
	return []stat{{pid: x.pid, ppid: r.proc.own, pgid: x.pid}}
}

// signalFamily signals what a main process has left of its family, and SIGCONT behind it.
func (r *Reaper) signalFamily(x *run, sig syscall.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !x.exited || x.pid <= 1 {
		return nil
	}
	err := x.toGroup(sig)
	if err == nil && sig != 0 && thaws(sig) {
		err = x.toGroup(syscall.SIGCONT)
	}
	return err
}

// killFamilies kills the families of some runs. Their cgroups were killed before.
func (r *Reaper) killFamilies(runs []*run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range runs {
		if x.pid > 1 && r.runs[x.id] == x {
			_ = x.toGroup(syscall.SIGKILL) // who may not be killed keeps the run from being empty
		}
	}
}

// toGroup signals the process group of a main process that may be reaped, by its pidfd, which cannot mean another group;
// older kernels have only its number. It is no error that nobody is there.
func (x *run) toGroup(sig syscall.Signal) error {
	err := error(unix.EINVAL)
	if x.pidfd >= 0 {
		err = unix.PidfdSendSignal(x.pidfd, sig, nil, pidfdGroup)
	}
	if err == unix.EINVAL {
		err = unix.Kill(-x.pid, sig)
	}
	if err == nil || err == unix.ESRCH {
		return nil
	}
	return &syscallError{pid: x.pid, sig: sig, err: err}
}

// sweepBlind sweeps those who cannot be listed. Only PID 1 reaches them: all who are there, once no run is left that is
// waited for. Whether there is anybody is told by wait(2) alone.
func (r *Reaper) sweepBlind(s *sweep) (left []Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	waited := r.spawn.run != 0
	for _, x := range r.runs {
		waited = waited || !x.forgotten
		if x.forgotten && x.pid > 1 && s.sig != 0 {
			_ = x.toGroup(s.sig)
		}
	}
	if waited || unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) == unix.ECHILD {
		return nil
	}
	if r.proc.own == 1 && s.sig != 0 && (!s.all || s.sig == syscall.SIGKILL) {
		s.all = true
		_ = unix.Kill(-1, s.sig)
	}
	return []Member{{Comm: "somebody who cannot be seen"}}
}
