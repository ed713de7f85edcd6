package engine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// operate hands an operation in and waits for its end.
func (r *rig) operate(o supervisor.Operation) supervisor.Report {
	r.t.Helper()
	return r.answer(r.host.Operate(o))
}

// answer waits for the end of an operation.
func (r *rig) answer(t *Ticket) (last supervisor.Report) {
	r.t.Helper()
	timer := time.NewTimer(patient)
	defer timer.Stop()
	for {
		select {
		case a, more := <-t.Answers():
			if !more {
				return last
			}
			last = a
		case <-timer.C:
			r.t.Fatalf("operation %d does not end", t.Op)
		}
	}
}

// done holds that an operation was done.
func (r *rig) done(o supervisor.Operation) {
	r.t.Helper()
	if a := r.operate(o); a.Result != supervisor.Completed {
		r.t.Fatalf("%s %q: %s: %s", o.Verb, o.Names, a.Result, a.Cause)
	}
}

// pids are the living main processes, by instance.
func (r *rig) pids() map[string]int {
	r.t.Helper()
	s, ok := r.host.Snapshot()
	if !ok {
		r.t.Fatal("the loop is over")
	}
	pids := make(map[string]int)
	for _, i := range s.Instances {
		if i.PID != 0 {
			pids[i.Name] = i.PID
		}
	}
	return pids
}

// forever runs until it is told to leave.
const forever = "trap 'exit 0' TERM; while :; do read x < $DIR/never; done"

