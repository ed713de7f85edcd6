package process

import (
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary be several programs: the tests, the helper commands that they start, and the tests once
// more in another world (worlds_test.go).
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "-helper" {
		code := helper(os.Args[2], os.Args[3:])
		// Not os.Exit, for the race detector would sleep a second in each helper.
		_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, uintptr(code), 0, 0)
	}
	enterWorld()
	os.Exit(m.Run())
}

// skip skips a test that cannot be had here, and fails it where everything is expected to be had.
func skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("LASTOUT_CI") == "1" {
		t.Fatalf("cannot be tested here, and should be: %s", reason)
	}
	t.Skip(reason)
}

// bound is how long a test waits for what must come; it is no part of any measurement.
const bound = 30 * time.Second

// rig is a reaper under test, with a spawner and the events so far.
type rig struct {
	testing.TB
	*Reaper
	spawner *Spawner
	events  chan Event
	seen    []Event
}

// runNumber rises over the whole life of the test binary, as a supervisor's does.
var runNumber atomic.Uint64

// inBothModes runs a test with cgroups, where they can be had, and without.
func inBothModes(t *testing.T, f func(r *rig)) {
	t.Helper()
	t.Run("descent", func(t *testing.T) { f(newRig(t, false)) })
	t.Run("cgroup", func(t *testing.T) { f(newRig(t, true)) })
}

func newRig(t testing.TB, cgroup bool) *rig {
	t.Helper()
	g := &rig{TB: t, spawner: NewSpawner(), events: make(chan Event, 1<<16)}
	var err error
	g.Reaper, err = New(Options{
		Name: "test", NoCgroup: !cgroup,
		Notify: func(e Event) { g.events <- e },
	})
	if err != nil {
		t.Fatal(err)
	}
	stop, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		g.spawner.Serve(stop)
	}()
	t.Cleanup(func() {
		close(stop)
		<-over
		g.clear()
	})
	if c := g.Capabilities(); cgroup && c.Cgroup == "" {
		skip(t, "no cgroups: "+c.NoCgroup)
	}
	return g
}

// clear kills whatever a test has left and demands that nothing stays: no process, no cgroup.
func (g *rig) clear() {
	g.mu.Lock()
	for id := range g.runs {
		g.runs[id].forgotten = true
	}
	g.mu.Unlock()
	g.Sweep(syscall.SIGKILL, false)
	await[Swept](g, func(s Swept) bool { return len(s.Left) == 0 })
	if err := g.Reaper.Close(); err != nil {
		g.Error(err)
	}
	for endedChild() != 0 {
		var status syscall.WaitStatus
		_, _ = syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
	}
	if err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != unix.ECHILD {
		g.Errorf("there are children left (%v)", err)
	}
}

// await returns the next event of a type that holds, and keeps those before it in seen.
func await[E Event](g *rig, holds func(E) bool) E {
	g.Helper()
	timer := time.NewTimer(bound)
	defer timer.Stop()
	for {
		select {
		case e := <-g.events:
			g.seen = append(g.seen, e)
			if e, ok := e.(E); ok && holds(e) {
				return e
			}
		case <-timer.C:
			buf := make([]byte, 1<<16)
			var none E
			g.Fatalf("no %T came; seen: %v\n%s", none, g.seen, buf[:runtime.Stack(buf, true)])
		}
	}
}

func (g *rig) exited(run uint64) Exited {
	g.Helper()
	if i := slices.IndexFunc(g.seen, func(e Event) bool { x, ok := e.(Exited); return ok && x.Run == run }); i >= 0 {
		return g.seen[i].(Exited)
	}
	return await(g, func(e Exited) bool { return e.Run == run })
}

func (g *rig) empty(run uint64) {
	g.Helper()
	if !slices.Contains(g.seen, Event(Empty{Run: run})) {
		await(g, func(e Empty) bool { return e.Run == run })
	}
}

// begin starts a program on the spawner's thread.
func (g *rig) begin(s Spec) (uint64, error) {
	s.Run = runNumber.Add(1)
	if s.Name == "" {
		s.Name = "child"
	}
	if s.Env == nil {
		s.Env = os.Environ()
	}
	answer := make(chan error, 1)
	g.spawner.Do(func() { answer <- g.Reaper.Start(s) })
	return s.Run, <-answer
}

// start starts what must start.
func (g *rig) start(s Spec) uint64 {
	g.Helper()
	run, err := g.begin(s)
	if err != nil {
		g.Fatalf("start %v: %v", s.Argv, err)
	}
	return run
}

// sh is a shell script with its descriptors from 0 on.
func sh(script string, files ...*os.File) Spec {
	return Spec{Argv: []string{"/bin/sh", "-c", script}, Files: append([]*os.File{nil, nil, os.Stderr}, files...)}
}

// help is a helper command with its descriptors from 3 on.
func help(name string, args ...string) Spec {
	return Spec{Argv: append([]string{self(), "-helper", name}, args...), Files: []*os.File{nil, nil, os.Stderr}}
}

func (s Spec) with(files ...*os.File) Spec {
	s.Files = append(s.Files, files...)
	return s
}

func self() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}

// pipe returns both ends of a pipe, closed at the end of the test.
func (g *rig) pipe() (r, w *os.File) {
	g.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// line reads up to the end of a line, within the bound.
func (g *rig) line(f *os.File) string {
	g.Helper()
	if err := f.SetReadDeadline(time.Now().Add(bound)); err != nil {
		g.Fatal(err)
	}
	var b []byte
	for {
		var c [1]byte
		if _, err := f.Read(c[:]); err != nil {
			g.Fatalf("after %q: %v", b, err)
		}
		if c[0] == '\n' {
			return string(b)
		}
		b = append(b, c[0])
	}
}
