package onecmd

import (
	"strconv"
	"syscall"
	"time"

	"lastout/cmd/lastout/bare"
	"lastout/process/signame"
)

// reap takes care of all children that ended or were stopped, and says whether we are done.
func (k *keeper) reap() (done bool) {
	for {
		pid, ended, none := bare.ChangedChild()
		switch {
		case none:
			return true
		case pid == 0:
			return k.settle()
		case pid == k.pid && ended:
			k.beforeReap()
		}
		var status syscall.WaitStatus
		if got, err := syscall.Wait4(pid, &status, syscall.WNOHANG|syscall.WUNTRACED, nil); err != nil || got != pid {
			continue
		}
		k.changed(pid, status)
	}
}

// changed takes what became of a child.
func (k *keeper) changed(pid int, status syscall.WaitStatus) {
	switch {
	case status.Stopped():
		if pid == k.pid {
			k.halted(status.StopSignal())
		}
	case pid == k.pid:
		k.finished(status)
	default:
		delete(k.left.told, pid)
		if k.warnReaped {
			k.warn("reaped zombie process with pid=" + strconv.Itoa(pid))
		} else {
			k.note(2, "reaped "+strconv.Itoa(pid))
		}
	}
}

// finished is called when the command was reaped.
func (k *keeper) finished(status syscall.WaitStatus) {
	k.pid = 0
	k.left.since = time.Now()
	k.code = status.ExitStatus()
	ending := " exited with code " + strconv.Itoa(k.code)
	if status.Signaled() {
		k.code = 128 + int(status.Signal())
		ending = " was ended by " + signame.Of(status.Signal())
	}
	k.note(1, k.argv[0]+ending)
	if k.success[k.code] {
		k.code = 0
	}
}
