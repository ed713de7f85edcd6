package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// pid reads a process id that a child wrote to a file.
func (r *rig) pid(name string) int {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		r.t.Fatal(err)
	}
	return pid
}

// lives says whether a process runs: a zombie does not.
func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	state := stat[bytes.LastIndexByte(stat, ')')+2]
	return state != 'Z' && state != 'X'
}

// find is the first report that fits; it must be there.
func (r *rig) find(what string, fits func(supervisor.Report) bool) supervisor.Report {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.IndexFunc(r.reports, fits); i >= 0 {
		return r.reports[i]
	}
	r.t.Fatalf("no report: %s", what)
	panic("not reached")
}

// ignoring is a script that does not hear TERM.
const ignoring = "trap '' TERM; echo up; while :; do sleep 1000; done"

func TestUpAndDownInOrder(t *testing.T) {
	r := newRig(t)
	r.add("db", ordering.Service, "exec sleep 1000")
	r.add("api", ordering.Worker, "exec sleep 1000", "db")
	r.add("edge", ordering.Gateway, "exec sleep 1000", "api", "db")
	r.start()
	r.state("edge", supervisor.Ready)
	if out := r.stop(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	var told []string
	for _, rep := range r.reports {
		if rep.Kind == supervisor.KindSignal {
			told = append(told, rep.Instance)
		}
	}
	if !slices.Equal(told, []string{"api", "edge", "db"}) {
		t.Errorf("told %v, want api, edge, db", told)
	}
	if last := r.reports[len(r.reports)-1]; last.Kind != supervisor.KindFinish {
		t.Errorf("the last report is %q, want finish", last.Kind)
	}
}

// A worker that ignores TERM is killed at its timeout, and its gateway is told only when it is gone.
func TestIgnoringWorkerOfFlesh(t *testing.T) {
	bothWays(t, func(t *testing.T, r *rig) {
		r.add("api", ordering.Worker, ignoring).Stop[0].Timeout = 200 * time.Millisecond
		r.add("edge", ordering.Gateway, "exec sleep 1000", "api")
		r.start()
		r.state("edge", supervisor.Ready)
		r.out.await("api | up")
		out := r.stop()
		if out.Code != 3 || !slices.Equal(out.Killed, []string{"api"}) {
			t.Errorf("outcome %+v, want code 3 with api killed", out)
		}
		told, killed := r.first(supervisor.KindSignal, "api"), r.first(supervisor.KindKill, "api")
		gone, edge := r.first(supervisor.KindGone, "api"), r.first(supervisor.KindSignal, "edge")
		if killed.At-told.At < 200*time.Millisecond {
			t.Errorf("killed %v after it was told, want 200ms", killed.At-told.At)
		}
		if edge.At < gone.At {
			t.Errorf("edge was told at %v, before api was gone at %v", edge.At, gone.At)
		}
	})
}

// A grandchild in another session holds the gateway back, until it is killed with the rest of its tree.
func TestDaemonisedGrandchildHoldsTheGatewayBack(t *testing.T) {
	bothWays(t, func(t *testing.T, r *rig) {
		r.add("api", ordering.Worker,
			"setsid sh -c 'trap \"\" TERM; echo $$ >$DIR/pid; echo the daemon is up; while :; do sleep 1000; done' & exec sleep 1000").
			Stop[0].Timeout = 200 * time.Millisecond
		r.add("edge", ordering.Gateway, "exec sleep 1000", "api")
		r.start()
		r.state("edge", supervisor.Ready)
		r.out.await("the daemon is up")
		if out := r.stop(); out.Code != 3 {
			t.Errorf("outcome %+v, want code 3", out)
		}
		exit, gone := r.first(supervisor.KindExit, "api"), r.first(supervisor.KindGone, "api")
		edge := r.first(supervisor.KindSignal, "edge")
		if exit.Left == 0 || gone.At-r.first(supervisor.KindSignal, "api").At < 200*time.Millisecond || edge.At < gone.At {
			t.Errorf("exit with %d left at %v, gone at %v, edge told at %v", exit.Left, exit.At, gone.At, edge.At)
		}
		if lives(r.pid("pid")) {
			t.Error("the daemon is still there")
		}
	})
}

// What cannot be started says exactly why, and who needs it does not start.
func TestFailingExec(t *testing.T) {
	r := newRig(t)
	r.add("api", ordering.Worker, "").Process.Instances[0].Command.Argv = []string{"./apii"}
	r.add("edge", ordering.Gateway, "exec sleep 1000", "api")
	r.start()
	if out := r.wait(); out.Code != 1 {
		t.Errorf("outcome %+v, want code 1", out)
	}
	if cause := r.state("api", supervisor.Failed).Cause; cause != "cannot start: exec ./apii: no such file or directory" {
		t.Errorf("cause %q", cause)
	}
	if r.has(supervisor.KindSignal, "edge") || len(r.host.children) > 0 || len(r.host.runs) > 0 {
		t.Errorf("left behind: %d children, %d runs", len(r.host.children), len(r.host.runs))
	}
}

// A spawn that is still in the queue when the shutdown begins is never executed; the loop answers while an exec hangs.
func TestQueuedSpawnIsTakenBack(t *testing.T) {
	r := newRig(t)
	r.add("api", ordering.Worker, "touch $DIR/ran; exec sleep 1000")
	r.prepare()
	hang := make(chan struct{})
	r.spawner.Do(func() { <-hang })
	r.serve()
	r.begin()
	if s, ok := r.host.Snapshot(); !ok || s.Instances[0].State != supervisor.Starting {
		t.Errorf("snapshot %+v", s)
	}
	if out := r.stop(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	close(hang)
	done := make(chan struct{})
	r.spawner.Do(func() { close(done) })
	<-done
	if _, err := os.Stat(filepath.Join(r.dir, "ran")); err == nil {
		t.Error("the program was started after the end")
	}
	if _, ok := r.host.Snapshot(); ok {
		t.Error("a snapshot after the end")
	}
}

// The tree is stopped at every moment of its start, with a child that crashes again and again: each cycle ends, nobody
// survives, and nobody starts after the stop.
func TestStopAtAnyMoment(t *testing.T) {
	cycles := 60
	if testing.Short() {
		cycles = 10
	}
	for seed := range uint64(cycles) {
		r := newRig(t)
		r.add("api", ordering.Worker, "exec sleep 1000")
		r.add("crash", ordering.Worker, "sleep 1000 & exit 1").Restart = supervisor.RestartAlways
		r.add("edge", ordering.Gateway, "exec sleep 1000", "api").
			hook(supervisor.PreStart, r.shell("exit 0"), patient)
		news, after := make(chan struct{}, 1), rand.New(rand.NewPCG(seed, 2)).IntN(40)
		down, late := false, 0
		seen := 0
		r.count = func(rep supervisor.Report) {
			if seen++; seen == after {
				news <- struct{}{}
			}
			down = down || rep.Kind == supervisor.KindPhase && rep.Phase == supervisor.Announcing
			if down && rep.State == supervisor.Starting {
				late++
			}
		}
		r.start()
		if after > 0 {
			<-news
		}
		out := r.stop()
		kept := 0 // a hook that was killed may be, for it was swept
		for _, c := range r.host.runs {
			if !c.hook {
				kept++
			}
		}
		if out.Code != 0 || len(out.Survived) > 0 || late > 0 || kept > 0 {
			t.Errorf("seed %d: outcome %+v, %d late starts, %d runs kept", seed, out, late, kept)
		}
		r.close()
	}
}

// What a crash leaves behind is cleared away before the restart.
func TestCrashIsRestarted(t *testing.T) {
	bothWays(t, func(t *testing.T, r *rig) {
		api := r.add("api", ordering.Worker,
			"if mkdir $DIR/first 2>/dev/null; then sleep 1000 & echo $! >$DIR/pid; exit 7; fi; exec sleep 1000")
		api.Restart = supervisor.RestartOnFailure
		r.start()
		r.await("retry", func(rep supervisor.Report) bool { return rep.Kind == supervisor.KindRetry })
		if lives(r.pid("pid")) {
			t.Error("the first run's child lives on when the second begins")
		}
		exit := r.first(supervisor.KindExit, "api")
		if *exit.Exit != (supervisor.Exit{Code: 7}) {
			t.Errorf("exit %+v", exit.Exit)
		}
		r.await("second life", func(rep supervisor.Report) bool {
			return rep.State == supervisor.Ready && rep.Run > exit.Run
		})
		r.stop()
	})
}
