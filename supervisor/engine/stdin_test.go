package engine

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lastout/ordering"
	"lastout/process/shim"
	"lastout/supervisor"
)

// A run reads what it is configured to read, a pipe that nobody writes to included, and finds its circumstances; so does
// its hook.
func TestStdinAndCircumstances(t *testing.T) {
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(file, []byte("a line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	mask := uint32(0o077)
	e := r.add("reads", ordering.Worker, `read line; echo "read $line, mask $(umask)"; exec sleep 600`)
	e.Process.Instances[0].Stdin = file
	e.Process.Instances[0].Command.Around = &shim.Circumstances{Umask: &mask}
	r.add("piped", ordering.Worker, `cat; echo "piped nothing"; exec sleep 600`).Process.Instances[0].Stdin = fifo
	r.start()
	r.out.await("reads | read a line, mask 0077")
	r.out.await("piped | piped nothing")
	if out := r.stop(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
}

// A stdin that cannot be opened is a failed start that names it.
func TestStdinMissing(t *testing.T) {
	r := newRig(t)
	e := r.add("reads", ordering.Worker, "exec sleep 600")
	e.Process.Instances[0].Stdin = "/nowhere/input"
	e.Spec.Restart, e.Spec.OnExit = supervisor.RestartNever, supervisor.Shutdown
	r.start()
	out := r.wait()
	if out.Class != 1 {
		t.Errorf("outcome %+v", out)
	}
	failed := r.state("reads", supervisor.Failed)
	if !strings.Contains(failed.Cause, "stdin: open /nowhere/input: no such file or directory") {
		t.Errorf("it failed by %q", failed.Cause)
	}
}
