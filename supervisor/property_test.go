package supervisor

import (
	"fmt"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lastout/ordering"
)

// TestAnyEvents feeds the machine with whatever comes, sensible or not. It never panics, Check holds after every step,
// the same events have the same actions, and after a stop time alone brings it to its end within its bound.
func TestAnyEvents(t *testing.T) {
	for range 10 { // a hundred draws each
		rapid.Check(t, anyEvents)
	}
}

func FuzzAnyEvents(f *testing.F) { f.Fuzz(rapid.MakeFuzz(anyEvents)) }

func anyEvents(t *rapid.T) {
	graph, specs, options := drawTree(t)
	a := &anyWorld{t: t, m: New(graph, specs, options), twin: New(graph, specs, options)}
	a.later[0].Graph, a.later[0].Specs, a.later[0].Options = graph, specs, options
	a.later[1].Graph, a.later[1].Specs, a.later[1].Options = drawTree(t)
	a.step(0, Begin{})
	for range rapid.IntRange(0, 60).Draw(t, "events") {
		a.drawStep()
	}
	a.step(a.now, Stop{Cause: "end"})
	ends := a.m.shutdown.ends
	for n := 0; n < 5000; n++ {
		at, ok := a.m.Deadline()
		if !ok {
			break
		}
		a.step(at, Tick{})
	}
	if _, over := a.m.Outcome(); !over {
		t.Fatalf("it does not end: %+v", a.m.Snapshot(a.now))
	}
	// Nothing may have answered the last sweep either; that is waited for beyond the bound.
	if late := a.over - ends; late > leastSweep {
		t.Fatalf("over %v after its bound", late)
	}
}

// anyWorld remembers what could be answered.
type anyWorld struct {
	t       *rapid.T
	m, twin *Machine
	now     Instant
	over    Instant   // when it came to its end
	later   [2]Reload // configurations that may be taken
	ops     Op
	asked   []Event // answers to what was asked for, which may come or not
}

func (a *anyWorld) step(now Instant, ev Event) {
	a.now = now
	actions := a.m.Step(now, ev)
	if again := a.twin.Step(now, ev); !reflect.DeepEqual(actions, again) {
		a.t.Fatalf("the same events had other actions: %+v and %+v", actions, again)
	}
	if err := a.m.Check(); err != nil {
		a.t.Fatalf("@%v %T%+v: %v", now, ev, ev, err)
	}
	a.m.Snapshot(now)
	for _, x := range actions {
		a.follow(x)
	}
	if at, ok := a.m.Deadline(); ok && at <= now {
		a.t.Fatalf("@%v: a deadline at %v was left over", now, at)
	}
}

func (a *anyWorld) follow(x Action) {
	switch x := x.(type) {
	case Spawn:
		a.asked = append(a.asked, Spawned{Inst: x.Inst, Run: x.Run, PID: int(x.Run)},
			SpawnFailed{Inst: x.Inst, Run: x.Run, Reason: "exec"})
		for left := range 2 {
			for code := range 2 {
				a.asked = append(a.asked, Exited{Inst: x.Inst, Run: x.Run, Exit: Exit{Code: code}, Left: left},
					Gone(x))
			}
		}
	case Cancel:
		a.asked = append(a.asked, SpawnFailed{Inst: x.Inst, Run: x.Run, Cancelled: true})
	case Probe:
		a.asked = append(a.asked, BecameReady(x))
	case CheckHealth:
		a.asked = append(a.asked, HealthFailed{Inst: x.Inst, Run: x.Run, Why: "no answer"}, HealthWorks(x),
			HealthFailed{Inst: x.Inst, Run: x.Run, Why: "silent", Final: true})
	case Kill:
		a.asked = append(a.asked, Exited{Inst: x.Inst, Run: x.Run, Exit: Exit{Signal: syscall.SIGKILL}, Left: 1},
			Gone(x))
	case RunHook:
		a.asked = append(a.asked, HookEnded{Run: x.Hook}, HookEnded{Run: x.Hook, Failed: "exit code 1"})
	case StopCommand:
		a.asked = append(a.asked, HookEnded{Run: x.Hook})
	case Survey:
		a.asked = append(a.asked, Surveyed{Silent: x.Runs}, Surveyed{})
	case Quiesce:
		a.asked = append(a.asked, Quiesced{Inst: x.Inst, Run: x.Run, How: "filter"})
	case DrainCommand:
		a.asked = append(a.asked, HookEnded{Run: x.Hook}, HookEnded{Run: x.Hook, Failed: "exit code 1"})
	case Watch:
		a.asked = append(a.asked, BecameDrained{Inst: x.Inst, Run: x.Run, Why: "probe"})
	case Settle:
		a.asked = append(a.asked, Settled(x))
	case Linger:
		a.asked = append(a.asked, Lingered{Left: []string{"192.0.2.1:7"}}, Lingered{})
	case Sweep:
		a.asked = append(a.asked, Swept{}, Swept{Left: []string{"pid 7"}})
	case Finish:
		a.over = a.now
	case Unquiesce, Send, Reloaded, StopProbe, StopHealth, Signal, Forget, StopHook, StopWatch, Say:
	}
}

