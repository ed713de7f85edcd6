package process

import (
	"slices"
	"syscall"
	"testing"
)

// TestSweep leaves a run that nobody waits for any more: it brings no event, and is swept, and nobody else is.
func TestSweep(t *testing.T) {
	inBothModes(t, func(r *rig) {
		from, say := r.pipe()
		hold, release := r.pipe()
		stays := r.start(sh("(read x <&3) & read x <&3; wait", hold))
		script := `trap '' TERM; (trap 'echo told >&3; exit 0' TERM; echo up >&3; while :; do read x <&4; done) &
			echo up >&3; while :; do read x <&4; done`
		lost := r.start(sh(script, say, hold))
		r.line(from)
		r.line(from)
		r.Forget(lost)
		before := len(r.Members(lost))

		r.Sweep(syscall.SIGTERM, true)
		if got := r.line(from); got != "told" {
			r.Errorf("got %q", got)
		}
		s := await(r, func(Swept) bool { return true })
		if len(s.Left) == 0 || slices.ContainsFunc(s.Left, func(m Member) bool { return m.Run != lost }) {
			r.Errorf("left %v of %d, want those of run %d", s.Left, before, lost)
		}
		r.Sweep(syscall.SIGKILL, false)
		await(r, func(s Swept) bool { return len(s.Left) == 0 })
		if m := r.Members(stays); len(m) != 2 {
			r.Errorf("members of the one who stays: %v", m)
		}
		release.Close()
		r.empty(stays)
		for _, e := range r.seen {
			if e == Event(Empty{Run: lost}) {
				r.Error("a forgotten run is called empty")
			}
			if e, ok := e.(Exited); ok && e.Run == lost {
				r.Error("a forgotten run is called exited")
			}
		}
	})
}

// TestSweepNobody answers at once.
func TestSweepNobody(t *testing.T) {
	inBothModes(t, func(r *rig) {
		for _, report := range []bool{false, true} {
			r.Sweep(syscall.SIGTERM, report)
			if s := await(r, func(Swept) bool { return true }); len(s.Left) != 0 {
				r.Errorf("left %v", s.Left)
			}
		}
	})
}

// TestSweepComesLater begins a sweep while somebody stays, and goes on when others come to belong to nobody.
func TestSweepComesLater(t *testing.T) {
	inBothModes(t, func(r *rig) {
		from, say := r.pipe()
		hold, _ := r.pipe()
		stubborn := r.start(sh(`trap '' TERM; echo up >&3; while :; do read x <&4; done`, say, hold))
		r.line(from)
		r.Forget(stubborn)
		r.Sweep(syscall.SIGTERM, false)
		second := r.start(sh(`trap 'echo told >&3; exit 0' TERM; echo up >&3; while :; do read x <&4; done`, say, hold))
		r.line(from)
		r.Forget(second)
		r.empty(r.start(sh("exit 0")))
		// The end of anybody is when the sweep looks again.
		third := r.start(sh("(exit 0) & exit 0"))
		r.empty(third)
		r.Sweep(syscall.SIGTERM, false)
		if got := r.line(from); got != "told" {
			r.Errorf("got %q", got)
		}
		r.Sweep(syscall.SIGKILL, false)
		await(r, func(s Swept) bool { return len(s.Left) == 0 })
	})
}
