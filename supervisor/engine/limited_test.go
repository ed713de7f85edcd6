package engine

import (
	"syscall"
	"testing"

	"lastout/process"
	"lastout/process/cgroup"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// TestOutOfMemory has the kernel kill for want of memory: a main process, a hook, and descendants, each within a limit of
// its own, or because of one above.
func TestOutOfMemory(t *testing.T) {
	var said []supervisor.Report
	h := newHost(HostOptions{Config: &config.Config{}, Say: func(r supervisor.Report) { said = append(said, r) }}, nil)
	limited := config.Command{Group: &cgroup.Limits{Memory: 64 << 20}}
	inst := &config.Instance{Name: "api.2", Command: limited}
	h.children[1] = &child{tag: 1, name: "api.2", part: &life{
		host: h, run: 7, set: settings{proc: &config.Process{Name: "api"}, inst: inst},
	}}
	h.children[2] = &child{tag: 2, name: "api.2 pre_stop", command: limited, part: &hook{host: h, run: 8}}
	h.children[3] = &child{tag: 3, name: "free post_stop", part: &hook{host: h, run: 9}}

	killed := syscall.WaitStatus(syscall.SIGKILL)
	main := h.heard(process.Exited{Run: 1, Status: killed, OOM: process.OwnOOM}).(supervisor.Exited)
	if got := main.Exit.String(); got != "killed by the kernel: out of memory (memory_max 64MiB)" || main.Exit.Status() != 137 {
		t.Errorf("the main process: %s, %d", got, main.Exit.Status())
	}
	for run, want := range map[uint64]string{
		2: "killed by the kernel: out of memory (memory_max 64MiB)", 3: "killed by the kernel: out of memory (a limit of its own)",
	} {
		if e := h.heard(process.Exited{Run: run, Status: killed, OOM: process.OwnOOM}).(supervisor.HookEnded); e.Failed != want {
			t.Errorf("hook %d: %s, want %s", run, e.Failed, want)
		}
	}
	if e := h.heard(process.Exited{Run: 2, Status: killed}).(supervisor.HookEnded); e.Failed != "killed by SIGKILL" {
		t.Errorf("a hook that somebody else killed: %s", e.Failed)
	}

	h.heard(process.OutOfMemory{Run: 1, Kills: 2, OOM: process.OuterOOM})
	h.heard(process.OutOfMemory{Run: 2, Kills: 1, OOM: process.OwnOOM})
	h.heard(process.OutOfMemory{Run: 99, Kills: 1, OOM: process.OwnOOM}) // gone
	want := []supervisor.Report{
		{
			Kind: supervisor.KindNote, Process: "api", Instance: "api.2", Run: 7,
			Cause: "out of memory (of the machine, or of a limit above lastout's): the kernel killed 2 descendants of its tree",
		},
		{
			Kind:  supervisor.KindNote,
			Cause: "api.2 pre_stop: out of memory (memory_max 64MiB): the kernel killed 1 descendant of its tree",
		},
	}
	if len(said) != len(want) {
		t.Fatalf("said %+v", said)
	}
	for i := range want {
		if said[i].Cause != want[i].Cause || said[i].Instance != want[i].Instance || said[i].Run != want[i].Run ||
			said[i].Kind != want[i].Kind || said[i].Process != want[i].Process {
			t.Errorf("said %+v, want %+v", said[i], want[i])
		}
	}
}
