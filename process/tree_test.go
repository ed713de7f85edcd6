package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func toFiles(f ...*os.File) []*os.File { return f }

func atoi(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// notEmptyYet fails if the run was called empty so far. All events before a deliberate act of the test are in.
func (g *rig) notEmptyYet(run uint64) {
	g.Helper()
	for {
		select {
		case e := <-g.events:
			g.seen = append(g.seen, e)
			continue
		default:
		}
		break
	}
	if slices.Contains(g.seen, Event(Empty{Run: run})) {
		g.Errorf("run %d is called empty, and is not", run)
	}
}

// TestDaemon has a worker whose child becomes a daemon: double fork, a session of its own, no environment, all
// descriptors closed but two. It is the worker's, and holds Empty back.
func TestDaemon(t *testing.T) {
	for _, forks := range []string{"1", "2", "3"} {
		t.Run(forks, func(t *testing.T) {
			inBothModes(t, func(r *rig) {
				from, say := r.pipe()
				hold, release := r.pipe()
				run := r.start(help("daemon", forks).with(say, hold))
				pid := atoi(r, r.line(from))
				if e := r.exited(run); e.Left < 1 || e.Status.ExitStatus() != 0 {
					r.Errorf("got %+v, want somebody left", e)
				}
				if owner, ok := r.Owner(pid); !ok || owner != run {
					r.Errorf("the daemon belongs to %d %v, want %d", owner, ok, run)
				}
				// Another run comes and goes, so that the reaper looks once more.
				r.empty(r.start(sh("exit 0")))
				r.notEmptyYet(run)
				m := r.Members(run) // and maybe one of those between, on its way out
				if !slices.Contains(m, Member{PID: pid, Run: run, Comm: comm(self())}) {
					r.Errorf("members %+v, want the daemon %d", m, pid)
				}
				release.Close()
				r.empty(run)
				if _, ok := r.Owner(pid); ok {
					r.Error("nobody belongs to somebody")
				}
			})
		})
	}
}

// TestRestHearsSignal has a main process that leaves children behind: in its group, in a session of its own, and below
// another one. The Leader scope reaches none of them, the Rest scope all.
func TestRestHearsSignal(t *testing.T) {
	inBothModes(t, func(r *rig) {
		from, say := r.pipe()
		hold, _ := r.pipe()
		script := `trap 'echo leader >&3; exit 0' USR1
			wait_for_term() { trap "echo $1 >&3; exit 0" TERM; echo up >&3; while :; do read x <&4; done; }
			wait_for_term group &
			setsid sh -c 'trap "echo session >&3; exit 0" TERM; echo up >&3; while :; do read x <&4; done' &
			(wait_for_term below & trap "" TERM; wait) &
			while :; do wait; done`
		run := r.start(sh(script, say, hold))
		for range 3 {
			if got := r.line(from); got != "up" {
				r.Fatalf("got %q", got)
			}
		}
		if err := r.Signal(run, syscall.SIGUSR1, Leader); err != nil {
			r.Fatal(err)
		}
		if got := r.line(from); got != "leader" {
			r.Fatalf("%q heard the signal to the leader", got)
		}
		if e := r.exited(run); e.Left < 3 {
			r.Errorf("got %+v, want at least 3 left", e)
		}
		if err := r.Signal(run, syscall.SIGTERM, Leader); err != nil {
			r.Errorf("a signal to a leader who is gone: %v", err)
		}
		if err := r.Signal(run, syscall.SIGTERM, Rest); err != nil {
			r.Fatal(err)
		}
		heard := []string{r.line(from), r.line(from), r.line(from)}
		slices.Sort(heard)
		if !slices.Equal(heard, []string{"below", "group", "session"}) {
			r.Errorf("heard by %v", heard)
		}
		r.empty(run)
		if err := r.Signal(run, syscall.SIGTERM, Rest); err != nil {
			r.Errorf("a signal to nobody: %v", err)
		}
	})
}

// TestRestSparesLeader tells all but the main process while that still runs.
func TestRestSparesLeader(t *testing.T) {
	inBothModes(t, func(r *rig) {
		from, say := r.pipe()
		hold, release := r.pipe()
		run := r.start(sh(`trap 'echo leader >&3' TERM
			(trap 'echo child >&3; exit 0' TERM; echo up >&3; while :; do read x <&4; done) &
			wait; echo over >&3; read x <&4`, say, hold))
		r.line(from)
		if err := r.Signal(run, syscall.SIGTERM, Rest); err != nil {
			r.Fatal(err)
		}
		if got := r.line(from) + " " + r.line(from); got != "child over" {
			r.Errorf("heard %q", got)
		}
		release.Close()
		r.empty(run)
	})
}

// TestFrozenHearsTerm freezes a process and asks it to leave.
func TestFrozenHearsTerm(t *testing.T) {
	inBothModes(t, func(r *rig) {
		from, say := r.pipe()
		run := r.start(sh(`trap 'exit 9' TERM; echo up >&3; while :; do kill -STOP $$; done`, say))
		r.line(from)
		pid := r.Members(run)[0].PID
		for s := (stat{}); s.state != 'T'; {
			var err error
			if s, err = r.proc.stat(pid); err != nil {
				r.Fatal(err)
			}
		}
		if err := r.Signal(run, syscall.SIGTERM, Leader); err != nil {
			r.Fatal(err)
		}
		if e := r.exited(run); e.Status.ExitStatus() != 9 {
			r.Errorf("got %+v, want exit 9", e)
		}
	})
}

// TestHops has a tree that consists of nobody but a process on its way from one double fork to the next. At no moment
// may it be called empty: when it is, all of the tree must have closed the pipe they share.
func TestHops(t *testing.T) {
	repeat := 10
	if testing.Short() {
		repeat = 2
	}
	inBothModes(t, func(r *rig) {
		var end [2]int
		hopping := uint64(0)
		inner := r.notify
		r.mu.Lock()
		r.notify = func(e Event) {
			if e == Event(Empty{Run: hopping}) {
				buf := make([]byte, 64)
				if n, err := unix.Read(end[0], buf); err != nil || string(buf[:n]) != "done\n" {
					r.Errorf("empty, and read %q, %v", buf[:max(n, 0)], err)
				}
				if n, err := unix.Read(end[0], buf); n != 0 || err != nil {
					r.Errorf("empty, and somebody holds the pipe (%d, %v)", n, err)
				}
			}
			inner(e)
		}
		r.mu.Unlock()
		for range repeat {
			if err := unix.Pipe2(end[:], unix.O_CLOEXEC); err != nil {
				r.Fatal(err)
			}
			if err := unix.SetNonblock(end[0], true); err != nil {
				r.Fatal(err)
			}
			w := os.NewFile(uintptr(end[1]), "pipe")
			hold, release := r.pipe()
			r.mu.Lock()
			hopping = runNumber.Load() + 1
			r.mu.Unlock()
			run := r.start(sh(`hop() { if [ $1 -gt 0 ]; then ( hop $(($1 - 1)) & ); else echo done >&3; fi; }
				read x <&4; hop 150`, w, hold))
			w.Close()
			release.Close()
			r.empty(run)
			unix.Close(end[0])
		}
	})
}

// TestLoweredLimits has a program that gives itself a limit of its own, which is nobody's tag: what it leaves behind is
// told by its process group.
func TestLoweredLimits(t *testing.T) {
	inBothModes(t, func(r *rig) {
		for _, hard := range []uint64{1 << 40, 200_000} {
			from, say := r.pipe()
			hold, release := r.pipe()
			run := r.start(help("lower", strconv.FormatUint(hard, 10)).with(say, hold))
			pid := atoi(r, r.line(from))
			r.exited(run)
			if owner, _ := r.Owner(pid); owner != run {
				r.Errorf("it belongs to %d, want %d", owner, run)
			}
			r.empty(r.start(sh("exit 0")))
			r.notEmptyYet(run)
			release.Close()
			r.empty(run)
		}
	})
}

// TestNested has a supervisor below the supervisor. Each attributes what is its own, and when the inner one is killed,
// its orphans are the outer run's.
func TestNested(t *testing.T) {
	inBothModes(t, func(r *rig) {
		for _, inner := range []uint64{1, 7, 1000} {
			from, say := r.pipe()
			hold, release := r.pipe()
			run := r.start(help("nested", strconv.FormatUint(inner, 10)).with(say, hold))
			var pid int
			var owner uint64
			var nested bool
			if _, err := fmt.Sscan(r.line(from), &pid, &owner, &nested); err != nil {
				r.Fatal(err)
			}
			if owner != inner || !nested {
				r.Errorf("below, it belongs to %d (nested %v), want %d", owner, nested, inner)
			}
			if owner, _ := r.Owner(pid); owner != run {
				r.Errorf("above, it belongs to %d, want %d", owner, run)
			}
			if err := r.Signal(run, syscall.SIGKILL, Leader); err != nil {
				r.Fatal(err)
			}
			e := r.exited(run)
			// Where the tests themselves run under a supervisor, or in another world, the inner one is the third: then only
			// a cgroup tells.
			if r.tags.step > 1 || r.Capabilities().Cgroup != "" {
				if owner, _ := r.Owner(pid); e.Left < 1 || owner != run {
					r.Errorf("%+v, and the orphan belongs to %d; want %d and somebody left", e, owner, run)
				}
			}
			release.Close()
			r.empty(run)
		}
	})
}

func TestOwner(t *testing.T) {
	inBothModes(t, func(r *rig) {
		from, say := r.pipe()
		hold, _ := r.pipe()
		run := r.start(sh("(echo up >&3; read x <&4) & read x <&4", say, hold))
		r.line(from)
		members := r.Members(run)
		if len(members) != 2 {
			r.Fatalf("members %v, want 2", members)
		}
		for _, m := range members {
			if owner, ok := r.Owner(m.PID); !ok || owner != run || m.Comm != "sh" {
				r.Errorf("%+v belongs to %d %v, want %d", m, owner, ok, run)
			}
		}
		for _, pid := range []int{os.Getpid(), 1, 0, -1, os.Getppid()} {
			if owner, ok := r.Owner(pid); ok {
				r.Errorf("pid %d belongs to %d", pid, owner)
			}
		}
	})
}

// comm is the name the kernel gives to who runs a program: its first 15 bytes.
func comm(path string) string {
	name := filepath.Base(path)
	return name[:min(len(name), 15)]
}

// TestStrangerInGroup has somebody in the cgroup of a run who is the child of another run's process: when he ends, it
// is his own parent that reaps him, and only the kernel's notice tells us.
func TestStrangerInGroup(t *testing.T) {
	r := newRig(t, true)
	from, say := r.pipe()
	hold, release := r.pipe()
	leave, left := r.pipe()
	run := r.start(sh("read x <&3", hold))
	r.mu.Lock()
	group := r.runs[run].group
	r.mu.Unlock()
	script := `sh -c 'echo $$ >"$0/cgroup.procs" && echo in >&3; read x <&4' "$0" & wait; echo reaped >&3; read x <&5`
	stay, _ := r.pipe()
	s := sh(script, say, leave, stay)
	s.Argv = append(s.Argv, group)
	other := r.start(s)
	if got := r.line(from); got != "in" {
		r.Fatalf("got %q", got)
	}
	release.Close()
	if e := r.exited(run); e.Left != 1 {
		t.Errorf("got %+v, want one left", e)
	}
	left.Close()
	r.line(from)
	r.empty(run)
	r.Kill(other)
	r.empty(other)
}

// TestForeignProc starts a supervisor in a PID namespace of its own that sees the /proc of another one.
func TestForeignProc(t *testing.T) {
	needRoot(t, "make a namespace")
	cmd := exec.Command(self(), "-helper", "boot", "/bin/sh", "-c", "echo $$; (exit 0) & (exit 0) & exit 0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		if errors.Is(err, unix.EPERM) {
			skip(t, "no PID namespace: "+err.Error())
		}
		t.Fatalf("%v\n%s", err, out)
	}
	if pid := atoi(t, strings.TrimSpace(string(out))); pid > 100 {
		t.Errorf("its child has the pid %d", pid)
	}
}
