package process

import (
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// succeed puts a successor in the reaper's place, as after an exec: the old one does nothing any more. Meanwhile is what
// happens while nobody reaps.
func (g *rig) succeed(meanwhile func()) {
	g.Helper()
	old := g.Reaper
	old.Pause()
	k, err := old.Keep()
	if err != nil {
		g.Fatal(err)
	}
	if err := k.Check(); err != nil {
		g.Fatal(err)
	}
	if k.proc, err = unix.FcntlInt(uintptr(old.proc.dir), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		g.Fatal(err)
	}
	signal.Stop(old.sigchld)
	close(old.stop)
	<-old.stopped
	if old.watch != nil {
		old.watch.close()
	}
	for _, x := range old.runs {
		x.closePidfd()
	}
	old.null.Close()
	old.proc.close()
	meanwhile()
	if g.Reaper, err = Restore(Options{Name: old.name, Notify: func(e Event) { g.events <- e }}, k); err != nil {
		g.Fatal(err)
	}
}

func TestSuccessor(t *testing.T) {
	inBothModes(t, func(g *rig) {
		r, w := g.pipe()
		stays := g.start(sh(`echo up >&3; exec sleep 600`).with(w))
		g.line(r)
		dies := g.start(sh(`echo up >&3; exec sleep 600`).with(w))
		g.line(r)
		// One whose main process has gone already, and one of whose tree is adopted; it has no mark of its own left.
		leaves := g.start(sh(`(trap "" HUP; exec setsid sleep 600) & echo up >&3; exit 3`).with(w))
		g.line(r)
		if e := g.exited(leaves); e.Status.ExitStatus() != 3 || e.Left == 0 {
			t.Errorf("%+v", e)
		}
		late := g.start(sh(`trap 'exit 5' TERM; echo up >&3; while :; do sleep 0.01; done`).with(w))
		g.line(r)
		g.succeed(func() {
			g.signalAndWait(dies, syscall.SIGKILL)
			g.signalAndWait(stays, syscall.SIGTERM)
		})
		if e := g.exited(dies); e.Status.Signal() != syscall.SIGKILL {
			t.Errorf("died in between: %+v", e)
		}
		g.empty(dies)
		g.exited(stays)
		g.succeed(func() {})
		if err := g.Signal(late, syscall.SIGTERM, Leader); err != nil {
			t.Error(err)
		}
		if e := g.exited(late); e.Status.ExitStatus() != 5 {
			t.Errorf("died later: %+v", e)
		}
		g.Kill(leaves)
		g.empty(leaves)
		after := g.start(sh(`exit 4`))
		if e := g.exited(after); e.Status.ExitStatus() != 4 {
			t.Errorf("started later: %+v", e)
		}
		g.empty(after)
		for _, run := range []uint64{stays, dies, leaves, late, after} {
			if n := g.countExits(run); n != 1 {
				t.Errorf("run %d ended %d times", run, n)
			}
		}
	})
}

// signalAndWait signals a main process while nobody reaps, and waits until it is a zombie.
func (g *rig) signalAndWait(run uint64, sig syscall.Signal) {
	g.Helper()
	pid := 0
	for _, e := range g.seen {
		if s, ok := e.(Started); ok && s.Run == run {
			pid = s.PID
		}
	}
	if pid == 0 {
		pid = await(g, func(e Started) bool { return e.Run == run }).PID
	}
	if err := unix.Kill(pid, sig); err != nil {
		g.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		g.Fatal(err)
	}
}

func (g *rig) countExits(run uint64) (n int) {
	for _, e := range g.seen {
		if x, ok := e.(Exited); ok && x.Run == run {
			n++
		}
	}
	return n
}

// TestPauseResume holds the reaper up and lets it go on: what came meanwhile is seen then.
func TestPauseResume(t *testing.T) {
	inBothModes(t, func(g *rig) {
		for range 20 {
			run := g.start(sh(`exit 2`))
			g.Pause()
			g.Resume()
			if e := g.exited(run); e.Status.ExitStatus() != 2 {
				t.Errorf("%+v", e)
			}
			g.empty(run)
		}
	})
}

// TestKeepRefuses has it say what cannot be kept.
func TestKeepRefuses(t *testing.T) {
	g := newRig(t, false)
	r, w := g.pipe()
	run := g.start(sh(`trap "" TERM; echo up >&3; exec sleep 600`).with(w))
	g.line(r)
	g.Forget(run)
	g.Sweep(syscall.SIGTERM, false)
	g.Pause()
	if _, err := g.Keep(); err == nil {
		t.Error("a sweep is kept")
	}
	g.Resume()
	g.Sweep(syscall.SIGKILL, false)
	await(g, func(s Swept) bool { return len(s.Left) == 0 })
}

// TestNotifySuccessor hands a notify socket on with messages in it.
func TestNotifySuccessor(t *testing.T) {
	g := newRig(t, false)
	got := make(chan Message, 10)
	take := func(m Message) { got <- m }
	n, err := ListenNotify(1<<40, g.Reaper, take)
	if err != nil {
		t.Fatal(err)
	}
	send := func(text string) { // by one who has ended when it is read
		run := g.start(tell(n, text))
		if e := g.exited(run); e.Status != 0 {
			t.Fatalf("%+v", e)
		}
	}
	n.Pause()
	send("STATUS=one")
	n.Resume()
	if (<-got).Status != "one" {
		t.Error("what came in a pause is lost")
	}
	n.Pause()
	send("STATUS=two")
	fd, err := unix.FcntlInt(uintptr(n.Keep()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	addr := n.Addr()
	n.conn.Close()
	if n, err = RestoreNotify(fd, 1<<40, g.Reaper, take); err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if n.Addr() != addr {
		t.Errorf("%q is %q", addr, n.Addr())
	}
	if (<-got).Status != "two" {
		t.Error("what came in between is lost")
	}
}
