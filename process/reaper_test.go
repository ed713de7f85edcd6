package process

import (
	"syscall"
	"testing"
)

func TestExitStatus(t *testing.T) {
	inBothModes(t, func(r *rig) {
		run := r.start(sh("exit 7"))
		e := r.exited(run)
		if !e.Status.Exited() || e.Status.ExitStatus() != 7 || e.Left != 0 {
			t.Errorf("got %+v, want exit 7 and nobody left", e)
		}
		r.empty(run)
		run = r.start(sh("kill -USR1 $$"))
		if e := r.exited(run); !e.Status.Signaled() || e.Status.Signal() != syscall.SIGUSR1 {
			t.Errorf("got %+v, want killed by SIGUSR1", e)
		}
		r.empty(run)
	})
}

func TestLeaderLeavesChild(t *testing.T) {
	inBothModes(t, func(r *rig) {
		out, told := r.pipe()
		hold, release := r.pipe()
		run := r.start(sh("(trap 'echo told >&3; exit' TERM; echo up >&3; read x <&4) & exit 0", told, hold))
		if e := r.exited(run); e.Left != 1 {
			r.Errorf("got %+v, want one left", e)
		}
		_ = out
		release.Close()
		r.empty(run)
	})
}
