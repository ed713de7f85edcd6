package process

import (
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastout/process/signame"
)

func TestExitStatus(t *testing.T) {
	inBothModes(t, func(r *rig) {
		run := r.start(sh("exit 7"))
		if e := r.exited(run); !e.Status.Exited() || e.Status.ExitStatus() != 7 || e.Left != 0 {
			r.Errorf("got %+v, want exit 7 and nobody left", e)
		}
		r.empty(run)
		for _, sig := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGKILL, signame.RTMin + 3} {
			run = r.start(sh(fmt.Sprintf("kill -%d $$", sig)))
			if e := r.exited(run); !e.Status.Signaled() || e.Status.Signal() != sig {
				r.Errorf("got %+v, want killed by %s", e, signame.Of(sig))
			}
			r.empty(run)
		}
	})
}

func TestEventsComeInOrder(t *testing.T) {
	inBothModes(t, func(r *rig) {
		run := r.start(sh("exit 0"))
		r.empty(run)
		pid := 0
		var kinds []string
		for _, e := range r.seen {
			kinds = append(kinds, fmt.Sprintf("%T", e))
			if s, ok := e.(Started); ok {
				pid = s.PID
			}
		}
		want := []string{"process.Started", "process.Exited", "process.Empty"}
		if !slices.Equal(kinds, want) || pid == 0 {
			r.Errorf("got %v (pid %d), want %v", kinds, pid, want)
		}
	})
}

// TestThousandChildren lets a thousand come and go, each of them reaped exactly once and with its own status.
func TestThousandChildren(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 100
	}
	inBothModes(t, func(r *rig) {
		want := map[uint64]int{}
		for i := range n {
			want[r.start(sh(fmt.Sprintf("exit %d", i%200)))] = i % 200
		}
		exits, empties := map[uint64]int{}, map[uint64]int{}
		for len(empties) < n {
			await(r, func(e Empty) bool { empties[e.Run]++; return true })
		}
		for _, e := range r.seen {
			if e, ok := e.(Exited); ok {
				exits[e.Run]++
				if e.Status.ExitStatus() != want[e.Run] || e.Left != 0 {
					r.Errorf("got %+v, want exit %d", e, want[e.Run])
				}
			}
		}
		for run := range want {
			if exits[run] != 1 || empties[run] != 1 {
				r.Errorf("run %d exited %d times and was empty %d times", run, exits[run], empties[run])
			}
		}
	})
}

// TestCoalescedExits ends many children at the same moment: far fewer SIGCHLDs than exits.
func TestCoalescedExits(t *testing.T) {
	inBothModes(t, func(r *rig) {
		hold, release := r.pipe()
		var runs []uint64
		for range 200 {
			runs = append(runs, r.start(sh("read x <&3; exit 3", hold)))
		}
		release.Close()
		for _, run := range runs {
			if e := r.exited(run); e.Status.ExitStatus() != 3 {
				r.Errorf("got %+v, want exit 3", e)
			}
			r.empty(run)
		}
	})
}

// TestExitBeforeRegistered has a child reaped before Start knows its pid, orphans of the same run too.
func TestExitBeforeRegistered(t *testing.T) {
	inBothModes(t, func(r *rig) {
		hold, release := r.pipe()
		answer := make(chan error, 1)
		var run uint64
		r.spawner.Do(func() {
			run = runNumber.Add(1)
			s := sh("(exit 3) & (read x <&3) & exit 6", hold)
			s.Run, s.Name = run, "early"
			x, err := r.Reaper.begin(s)
			if err != nil {
				answer <- err
				return
			}
			c, err := r.fork(s, "/bin/sh", x)
			if err != nil {
				answer <- err
				return
			}
			for unix.Kill(c.pid, 0) != unix.ESRCH {
				runtime.Gosched() // until it is reaped, which nothing announces, for nobody knows it
			}
			r.register(x, c)
			r.deliver()
			answer <- nil
		})
		if err := <-answer; err != nil {
			r.Fatal(err)
		}
		e := r.exited(run)
		if e.Status.ExitStatus() != 6 || e.Left == 0 {
			r.Errorf("got %+v, want exit 6 and somebody left", e)
		}
		if s, ok := r.seen[0].(Started); !ok || s.Run != run {
			r.Errorf("the first event is %+v, want Started", r.seen[0])
		}
		release.Close()
		r.empty(run)
	})
}

// TestOthersGoOnDuringSpawn has a fork under way for as long as it takes others to start, end and be reaped: it holds
// nobody.
func TestOthersGoOnDuringSpawn(t *testing.T) {
	inBothModes(t, func(r *rig) {
		hold, release := r.pipe()
		run := r.start(sh("read x <&3; (exit 1) & wait; exit 4", hold))
		s := sh("exit 5")
		s.Run, s.Name = runNumber.Add(1), "slow"
		x, err := r.Reaper.begin(s) // from here on it is as if exec hung
		if err != nil {
			r.Fatal(err)
		}
		release.Close()
		if e := r.exited(run); e.Status.ExitStatus() != 4 {
			r.Errorf("got %+v, want exit 4", e)
		}
		r.empty(run)
		if err := r.Signal(s.Run, syscall.SIGTERM, Leader); err != nil {
			r.Errorf("a run that is being started: %v", err)
		}
		r.Members(s.Run)
		r.abandon(x)
	})
}

