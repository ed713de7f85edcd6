package process

import (
	"testing"
	"time"
)

// TestUsage has a tree of three, one of them in a session of its own, that has used the processor and ended a child.
func TestUsage(t *testing.T) {
	inBothModes(t, func(r *rig) {
		from, say := r.pipe()
		hold, release := r.pipe()
		run := r.start(sh(`
			setsid sh -c 'echo up >&3; read x <&4' &
			sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo up >&3; read x <&4'`, say, hold))
		other := r.start(sh("read x <&3", hold))
		r.line(from)
		r.line(from)
		used := r.Usage([]uint64{run, other, 1 << 40})
		if len(used) != 2 {
			r.Fatalf("used %+v", used)
		}
		if u := used[run]; u.Processes != 3 || u.Memory < 256<<10 || u.CPU < 20*time.Millisecond || u.CPU > time.Minute {
			r.Errorf("the tree of three uses %+v", u)
		}
		if u := used[other]; u.Processes != 1 || u.CPU >= used[run].CPU {
			r.Errorf("the other one uses %+v", u)
		}
		release.Close()
		hold.Close()
		r.empty(run)
		r.empty(other)
		if used := r.Usage([]uint64{run, other}); len(used) != 0 {
			r.Errorf("the dead use %+v", used)
		}
	})
}
