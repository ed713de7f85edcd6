package engine

import (
	"bytes"
	"fmt"
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