// TestOperate stops, starts and restarts parts of a real tree: who is not meant is the same process as before.
func TestOperate(t *testing.T) {
	r := newRig(t)
	r.fifo("never")
	r.add("db", ordering.Service, forever)
	r.add("api", ordering.Worker, forever, "db")
	r.add("web", ordering.Worker, forever, "api")
	r.add("other", ordering.Worker, forever)
	r.start()
	for _, name := range []string{"web", "other"} {
		r.state(name, supervisor.Ready)
	}
	before := r.pids()
	r.done(supervisor.Operation{Verb: supervisor.VerbStop, Names: []string{"api"}})
	if now := r.pids(); len(now) != 2 || now["db"] != before["db"] || now["other"] != before["other"] {
		t.Errorf("after the stop of api live %v, before %v", now, before)
	}
	for _, name := range []string{"api", "web"} {
		if err := syscall.Kill(before[name], 0); err != syscall.ESRCH {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.done(supervisor.Operation{Verb: supervisor.VerbStart, Names: []string{"web"}})
	r.done(supervisor.Operation{Verb: supervisor.VerbRestart, Names: []string{"api"}})
	now := r.pids()
	if now["db"] != before["db"] || now["web"] == before["web"] || now["api"] == 0 || len(now) != 4 {
		t.Errorf("after all live %v, before %v", now, before)
	}
	if a := r.operate(supervisor.Operation{Verb: supervisor.VerbStop, Names: []string{"wbe"}}); a.Result != supervisor.Refused {
		t.Errorf("stop of nobody: %+v", a)
	}
	if out := r.stop(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	if a := r.operate(supervisor.Operation{Verb: supervisor.VerbStop, Names: []string{"api"}}); a.Result != "" {
		t.Errorf("an operation behind the end: %+v", a)
	}
}

// TestSignalIsSentAsItIs has a process say what it gets; a signal of a user is no stop step.
func TestSignalIsSentAsItIs(t *testing.T) {
	r := newRig(t)
	// A shell that blocks would not hear of a signal that came just before.
	r.add("api", ordering.Worker, "trap 'echo got it' HUP; trap 'exit 0' TERM; echo traps; while :; do sleep 0.02; done")
	r.start()
	r.out.await("api | traps")
	r.state("api", supervisor.Ready)
	r.done(supervisor.Operation{Verb: supervisor.VerbSignal, Names: []string{"api"}, Signal: syscall.SIGHUP})
	r.out.await("api | got it")
	if r.has(supervisor.KindSignal, "api") {
		t.Error("it counts as a stop step")
	}
}

// TestDrainIsTakenBack turns new connections away from a gateway, and lets them in again, twice; then both at once: it is
// the last word that counts. A listener that lastout holds is no exception.
func TestDrainIsTakenBack(t *testing.T) {
	for _, whose := range []string{"own", "held"} {
		t.Run(whose, func(t *testing.T) {
			r := newRig(t)
			if whose == "own" {
				r.gateway(supervisor.UntilQuiet)
			} else {
				r.heldGateway([]int{r.holds("web")})
			}
			r.start()
			r.state("edge", supervisor.Ready)
			var address string
			if whose == "own" {
				address = r.address("listens")
			} else {
				address = r.heldAt(0)
			}
			kept := r.dial(address)
			kept.ask("/") // one that never carried a byte would be ended
			kept.answered()
			drain := supervisor.Operation{Verb: supervisor.VerbDrain, Names: []string{"edge"}}
			undrain := supervisor.Operation{Verb: supervisor.VerbUndrain, Names: []string{"edge"}}
			for range 2 {
				r.done(drain)
				r.turnedAway(address)
				kept.ask("/")
				kept.answered()
				r.done(undrain)
				again := r.dial(address)
				again.ask("/")
				again.answered()
			}
			for range 2 {
				both := []*Ticket{r.host.Operate(drain), r.host.Operate(undrain), r.host.Operate(drain)}
				if a := r.answer(both[2]); a.Result != supervisor.Completed {
					t.Fatalf("drained again: %+v", a)
				}
				r.turnedAway(address)
				r.done(undrain)
			}
			r.done(drain)
			r.turnedAway(address)
			if out := r.stop(); out.Code != 0 {
				t.Errorf("outcome %+v", out)
			}
			for _, rep := range r.reports {
				if rep.Kind == supervisor.KindQuiesce && strings.Contains(rep.Cause, "no answer") {
					t.Errorf("turned away: %s", rep.Cause)
				}
			}
		})
	}
}

// load reads a configuration in place of the rig's own.
func (r *rig) load(text string) *config.Config {
	r.t.Helper()
	file := filepath.Join(r.dir, "lastout.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	c, err := config.Load(file, config.LoadOptions{Env: append(os.Environ(), "DIR="+r.dir)})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// TestScale adds instances that the file did not ask for, each with its own number, and takes them away again.
func TestScale(t *testing.T) {
	r := newRig(t)
	r.fifo("never")
	r.config = *r.load(`
name = "engine-test"
[process.api]
shell = "trap 'exit 0' TERM; echo instance $LASTOUT_INSTANCE at $PORT; while :; do read x < $DIR/never; done"
port = 9000
ready = { log = "^instance" }
log = { stdout = "file", file = "api-{instance}.log" }
[process.web]
shell = "trap 'exit 0' TERM; while :; do read x < $DIR/never; done"
port = 9003
`)
	r.nodes = r.config.Nodes
	r.start()
	r.state("api", supervisor.Ready)
	before := r.pids()
	r.done(supervisor.Operation{Verb: supervisor.VerbScale, Names: []string{"api"}, Count: 3})
	now := r.pids()
	if now["api"] != before["api"] || now["api.2"] == 0 || now["api.3"] == 0 {
		t.Errorf("live %v, before %v", now, before)
	}
	a := r.operate(supervisor.Operation{Verb: supervisor.VerbScale, Names: []string{"api"}, Count: 4})
	if a.Result != supervisor.Refused {
		t.Errorf("a port of another: %+v", a)
	}
	r.done(supervisor.Operation{Verb: supervisor.VerbScale, Names: []string{"api"}, Count: 1})
	if now := r.pids(); now["api"] != before["api"] || len(now) != 2 {
		t.Errorf("live %v, before %v", now, before)
	}
	if out := r.stop(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	for n, want := range []string{"instance 1 at 9000\n", "instance 2 at 9001\n", "instance 3 at 9002\n"} {
		name := filepath.Join(r.dir, "api-"+string(rune('1'+n))+".log")
		if text, err := os.ReadFile(name); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

// TestManyOperations throws operations at a tree from several sides at once, then stops it: all are answered, and
// nobody is left.
func TestManyOperations(t *testing.T) {
	r := newRig(t)
	r.fifo("never")
	names := []string{"db", "api", "web", "jobs"}
	r.add("db", ordering.Service, forever)
	r.add("api", ordering.Worker, forever, "db")
	r.add("web", ordering.Gateway, forever, "api")
	r.add("jobs", ordering.Worker, forever, "db")
	r.start()
	verbs := []supervisor.Verb{supervisor.VerbStop, supervisor.VerbStart, supervisor.VerbRestart, supervisor.VerbRolling}
	var tickets []*Ticket
	for n := range 40 {
		tickets = append(tickets, r.host.Operate(supervisor.Operation{
			Verb: verbs[n%len(verbs)], Names: []string{names[n*7%len(names)]}, NoDeps: n%3 == 0,
		}))
	}
	for _, ticket := range tickets[:20] {
		r.answer(ticket)
	}
	out := r.stop()
	if out.Code != 0 || len(out.Lost) > 0 {
		t.Errorf("outcome %+v", out)
	}
	for _, ticket := range tickets {
		r.answer(ticket)
	}
	if slices.ContainsFunc(r.host.describe(nil), func(string) bool { return true }) || len(r.host.runs) > 0 {
		t.Errorf("%d runs are left", len(r.host.runs))
	}
}