// drawStep lets time pass, or not, and an event happen. The caller is never late for a deadline.
func (a *anyWorld) drawStep() {
	now := a.now
	switch at, ok := a.m.Deadline(); rapid.IntRange(0, 4).Draw(a.t, "time") {
	case 0:
		now += Instant(rapid.IntRange(0, 3000).Draw(a.t, "ms")) * time.Millisecond
		if ok {
			now = min(now, at)
		}
	case 1:
		if ok {
			now = at
		}
	}
	if len(a.asked) == 0 || rapid.IntRange(0, 3).Draw(a.t, "sort") == 3 {
		if rapid.IntRange(0, 2).Draw(a.t, "operates") == 0 {
			a.step(now, a.drawOperation())
			return
		}
		a.step(now, drawGarbage(a.t))
		return
	}
	// An answer that was asked for, now or long ago, the latest ones more often.
	back := rapid.IntRange(1, min(len(a.asked), 12)).Draw(a.t, "answer")
	a.step(now, a.asked[len(a.asked)-back])
}

// drawOperation draws what a user asks for.
func (a *anyWorld) drawOperation() Event {
	a.ops++
	if rapid.IntRange(0, 3).Draw(a.t, "reloads") == 0 {
		ev := a.later[rapid.IntRange(0, 1).Draw(a.t, "which")]
		ev.Op, ev.Changes = a.ops, make([]Change, len(ev.Specs))
		for id, s := range ev.Specs {
			ev.Changes[id] = Change(rapid.IntRange(0, 2).Draw(a.t, "change"))
			if _, known := a.m.graph.Lookup(s.Name); !known {
				ev.Changes[id] = Added
			}
		}
		return ev
	}
	return Operate{Op: a.ops, Operation: Operation{
		Verb: rapid.SampledFrom([]Verb{
			VerbStart, VerbStop, VerbRestart, VerbRolling, VerbScale, VerbDrain, VerbUndrain, VerbSignal, VerbReload, "fly",
		}).Draw(a.t, "verb"),
		Names:  []string{fmt.Sprintf("p%d", rapid.IntRange(0, 6).Draw(a.t, "name"))},
		NoDeps: rapid.Bool().Draw(a.t, "no-deps"), Count: rapid.IntRange(0, 4).Draw(a.t, "count"), Signal: syscall.SIGHUP,
		Timeout: rapid.SampledFrom([]time.Duration{0, time.Second}).Draw(a.t, "operation timeout"),
	}}
}

func drawGarbage(t *rapid.T) Event {
	inst := Inst{
		Proc: ordering.ID(rapid.IntRange(-1, 6).Draw(t, "proc")), N: rapid.IntRange(-1, 3).Draw(t, "n"),
	}
	run := Run(rapid.IntRange(0, 12).Draw(t, "run"))
	return rapid.SampledFrom([]Event{
		Begin{},
		Stop{Cause: "again"},
		Interrupt{Cause: "key"},
		Interrupt{Cause: "key"},
		Hurry{Cause: "now"},
		Tick{},
		Swept{},
		Swept{Left: []string{"x"}},
		Spawned{Inst: inst, Run: run, PID: int(run)},
		SpawnFailed{Inst: inst, Run: run, Reason: "no"},
		SpawnFailed{Inst: inst, Run: run, Cancelled: true},
		BecameReady{Inst: inst, Run: run},
		Exited{Inst: inst, Run: run, Exit: Exit{Code: 1}},
		Exited{Inst: inst, Run: run, Left: 1},
		Gone{Inst: inst, Run: run},
		HookEnded{Run: run},
		Quiesced{Inst: inst, Run: run},
		BecameDrained{Inst: inst, Run: run},
		Settled{Inst: inst, Run: run},
		Cut{Inst: inst, Run: run, Connections: []Connection{{Peer: "192.0.2.1:7"}}},
		Unanswered{Inst: inst, Run: run, Connections: []Connection{{Peer: "192.0.2.1:7"}}},
		HealthFailed{Inst: inst, Run: run, Why: "no"},
		HealthWorks{Inst: inst, Run: run},
		Surveyed{Silent: []Run{run}},
		Lingered{},
	}).Draw(t, "garbage")
}

