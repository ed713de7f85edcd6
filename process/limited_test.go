package process

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lastout/process/cgroup"
)

// newLimitedRig is a rig whose runs can be limited. A controller that this machine does not grant cannot be installed, so
// that CI is no exception: the test is skipped by name.
func newLimitedRig(t *testing.T, controllers ...string) *rig {
	t.Helper()
	r := newRig(t, true)
	for _, c := range controllers {
		if err := r.groups.domain.Enable(c); err != nil {
			t.Skipf("%s cannot be limited: %v", c, err)
		}
	}
	return r
}

// hog is a helper that wants so many MiB, as the main process or as a child of a shell that lives on.
func hog(r *rig, mib string, below bool) (Spec, *os.File, *os.File) {
	from, say := r.pipe()
	hold, release := r.pipe()
	s := help("hog", mib).with(say, hold)
	if below {
		s = sh(`"$0" -helper hog "$1"; echo "hog $?" >&3; read x <&4`, say, hold)
		s.Argv = append(s.Argv, self(), mib)
	}
	s.Limits = &cgroup.Limits{Memory: 64 << 20}
	r.Cleanup(func() { say.Close() })
	return s, from, release
}

// TestMemoryMax lets the main process of a run want more than it may have: it is killed alone, and that is told.
func TestMemoryMax(t *testing.T) {
	r := newLimitedRig(t, "memory")
	s, _, _ := hog(r, "512", false)
	run := r.start(s)
	other, from, release := hog(r, "8", false)
	beside := r.start(other)
	r.line(from)
	if e := r.exited(run); e.OOM != OwnOOM || !e.Status.Signaled() || e.Status.Signal() != syscall.SIGKILL {
		t.Errorf("the hog: %+v", e)
	}
	r.empty(run)
	release.Close()
	if e := r.exited(beside); e.OOM != NoOOM || e.Status.ExitStatus() != 0 {
		t.Errorf("the other: %+v", e)
	}
	r.empty(beside)
	r.wantNone()
}

// TestMemoryMaxBelow has a descendant killed while the main process lives on. That is told once, and is no word about the
// end of the main process, were it a SIGKILL too.
func TestMemoryMaxBelow(t *testing.T) {
	r := newLimitedRig(t, "memory")
	s, from, _ := hog(r, "512", true)
	run := r.start(s)
	if line := r.line(from); line != "hog 137" {
		t.Fatalf("the shell says %q", line)
	}
	e := await(r, func(OutOfMemory) bool { return true })
	if e.Run != run || e.Kills != 1 || e.OOM != OwnOOM {
		t.Errorf("told: %+v", e)
	}
	r.signalled(run, syscall.SIGKILL)
	r.wantNone()
}

// TestMemoryMaxBelowAtOnce has the main process end as soon as it sees that its child was killed.
func TestMemoryMaxBelowAtOnce(t *testing.T) {
	r := newLimitedRig(t, "memory")
	s, _, release := hog(r, "512", true)
	release.Close()
	run := r.start(s)
	e := await(r, func(OutOfMemory) bool { return true })
	if e.Run != run || e.Kills != 1 || e.OOM != OwnOOM {
		t.Errorf("told: %+v", e)
	}
	if e := r.exited(run); e.OOM != NoOOM || e.Status.Signaled() {
		t.Errorf("the shell: %+v", e)
	}
	r.empty(run)
	r.wantNone()
}

// TestKilledNotByOOM holds that a SIGKILL of somebody else is none of the kernel's.
func TestKilledNotByOOM(t *testing.T) {
	r := newLimitedRig(t, "memory")
	s, from, _ := hog(r, "8", false)
	run := r.start(s)
	r.line(from)
	r.signalled(run, syscall.SIGKILL)
	r.wantNone()
}

// signalled ends a run by a signal from outside.
func (g *rig) signalled(run uint64, sig syscall.Signal) {
	g.Helper()
	if err := g.Send(run, sig); err != nil {
		g.Fatal(err)
	}
	if e := g.exited(run); e.OOM != NoOOM || e.Status.Signal() != sig {
		g.Errorf("ended by %+v", e)
	}
	g.empty(run)
}

// wantNone demands that nobody else was told of.
func (g *rig) wantNone() {
	g.Helper()
	for len(g.events) > 0 {
		if e, ok := (<-g.events).(OutOfMemory); ok {
			g.Errorf("told once more: %+v", e)
		}
	}
}

// TestPidsMax has a run that may fork so often and no more.
func TestPidsMax(t *testing.T) {
	r := newLimitedRig(t, "pids")
	from, say := r.pipe()
	hold, _ := r.pipe()
	s := sh(`for i in 1 2 3 4; do read x <&4 & done; echo all >&3`, say, hold)
	s.Argv = []string{"/bin/sh", "-c", s.Argv[2] + `; exit 0`}
	s.Limits = &cgroup.Limits{Pids: 3}
	s.Files[2] = say // where the shell complains
	run := r.start(s)
	if line := r.line(from); !strings.Contains(strings.ToLower(line), "fork") {
		t.Errorf("it says %q", line)
	}
	r.Kill(run)
	r.empty(run)
}

// TestCPUWeight reads back what was written.
func TestCPUWeight(t *testing.T) {
	r := newLimitedRig(t, "cpu")
	hold, _ := r.pipe()
	s := sh("read x <&3", hold)
	s.Limits = &cgroup.Limits{Weight: 50}
	run := r.start(s)
	text, err := os.ReadFile(filepath.Join(r.runs[run].group, "cpu.weight"))
	if err != nil || string(text) != "50\n" {
		t.Errorf("cpu.weight is %q, %v", text, err)
	}
	r.Kill(run)
	r.empty(run)
}

// TestLimitsWithoutGroups starts a run whose limits cannot be kept, and tells of each.
func TestLimitsWithoutGroups(t *testing.T) {
	r := newRig(t, false)
	s := sh("exit 0")
	s.Limits = &cgroup.Limits{Memory: 64 << 20, Pids: 10}
	run := r.start(s)
	r.empty(run)
	var told []string
	for _, e := range r.seen {
		if u, ok := e.(Unlimited); ok && u.Run == run && u.Why == errNotWanted {
			told = append(told, u.Key+" "+u.Value)
		}
	}
	if got := strings.Join(told, ", "); got != "memory_max 64MiB, pids_max 10" {
		t.Errorf("told: %s; all: %v", got, r.seen)
	}
}
