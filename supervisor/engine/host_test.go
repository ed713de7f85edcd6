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
	"syscall"
	"testing"
	"time"

	"lastout/ordering"
	"lastout/process/output"
	"lastout/supervisor"
	"lastout/supervisor/config"
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

// 20,000 lines between SIGTERM and exit all arrive, in order, also while a grandchild of the tree or a stranger holds
// the pipe.
func TestNoLineIsLost(t *testing.T) {
	const lines = 20_000
	for _, holder := range []string{"nobody", "a grandchild", "a stranger"} {
		t.Run(holder, func(t *testing.T) {
			r := newRig(t)
			api := r.add("api", ordering.Worker, "")
			api.Process.Instances[0].Command = r.helper("flood", strconv.Itoa(lines))
			if holder == "a grandchild" {
				flood := api.Process.Instances[0].Command
				api.Process.Instances[0].Command.Argv = append([]string{
					"/bin/sh", "-c", `setsid sh -c "$2" & exec "$0" "$1"`,
				}, append(flood.Argv, ignoring)...)
				api.Stop[0].Timeout = time.Second
			}
			r.start()
			r.out.await("flood waits")
			if holder == "a grandchild" {
				r.out.await("api | up")
			}
			if holder == "a stranger" {
				pid := r.state("api", supervisor.Running).PID
				f, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", pid), os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
			}
			r.stop()
			got := r.out.lines("api | line ")
			for i := range lines {
				if i >= len(got) || got[i] != strconv.Itoa(i) {
					t.Fatalf("%d lines arrived, the first wrong one is %d", len(got), i)
				}
			}
		})
	}
}

