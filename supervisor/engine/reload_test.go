package engine

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lastout/process/held"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

const reloadBefore = `
name = "engine-test"
[defaults]
ready = { log = "^up" }
[process.db]
role = "service"
shell = "trap 'exit 0' TERM; echo up; while :; do read x < $DIR/never; done"
[process.api]
shell = "trap 'exit 0' TERM; echo up one; while :; do read x < $DIR/never; done"
depends_on = ["db"]
[process.old]
shell = "trap 'exit 0' TERM; echo up; while :; do read x < $DIR/never; done"
depends_on = ["db"]
[process.steps]
shell = "trap 'echo told; exit 0' INT; trap '' TERM; echo up; while :; do read x < $DIR/never; done"
stop = { signal = "TERM", timeout = "20s" }
`

// TestReload takes a changed file: who is untouched is the same process, who changed another one, with its output where
// the new file says; a stop step that changed is the one that is taken.
func TestReload(t *testing.T) {
	r := newRig(t)
	r.fifo("never")
	r.config = *r.load(reloadBefore)
	r.nodes = r.config.Nodes
	r.start()
	for _, name := range []string{"api", "old", "steps"} {
		r.state(name, supervisor.Ready)
	}
	before := r.pids()
	later := strings.NewReplacer("up one", "up two", `signal = "TERM"`, `signal = "INT"`, "[process.old]", "[process.fresh]").
		Replace(reloadBefore)
	c := r.load(later)
	plan, _ := r.host.PlanReload(c)
	if len(plan.Stop) != 1 || plan.Stop[0][0] != "old" || len(plan.Restart) != 1 || plan.Restart[0] != "api" ||
		len(plan.Register) != 1 || plan.Register[0] != "steps" || len(plan.Start) != 1 || plan.Start[0] != "fresh" {
		t.Errorf("the plan is %+v", plan)
	}
	if a := r.answer(r.host.Reload(c, "test")); a.Result != supervisor.Completed {
		t.Fatalf("%s: %s", a.Result, a.Cause)
	}
	r.out.await("api | up two")
	now := r.pids()
	if now["db"] != before["db"] || now["steps"] != before["steps"] || now["api"] == before["api"] || now["old"] != 0 ||
		now["fresh"] == 0 || len(now) != 4 {
		t.Errorf("live %v, before %v", now, before)
	}
	r.done(supervisor.Operation{Verb: supervisor.VerbStop, Names: []string{"steps"}})
	r.out.await("steps | told")
	if out := r.stop(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
}

// TestReloadThatCannotBe is refused whole: nothing changes.
func TestReloadThatCannotBe(t *testing.T) {
	r := newRig(t)
	r.fifo("never")
	r.config = *r.load(reloadBefore)
	r.nodes = r.config.Nodes
	r.start()
	r.state("api", supervisor.Ready)
	before := r.pids()
	for _, later := range []string{
		strings.Replace(reloadBefore, `"engine-test"`, `"another"`, 1),
		reloadBefore + "[socket.web]\nlisten = \"unix:web.socket\"\n",
	} {
		if a := r.answer(r.host.Reload(r.load(later), "test")); a.Result != supervisor.Refused {
			t.Errorf("%s: %s", a.Result, a.Cause)
		}
	}
	if a := r.answer(r.host.Reload(r.load(reloadBefore), "test")); a.Result != supervisor.Completed {
		t.Errorf("%s: %s", a.Result, a.Cause)
	}
	if now := r.pids(); now["api"] != before["api"] {
		t.Errorf("live %v, before %v", now, before)
	}
}

// TestHeldForNobodyYet holds a socket for a process that has no instances: who comes waits until it is given one. A socket
// whose process was disabled at the start is not there, and a reload that enables it is refused.
func TestHeldForNobodyYet(t *testing.T) {
	const tree = `
name = "engine-test"
[shutdown]
when_done = "stay"
[socket.web]
listen = "127.0.0.1:1"
[socket.other]
listen = "127.0.0.1:2"
[process.api]
shell = "echo has $LISTEN_FDS; trap 'exit 0' TERM; while :; do read x < $DIR/never; done"
sockets = ["web"]
instances = 0
[process.off]
command = ["sleep", "1000"]
sockets = ["other"]
enabled = false
`
	r := newRig(t)
	r.fifo("never")
	load := func(text string) *config.Config {
		c := r.load(text)
		for i := range c.Sockets { // at ports of the kernel's choice
			c.Sockets[i].Listen = []held.Address{{Network: held.TCP, IP: netip.MustParseAddrPort("127.0.0.1:0")}}
		}
		return c
	}
	r.config = *load(tree)
	r.nodes = r.config.Nodes
	r.start()
	r.dial(r.heldAt(0))
	r.done(supervisor.Operation{Verb: supervisor.VerbScale, Names: []string{"api"}, Count: 1})
	r.out.await("api | has 1")
	a := r.answer(r.host.Reload(load(strings.Replace(tree, "enabled = false", "", 1)), "test"))
	if a.Result != supervisor.Refused || !strings.Contains(a.Cause, `"other"`) {
		t.Errorf("%s: %s", a.Result, a.Cause)
	}
	r.stop()
}

// TestReloadOfGuardian refuses what can only be from the start on.
func TestReloadOfGuardian(t *testing.T) {
	r := newRig(t)
	r.fifo("never")
	r.config = *r.load(reloadBefore)
	r.nodes = r.config.Nodes
	r.start()
	a := r.answer(r.host.Reload(r.load(reloadBefore+"[guardian]\nenabled = true\n"), "test"))
	if a.Result != supervisor.Refused || !strings.Contains(a.Cause, "guardian.enabled") {
		t.Errorf("%s: %s", a.Result, a.Cause)
	}
	r.stop()
}

// TestReloadOfHealth changes how the health of a run is looked at while it runs: none, and then one that fails.
func TestReloadOfHealth(t *testing.T) {
	const tree = `
name = "engine-test"
[process.api]
shell = "trap 'exit 0' TERM; echo up; while :; do read x < $DIR/never; done"
ready = { log = "^up" }
restart = "never"
on_exit = "ignore"
`
	health := func(command string) string {
		return tree + `health = { exec = ["` + command + `"], interval = "100ms", grace = "0s", failures = 2 }` + "\n"
	}
	r := newRig(t)
	r.fifo("never")
	r.config = *r.load(health("true"))
	r.nodes = r.config.Nodes
	r.start()
	r.state("api", supervisor.Ready)
	before := r.pids()["api"]
	for _, text := range []string{tree, health("false")} {
		if a := r.answer(r.host.Reload(r.load(text), "test")); a.Result != supervisor.Completed {
			t.Fatalf("%s: %s", a.Result, a.Cause)
		}
		if now := r.pids()["api"]; now != before {
			t.Fatalf("it has pid %d, and had %d", now, before)
		}
		if err := r.host.Hold(func(*Held) error { return nil }); err != nil { // all looks begin anew
			t.Fatal(err)
		}
	}
	r.state("api", supervisor.Failed)
	if ill := r.find("the last look", func(rep supervisor.Report) bool { return rep.Kind == supervisor.KindHealth && rep.Step == 2 }); ill.Run == 0 {
		t.Errorf("it is ill: %+v", ill)
	}
	r.stop()
}

// TestReloadOfLogBounds gives a log file that is open already another bound.
func TestReloadOfLogBounds(t *testing.T) {
	tree := func(size string) string {
		return `
name = "engine-test"
[process.api]
shell = "trap 'exit 0' TERM; for n in 1 2 3 4; do printf '%01000d\n' $n; done; echo up; while :; do read x < $DIR/never; done"
ready = { log = "^up" }
log = { stdout = "file", file = "api.log", max_size = "` + size + `", max_files = 2 }
`
	}
	r := newRig(t)
	r.fifo("never")
	r.config = *r.load(tree("1MiB"))
	r.nodes = r.config.Nodes
	r.start()
	r.state("api", supervisor.Ready)
	if a := r.answer(r.host.Reload(r.load(tree("1500B")), "test")); a.Result != supervisor.Completed {
		t.Fatalf("%s: %s", a.Result, a.Cause)
	}
	r.stop()
	for _, name := range []string{"api.log.1", "api.log.2"} {
		if _, err := os.Stat(filepath.Join(r.dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestReloadClosesLogFiles closes the log file of a process that is gone from the file once all that it wrote is written,
// and opens it anew when the process comes back.
func TestReloadClosesLogFiles(t *testing.T) {
	tree := func(names ...string) string {
		text := "name = \"engine-test\"\n"
		for _, name := range names {
			text += `
[process.` + name + `]
shell = "trap 'echo bye; exit 0' TERM; echo up; while :; do read x < $DIR/never; done"
ready = { log = "^up" }
log = { stdout = "file", file = "` + name + `.log" }
`
		}
		return text
	}
	r := newRig(t)
	r.fifo("never")
	r.config = *r.load(tree("api", "web"))
	r.nodes = r.config.Nodes
	r.start()
	reload := func(names ...string) {
		t.Helper()
		if a := r.answer(r.host.Reload(r.load(tree(names...)), "test")); a.Result != supervisor.Completed {
			t.Fatalf("%s: %s", a.Result, a.Cause)
		}
	}
	open := func() (names []string) {
		r.host.outputs.tails.Wait()
		for _, s := range r.host.Sinks() {
			names = append(names, filepath.Base(s.Name))
		}
		return names
	}
	r.state("web", supervisor.Ready)
	for range 3 {
		reload("api")
		if got := open(); !slices.Equal(got, []string{"stdout", "api.log"}) {
			t.Fatalf("open: %q", got)
		}
		reload("api", "web")
		if got := open(); !slices.Equal(got, []string{"stdout", "api.log", "web.log"}) {
			t.Fatalf("open: %q", got)
		}
	}
	r.stop()
	r.expectFile("web.log", strings.Repeat("up\nbye\n", 4))
	r.expectFile("api.log", "up\nbye\n")
}
