package supervisor

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"lastout/ordering"
)

// A shape is a way to build a tree of n processes.
type shape struct {
	name  string
	build func(n int) []ordering.Node
}

var shapes = []shape{
	{"apart", func(n int) []ordering.Node { return named(n, func(int) []string { return nil }) }},
	{"chain", func(n int) []ordering.Node {
		return named(n, func(i int) []string {
			if i == 0 {
				return nil
			}
			return []string{name(i - 1)}
		})
	}},
	{"star", func(n int) []ordering.Node {
		nodes := named(n, func(i int) []string {
			if i == 0 {
				return nil
			}
			return []string{name(0)}
		})
		nodes[0].Role = ordering.Service
		return nodes
	}},
	{"gateway", func(n int) []ordering.Node {
		nodes := named(n, func(int) []string { return nil })
		for i := range n - 1 {
			nodes[n-1].DependsOn = append(nodes[n-1].DependsOn, name(i))
		}
		nodes[n-1].Role = ordering.Gateway
		return nodes
	}},
	{"layers", func(n int) []ordering.Node {
		return named(n, func(i int) (needs []string) {
			for back := 100; back < 105 && back <= i; back++ {
				needs = append(needs, name(i-back))
			}
			return needs
		})
	}},
}

func name(i int) string { return fmt.Sprintf("p%05d", i) }

func named(n int, needs func(i int) []string) []ordering.Node {
	nodes := make([]ordering.Node, n)
	for i := range nodes {
		nodes[i] = ordering.Node{Name: name(i), DependsOn: needs(i)}
	}
	return nodes
}

// obedient is a world in which everybody does what he is told, at once.
type obedient struct {
	m     *Machine
	now   Instant
	queue []Event
	steps int
}

func newObedient(tb testing.TB, nodes []ordering.Node) *obedient {
	tb.Helper()
	g, err := ordering.New(nodes)
	if err != nil {
		tb.Fatal(err)
	}
	specs := make([]Spec, len(nodes))
	for i, n := range nodes {
		specs[i] = Spec{
			Name: n.Name, Role: n.Role, Enabled: true, Instances: 1, Ready: Readiness{Kind: ReadyProbe, Timeout: time.Minute},
			Stop:  []StopStep{{Signal: syscall.SIGTERM, Timeout: 10 * time.Second}},
			Hooks: map[HookKind]time.Duration{PostStop: time.Second}, Backoff: Backoff{Min: time.Second, Max: time.Second},
		}
	}
	return &obedient{m: New(g, specs, Options{
		Timeout: time.Minute, Reserve: 2 * time.Second, KillTimeout: 5 * time.Second,
	})}
}

func (o *obedient) run(ev Event) {
	o.queue = append(o.queue, ev)
	for len(o.queue) > 0 {
		ev, o.queue = o.queue[0], o.queue[1:]
		o.now += time.Microsecond
		o.steps++
		for _, a := range o.m.Step(o.now, ev) {
			o.obey(a)
		}
		o.m.Deadline()
	}
}

func (o *obedient) obey(a Action) {
	switch a := a.(type) {
	case Spawn:
		o.queue = append(o.queue, Spawned{Inst: a.Inst, Run: a.Run, PID: int(a.Run)})
	case Probe:
		o.queue = append(o.queue, BecameReady(a))
	case Signal:
		o.queue = append(o.queue, Exited{Inst: a.Inst, Run: a.Run}, Gone{Inst: a.Inst, Run: a.Run})
	case RunHook:
		o.queue = append(o.queue, HookEnded{Run: a.Hook})
	case Sweep:
		o.queue = append(o.queue, Swept{})
	case Cancel, StopProbe, StopCommand, Kill, Forget, StopHook, Say, Finish:
	}
}

// TestWork counts what the machine does for a whole life of a tree: ten times the processes may cost ten times the
// work, and no single step in a quiet tree may cost more than a handful.
func TestWork(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			small, large := wholeLife(t, s.build(1000)), wholeLife(t, s.build(10_000))
			t.Logf("1,000: %d, 10,000: %d", small, large)
			if large > 15*small {
				t.Errorf("10,000 processes cost %d, 1,000 cost %d", large, small)
			}
			if large > 10_000*120 {
				t.Errorf("10,000 processes cost %d, more than 120 for each", large)
			}
		})
	}
}

func wholeLife(t *testing.T, nodes []ordering.Node) uint64 {
	t.Helper()
	o := newObedient(t, nodes)
	o.run(Begin{})
	for id, p := range o.m.procs {
		if p.inst[0].state != Ready {
			t.Fatalf("process %d is %s", id, p.inst[0].state)
		}
	}
	if err := o.m.Check(); err != nil {
		t.Fatal(err)
	}
	o.run(Stop{})
	if out, over := o.m.Outcome(); !over || out.Code != 0 {
		t.Fatalf("over: %v, %+v", over, out)
	}
	return o.m.work
}

// TestQuietStep holds that a crash and a restart among 10,000 cost no more than among 10.
func TestQuietStep(t *testing.T) {
	cost := func(n int) uint64 {
		o := newObedient(t, shapes[2].build(n))
		o.run(Begin{})
		before := o.m.work
		for range 20 {
			run := o.m.insts[n-1].run
			o.run(Exited{Inst: Inst{Proc: ordering.ID(n - 1), N: 1}, Run: run, Exit: Exit{Code: 1}})
			o.run(Gone{Inst: Inst{Proc: ordering.ID(n - 1), N: 1}, Run: run})
			at, ok := o.m.Deadline()
			if !ok {
				t.Fatal("no restart is due")
			}
			o.now = at
			o.run(Tick{})
		}
		return o.m.work - before
	}
	if few, many := cost(10), cost(10_000); many > few+20*20 {
		t.Errorf("20 restarts cost %d among 10 and %d among 10,000", few, many)
	}
}

// TestTimersStaySmall holds that deadlines which never come up do not pile up.
func TestTimersStaySmall(t *testing.T) {
	o := newObedient(t, shapes[0].build(2))
	o.m.procs[0].spec.Backoff = Backoff{Min: 1, Max: 1, ResetAfter: time.Hour}
	o.run(Begin{})
	for range 10_000 {
		run := o.m.insts[0].run
		o.run(Exited{Inst: Inst{N: 1}, Run: run, Exit: Exit{Code: 1}})
		o.run(Gone{Inst: Inst{N: 1}, Run: run})
		o.now += time.Microsecond
		o.run(Tick{})
	}
	if restarts := o.m.insts[0].starts; restarts < 9_000 {
		t.Fatalf("only %d restarts", restarts)
	}
	if n := len(o.m.timers.heap); n > 100 {
		t.Errorf("%d deadlines are kept for 2 instances", n)
	}
}

func BenchmarkLife(b *testing.B) {
	for _, s := range shapes {
		for _, n := range []int{100, 1000, 10_000} {
			nodes := s.build(n)
			b.Run(fmt.Sprintf("%s/%d", s.name, n), func(b *testing.B) {
				for b.Loop() {
					o := newObedient(b, nodes)
					o.run(Begin{})
					o.run(Stop{})
				}
			})
		}
	}
}