func drawTree(t *rapid.T) (*ordering.Graph, []Spec, Options) {
	n := rapid.IntRange(0, 6).Draw(t, "processes")
	var nodes []ordering.Node
	var specs []Spec
	for i := range n {
		role := rapid.SampledFrom([]ordering.Role{
			ordering.Worker, ordering.Worker, ordering.Gateway, ordering.Service, ordering.Task,
		}).Draw(t, "role")
		node := ordering.Node{Name: fmt.Sprintf("p%d", i), Role: role}
		for j := range i {
			serves := role != ordering.Service || nodes[j].Role == ordering.Service
			if serves && rapid.IntRange(0, 2).Draw(t, "needs") == 0 {
				node.DependsOn = append(node.DependsOn, nodes[j].Name)
			}
		}
		nodes, specs = append(nodes, node), append(specs, drawSpec(t, node))
	}
	graph, err := ordering.New(nodes)
	if err != nil {
		t.Fatal(err)
	}
	spans := rapid.SampledFrom([]time.Duration{0, time.Second, 3 * time.Second})
	return graph, specs, Options{
		Timeout: rapid.SampledFrom([]time.Duration{0, 2 * time.Second, 30 * time.Second}).Draw(t, "timeout"),
		Reserve: time.Second, KillTimeout: 2 * time.Second, Delay: spans.Draw(t, "delay"),
		Before: spans.Draw(t, "before"), After: spans.Draw(t, "after"), Linger: spans.Draw(t, "linger"),
		Stay: rapid.Bool().Draw(t, "stay"),
	}
}

func drawSpec(t *rapid.T, node ordering.Node) Spec {
	s := Spec{
		Name: node.Name, Role: node.Role, Enabled: rapid.IntRange(0, 9).Draw(t, "enabled") > 0,
		Instances: rapid.IntRange(0, 3).Draw(t, "instances"),
		Restart:   Restart(rapid.IntRange(0, 2).Draw(t, "restart")),
		Backoff:   Backoff{Min: 100 * time.Millisecond, Max: time.Second, ResetAfter: time.Second, Limit: 3},
		OnExit:    OnExit(rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "on_exit")),
		Ready: Readiness{
			Kind: ReadyKind(rapid.IntRange(0, 2).Draw(t, "ready")), Delay: time.Second, Timeout: time.Second,
			Continue: rapid.Bool().Draw(t, "continue"),
		},
		Hooks:  make(map[HookKind]time.Duration),
		Health: Health{Failures: rapid.IntRange(0, 3).Draw(t, "failures")},
	}
	if node.Role == ordering.Task {
		s.Ready.Kind = ReadyExit
	}
	if rapid.Bool().Draw(t, "drains") {
		s.Drain = Drain{
			Quiesce: rapid.Bool().Draw(t, "quiesce"), Listens: rapid.Bool().Draw(t, "listens"),
			Timeout: 2 * time.Second, Settle: time.Second,
			Invite: rapid.SampledFrom([]Invite{{}, {Signal: syscall.SIGQUIT}, {Command: time.Second}}).Draw(t, "invite"),
			Until:  Until(rapid.IntRange(0, 4).Draw(t, "until")),
		}
	}
	for _, kind := range []HookKind{PreStart, PostStart, PreDrain, PreStop, PostStop} {
		if rapid.IntRange(0, 2).Draw(t, string(kind)) == 0 {
			s.Hooks[kind] = time.Second
		}
	}
	steps := []StopStep{
		{Signal: syscall.SIGTERM, Timeout: time.Second}, {Command: true, Timeout: time.Second}, {Signal: syscall.SIGINT},
	}
	for range rapid.IntRange(0, 3).Draw(t, "steps") {
		s.Stop = append(s.Stop, rapid.SampledFrom(steps).Draw(t, "step"))
	}
	s.Stop = slices.Clip(s.Stop)
	return s
}

// TestTimePanics holds the one panic that a caller can cause after New: time that runs backwards.
func TestTimePanics(t *testing.T) {
	g, err := ordering.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := New(g, nil, Options{Stay: true})
	m.Step(5, Begin{})
	defer func() {
		if recover() == nil {
			t.Error("time ran backwards, and nobody cared")
		}
	}()
	m.Step(4, Tick{})
}