// A stdout that nobody reads does not hold a shutdown up, and what it did not take is said before the end.
func TestBlockedStdout(t *testing.T) {
	r := newRig(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	defer read.Close()
	r.options.Stdout = output.NewSink(write)
	full := r.fifo("full")
	r.add("noisy", ordering.Worker, "").Process.Instances[0].Command = r.helper("noisy", full.Name())
	r.add("edge", ordering.Gateway, "exec sleep 1000", "noisy")
	r.start()
	r.state("edge", supervisor.Ready)
	full.wait()
	began := time.Now()
	out := r.stop()
	if took := time.Since(began); out.Code != 0 || took < patience || took > patience+4*time.Second {
		t.Errorf("took %v, outcome %+v", took, out)
	}
	for _, text := range []string{"stdout is blocked: ", "stdout did not take all output: "} {
		note := r.find(text, func(rep supervisor.Report) bool {
			return rep.Kind == supervisor.KindNote && strings.HasPrefix(rep.Cause, text)
		})
		if last := r.reports[len(r.reports)-1]; last.Kind != supervisor.KindFinish || note.At != last.At {
			t.Errorf("the note %q at %v is not followed by the finish: %+v", text, note.At, last)
		}
	}
}

// The ways of a log, each on both streams.
func TestLogModes(t *testing.T) {
	const script = "echo one; echo two >&2; echo three; exec sleep 1000"
	t.Run("prefix keeps the order of both streams", func(t *testing.T) {
		r := newRig(t)
		r.add("api", ordering.Worker, script)
		r.start()
		r.out.await("three\n")
		r.stop()
		if got := r.out.String(); got != "api | one\napi | two\napi | three\n" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("prefix in colour, aligned", func(t *testing.T) {
		r := newRig(t)
		r.options.Color = true
		r.add("api", ordering.Worker, "echo one; exec sleep 1000")
		r.add("gateway", ordering.Worker, "echo two; exec sleep 1000", "api")
		r.start()
		r.out.await("one\n")
		r.out.await("two\n")
		r.stop()
		want := "\x1b[36mapi     |\x1b[0m one\n\x1b[33mgateway |\x1b[0m two\n"
		got := slices.Sorted(strings.Lines(r.out.String()))
		if !slices.Equal(got, slices.Sorted(strings.Lines(want))) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("null", func(t *testing.T) {
		r := newRig(t)
		api := r.add("api", ordering.Worker, script+"; echo done")
		api.Log.Stdout, api.Log.Stderr = config.LogNull, config.LogPrefix
		r.start()
		r.out.await("two\n")
		r.stop()
		if got := r.out.String(); got != "api | two\n" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("inherit", func(t *testing.T) {
		r := newRig(t)
		for i := range r.options.Inherit {
			f, err := os.Create(filepath.Join(r.dir, fmt.Sprintf("ours%d", i+1)))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			r.options.Inherit[i] = f
		}
		api := r.add("api", ordering.Worker, "echo one; echo two >&2; echo >$DIR/up; exec sleep 1000")
		api.Log.Stdout, api.Log.Stderr = config.LogInherit, config.LogInherit
		r.add("watch", ordering.Worker, "read line <$DIR/up; echo it is up; exec sleep 1000")
		r.fifo("up")
		r.start()
		r.out.await("it is up")
		r.stop()
		r.expectFile("ours1", "one\n")
		r.expectFile("ours2", "two\n")
	})
	t.Run("file, shared by the instances and reopened", func(t *testing.T) {
		r := newRig(t)
		api := r.add("api", ordering.Worker, "echo one; read line <$DIR/go$LASTOUT_INSTANCE; echo two; exec sleep 1000")
		api.Log = config.Log{Stdout: config.LogFile, Stderr: config.LogFile, File: filepath.Join(r.dir, "log")}
		api.Spec.Instances = 2
		first := api.Process.Instances[0]
		for n := range 2 {
			inst := first
			inst.Name, inst.N, inst.LogFile = fmt.Sprintf("api.%d", n+1), n+1, api.Log.File
			inst.Command.Env = append(slices.Clone(inst.Command.Env), fmt.Sprintf("LASTOUT_INSTANCE=%d", n+1))
			inst.Probe = config.Probe{}
			api.Process.Instances = append(api.Process.Instances[:n], inst)
		}
		go1, go2 := r.fifo("go1"), r.fifo("go2")
		r.start()
		r.state("api.2", supervisor.Ready)
		go1.release()
		awaitFile(t, api.Log.File, "api.1 | two\n", "api.2 | one\n")
		if err := os.Rename(api.Log.File, api.Log.File+".old"); err != nil {
			t.Fatal(err)
		}
		r.host.ReopenLogs()
		go2.release()
		awaitFile(t, api.Log.File, "api.2 | two\n")
		r.stop()
		r.expectFile("log", "api.2 | two\n")
		if len(r.host.outputs.files) != 1 || r.out.String() != "" {
			t.Errorf("%d log files; on stdout %q", len(r.host.outputs.files), r.out)
		}
	})
}

func (r *rig) expectFile(name, want string) {
	r.t.Helper()
	if got, err := os.ReadFile(filepath.Join(r.dir, name)); err != nil || string(got) != want {
		r.t.Errorf("%s: %q, %v; want %q", name, got, err, want)
	}
}

// awaitFile waits until the file has these texts. A sink says nothing of what it has written, so the folder is watched.
func awaitFile(t *testing.T, path string, texts ...string) {
	t.Helper()
	watch, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(watch), "inotify")
	defer f.Close()
	if _, err := syscall.InotifyAddWatch(watch, filepath.Dir(path), syscall.IN_MODIFY|syscall.IN_CREATE); err != nil {
		t.Fatal(err)
	}
	f.SetReadDeadline(time.Now().Add(patient))
	for {
		content, _ := os.ReadFile(path)
		if !slices.ContainsFunc(texts, func(text string) bool { return !bytes.Contains(content, []byte(text)) }) {
			return
		}
		if _, err := f.Read(make([]byte, 4096)); err != nil {
			t.Fatalf("waited in vain for %q in %s, which has %q: %v", texts, path, content, err)
		}
	}
}

// A log that cannot be written is said at once, and counted at the end.
func TestFullDisk(t *testing.T) {
	r := newRig(t)
	api := r.add("api", ordering.Worker, "echo lost; exec sleep 1000")
	api.Log.Stdout, api.Log.Stderr = config.LogFile, config.LogNull
	api.Process.Instances[0].LogFile = "/dev/full"
	r.start()
	r.await("the error", func(rep supervisor.Report) bool {
		return rep.Kind == supervisor.KindNote && rep.Cause == "cannot write to /dev/full: no space left on device"
	})
	r.stop()
	r.find("the count", func(rep supervisor.Report) bool {
		return rep.Cause == "/dev/full did not take all output: 1 lines (5 bytes) were dropped"
	})
}

// A log file that cannot be opened starts nothing.
func TestLogFileThatCannotBe(t *testing.T) {
	r := newRig(t)
	api := r.add("api", ordering.Worker, "exec sleep 1000")
	api.Log.Stdout = config.LogFile
	api.Process.Instances[0].LogFile = filepath.Join(r.dir, "missing", "log")
	r.config.Nodes = r.nodes
	_, err := NewHost(HostOptions{Config: &r.config, Spawner: r.spawner, Stdout: r.options.Stdout, Say: r.say})
	if err == nil || !strings.Contains(err.Error(), `process "api": cannot open `) {
		t.Errorf("error %v", err)
	}
}
