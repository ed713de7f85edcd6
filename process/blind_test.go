package process

import (
	"errors"
	"os"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// newBlindRig is a rig that has no /proc.
func newBlindRig(t *testing.T, cgroup bool) *rig {
	t.Helper()
	r := newRig(t, cgroup)
	r.blind(errors.New("not in this test"))
	t.Cleanup(func() { r.blind(nil) }) // before it is looked whether anybody is left
	return r
}

// blind takes /proc away, or gives it back.
func (g *rig) blind(missing error) {
	g.still.Lock()
	defer g.still.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.proc.missing = missing
}

// TestBlindFamily holds that whom a main process leaves behind in its group is waited for, told, and killed.
func TestBlindFamily(t *testing.T) {
	for name, end := range map[string]func(r *rig, run uint64, release *os.File){
		"leaves": func(_ *rig, _ uint64, release *os.File) { release.Close() },
		"told": func(r *rig, run uint64, _ *os.File) {
			if err := r.Signal(run, syscall.SIGTERM, Rest); err != nil {
				t.Error(err)
			}
		},
		"killed": func(r *rig, run uint64, _ *os.File) { r.Kill(run) },
	} {
		for mode, cgroup := range map[string]bool{"group": false, "cgroup": true} {
			t.Run(name+" "+mode, func(t *testing.T) {
				r := newBlindRig(t, cgroup)
				from, say := r.pipe()
				hold, release := r.pipe()
				script := `(sh -c 'echo $$ >&3; read x <&4') & (echo up >&3; read x <&4) & exit 3`
				run := r.start(sh(script, say, hold))
				hold.Close()
				r.line(from)
				r.line(from)
				if e := r.exited(run); e.Status.ExitStatus() != 3 || e.Left < 1 {
					t.Errorf("ended by %+v", e)
				}
				r.notEmptyYet(run)
				end(r, run, release)
				r.empty(run)
			})
		}
	}
}

// TestBlindMain kills a main process that has others beside it, and tells whose they are.
func TestBlindMain(t *testing.T) {
	r := newBlindRig(t, false)
	from, say := r.pipe()
	hold, _ := r.pipe()
	run := r.start(sh(`trap "" TERM; (sh -c 'echo $$ >&3; read x <&4') & wait`, say, hold))
	pid, err := strconv.Atoi(r.line(from))
	if err != nil {
		t.Fatal(err)
	}
	if owner, ok := r.Owner(pid); owner != run || !ok {
		t.Errorf("the child is of run %d, want %d", owner, run)
	}
	if m := r.Members(run); len(m) != 1 {
		t.Errorf("members %v", m)
	}
	r.Kill(run)
	r.empty(run)
	if c := r.Capabilities(); c.NoProc == "" {
		t.Error("nobody is told that there is no /proc")
	}
	if u := r.Usage([]uint64{run}); len(u) > 0 {
		t.Errorf("usage %v", u)
	}
}

// TestBlindStray has a daemon that left the group of its run. Nobody waits for it, and at the end PID 1 ends it; others
// say that there is somebody.
func TestBlindStray(t *testing.T) {
	r := newBlindRig(t, false)
	from, say := r.pipe()
	hold, release := r.pipe()
	run := r.start(help("daemon", "2").with(say, hold))
	pid, err := strconv.Atoi(r.line(from))
	if err != nil {
		t.Fatal(err)
	}
	r.empty(run)
	if os.Getpid() == 1 {
		r.Sweep(syscall.SIGTERM, true)
	} else {
		r.Sweep(syscall.SIGTERM, true)
		if s := await(r, func(Swept) bool { return true }); len(s.Left) != 1 {
			t.Errorf("left are %v", s.Left)
		}
		release.Close()
	}
	await(r, func(s Swept) bool { return len(s.Left) == 0 })
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("the daemon: %v", err)
	}
}