func TestStartRefuses(t *testing.T) {
	r := newRig(t, false)
	hold, release := r.pipe()
	run := r.start(sh("read x <&3", hold))
	s := sh("exit 0")
	s.Run = run
	if err := r.Reaper.Start(s); err == nil {
		t.Error("two runs of one number")
	}
	s.Run = 0
	if err := r.Reaper.Start(s); err == nil {
		t.Error("run 0 is nobody's")
	}
	release.Close()
	r.empty(run)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error("a second Close:", err)
	}
	s.Run = runNumber.Add(1)
	if err := r.Reaper.Start(s); err == nil {
		t.Error("a start after Close")
	}
}

// TestNotifyMayCallBack calls the reaper from inside a notification, also what notifies itself.
func TestNotifyMayCallBack(t *testing.T) {
	r := newRig(t, false)
	inner := r.notify
	r.mu.Lock()
	r.notify = func(e Event) {
		if e, ok := e.(Started); ok {
			r.Members(e.Run)
			r.Owner(e.PID)
			r.Sweep(0, true)
			r.Kill(e.Run)
		}
		inner(e)
	}
	r.mu.Unlock()
	hold, _ := r.pipe()
	run := r.start(sh("read x <&3", hold))
	if e := r.exited(run); e.Status.Signal() != syscall.SIGKILL {
		t.Errorf("got %+v, want killed", e)
	}
	r.empty(run)
	if !slices.ContainsFunc(r.seen, func(e Event) bool { _, ok := e.(Swept); return ok }) {
		t.Error("no Swept came")
	}
}

func TestStatus(t *testing.T) {
	r := newRig(t, false)
	from, say := r.pipe()
	hold, _ := r.pipe()
	run := r.start(sh("echo up >&3; read x <&4", say, hold))
	r.line(from)
	pid := r.Members(run)[0].PID
	s, err := r.Status(pid)
	if err != nil || s.Comm != "sh" || s.RSS <= 0 || s.CPU < 0 || s.CPU > time.Minute {
		t.Errorf("got %+v, %v", s, err)
	}
	r.Kill(run)
	r.empty(run)
	if _, err := r.Status(pid); err == nil {
		t.Error("the status of nobody")
	}
}

func BenchmarkSpawnReap1000(b *testing.B) {
	for _, mode := range []struct {
		name   string
		cgroup bool
	}{{"descent", false}, {"cgroup", true}} {
		b.Run(mode.name, func(b *testing.B) {
			r := newRig(b, mode.cgroup)
			for b.Loop() {
				for range 1000 {
					r.start(Spec{Argv: []string{"/bin/true"}, Env: []string{}})
				}
				for n := 0; n < 1000; n++ {
					await(r, func(Empty) bool { return true })
				}
				r.seen = r.seen[:0]
			}
		})
	}
}

// BenchmarkKill1000 kills a thousand at once.
func BenchmarkKill1000(b *testing.B) {
	r := newRig(b, false)
	for b.Loop() {
		b.StopTimer()
		hold, release := r.pipe()
		var runs []uint64
		for range 1000 {
			runs = append(runs, r.start(Spec{Argv: []string{"/bin/cat"}, Env: []string{}, Files: toFiles(hold)}))
		}
		b.StartTimer()
		for _, run := range runs {
			r.Kill(run)
		}
		for range runs {
			await(r, func(Empty) bool { return true })
		}
		r.seen = r.seen[:0]
		release.Close()
		hold.Close()
	}
}

// BenchmarkExitAmong1000 has one come and go while a thousand others stay.
func BenchmarkExitAmong1000(b *testing.B) {
	r := newRig(b, false)
	hold, _ := r.pipe()
	for range 1000 {
		r.start(Spec{Argv: []string{"/bin/cat"}, Env: []string{}, Files: toFiles(hold)})
	}
	for b.Loop() {
		r.empty(r.start(Spec{Argv: []string{"/bin/true"}, Env: []string{}}))
		r.seen = r.seen[:0]
	}
}

// TestMarkedTwice has a run marked again while it is found empty, as a late notice of its cgroup does.
func TestMarkedTwice(t *testing.T) {
	r := newRig(t, false)
	hold, release := r.pipe()
	run := r.start(sh("read x <&3", hold))
	r.mu.Lock()
	x := r.runs[run]
	r.mu.Unlock()
	release.Close()
	r.empty(run)
	r.mu.Lock()
	r.mark(x)
	r.mu.Unlock()
	r.empty(r.start(sh("exit 0")))
	n := 0
	for _, e := range r.seen {
		if e == Event(Empty{Run: run}) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("it was called empty %d times", n)
	}
}
