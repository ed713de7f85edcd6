package ordering

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// spell writes steps as "drain edge, leave api".
func spell(g *Graph, steps []Step) string {
	list := make([]string, len(steps))
	for i, s := range steps {
		list[i] = s.Kind.String() + " " + g.Node(s.ID).Name
	}
	return strings.Join(list, ", ")
}

// waits spells out whom each step waits for at the begin, the drains of all but gateways left out.
func waits(g *Graph) string {
	var b strings.Builder
	w := g.Walk()
	for i := range g.Len() {
		for _, kind := range []StepKind{Drain, Leave} {
			step := Step{kind, ID(i)}
			var seen []Step
			for _, before := range w.Waits(step) {
				if before.Kind == Leave || g.Node(before.ID).Role == Gateway {
					seen = append(seen, before)
				}
			}
			if len(seen) > 0 && (kind == Leave || g.Node(step.ID).Role == Gateway) {
				fmt.Fprintf(&b, "%s: %s\n", spell(g, []Step{step}), spell(g, seen))
			}
		}
	}
	return b.String()
}

func TestSteps(t *testing.T) {
	for _, c := range []struct{ name, graph, fronted, clients, want, dropped string }{
		{
			name: "gateway, worker and store", graph: "db service\napi db\nedge gateway api", fronted: "api",
			want: "leave db: leave api, drain edge\nleave api: drain edge\nleave edge: leave api, drain edge\n",
		},
		{
			name: "workers above, for it depends on none", graph: "db service\nedge gateway db\nw1 edge\nw2 edge",
			fronted: "w1 w2",
			want: "leave db: drain edge, leave edge\nleave edge: drain edge, leave w1, leave w2\n" +
				"leave w1: drain edge\nleave w2: drain edge\n",
		},
		{
			name: "workers below, so those above are clients", graph: "w\nedge gateway w\nc edge", fronted: "w", clients: "c",
			want: "leave w: drain edge\ndrain edge: leave c\nleave edge: leave w, drain edge, leave c\n",
		},
		{
			name: "a task above is a client", graph: "edge gateway\nt task edge\nw edge", fronted: "w", clients: "t",
			want: "drain edge: leave t\nleave edge: drain edge, leave t, leave w\nleave w: drain edge\n",
		},
		{
			name: "a client over a task", graph: "w\nedge gateway w\nt task edge\nc t", fronted: "w", clients: "t c",
			want: "leave w: drain edge\ndrain edge: leave t, leave c\nleave edge: leave w, drain edge, leave t, leave c\n",
		},
		{
			name: "fronts decides, the rest are clients", graph: "v\nedge gateway v fronts=w\nw edge\nc edge",
			fronted: "w", clients: "c",
			want: "drain edge: leave c\nleave edge: leave v, drain edge, leave w, leave c\nleave w: drain edge\n",
		},
		{
			name: "named twice", graph: "w\nw2 w w outlives=w,w\nedge gateway w w fronts=w,w", fronted: "w",
			want: "leave w: drain edge\nleave w2: leave w\nleave edge: leave w, drain edge\n",
		},
		{
			name: "fronts nobody", graph: "edge gateway fronts=\nw edge", clients: "w",
			want: "drain edge: leave w\nleave edge: drain edge, leave w\n",
		},
		{
			name: "one that outlives the gateway is no client", graph: "w\nedge gateway w\nc edge outlives=edge",
			fronted: "w", want: "leave w: drain edge\nleave edge: leave w, drain edge\nleave c: leave edge\n",
		},
		{
			name: "no service leaves while a gateway of its part drains", fronted: "w",
			graph: "far service\nw far\nedge gateway w\nnear service far",
			want: "leave far: leave w, drain edge, leave near\nleave w: drain edge\n" +
				"leave edge: leave w, drain edge\nleave near: drain edge\n",
		},
		{
			name: "parts are joined by fronts", graph: "edge gateway fronts=w\nw\ns service w", fronted: "w",
			want: "leave edge: drain edge, leave w\nleave w: drain edge, leave s\nleave s: drain edge\n",
		},
		{
			name: "client of two gateways in a row", graph: "inner gateway\nouter gateway inner\nc inner outer",
			fronted: "c inner", clients: "c",
			want: "drain inner: drain outer\nleave inner: drain inner, drain outer, leave c\n" +
				"leave outer: leave inner, drain outer, leave c\nleave c: drain inner\n",
			dropped: "drain outer without leave c",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := mustGraph(t, c.graph)
			var fronted, clients []ID
			var dropped []string
			for i := range g.Len() {
				fronted = append(fronted, g.Fronted(ID(i))...)
				clients = append(clients, g.Clients(ID(i))...)
			}
			for _, d := range g.Dropped() {
				dropped = append(dropped, spell(g, []Step{d.Step})+" without "+spell(g, []Step{d.For}))
			}
			got := [4]string{names(g, fronted), names(g, clients), waits(g), strings.Join(dropped, ", ")}
			if diff := cmp.Diff([4]string{c.fronted, c.clients, c.want, c.dropped}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// walkAll walks a graph to its end, completing free steps in random order, and calls see before each is over.
func walkAll(g *Graph, pick dice, see func(w *Walk, free []Step, next Step)) (order []Step) {
	w := g.Walk()
	free := w.Begin()
	for len(free) > 0 {
		i := pick(len(free))
		next := free[i]
		if see != nil {
			see(w, free, next)
		}
		free[i] = free[len(free)-1]
		free = append(free[:len(free)-1], w.Done(next)...)
		order = append(order, next)
	}
	return order
}

// TestWalkHoldsTheOrder completes the steps of random graphs in random order: no step is free before all that must
// leave before it is over, every step gets its turn, and the counters are right at each moment.
func TestWalkHoldsTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			if g, err := New(rapidDice(t).nodes(12)); err == nil {
				random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
				holdWalk(t, g, random.IntN)
			}
		}
	})
}

// holdWalk walks a graph to its end and looks at everything at each moment.
func holdWalk(t *rapid.T, g *Graph, pick dice) {
	order := walkAll(g, pick, func(w *Walk, free []Step, next Step) {
		if err := w.Check(); err != nil {
			t.Fatal(err)
		}
		for _, step := range free {
			holdFree(t, g, w, step)
		}
		if !w.Free(next) || w.Over(next) {
			t.Fatalf("%v was given out, and is not free", next)
		}
	})
	if len(order) != 2*g.Len() {
		t.Fatalf("%d of %d steps", len(order), 2*g.Len())
	}
}

// holdFree demands that nothing which must be over before a free step is not.
func holdFree(t *rapid.T, g *Graph, w *Walk, step Step) {
	if waits := w.Waits(step); len(waits) > 0 {
		t.Fatalf("%v is free and waits for %v", step, waits)
	}
	for x := range g.Len() {
		if step.Kind == Leave && g.MustLeaveBefore(ID(x), step.ID) && !w.Over(Step{Leave, ID(x)}) {
			t.Fatalf("%d may leave before %d has", step.ID, x)
		}
	}
	if step.Kind == Drain {
		return
	}
	for gateway := range g.Len() {
		for _, worker := range g.Fronted(ID(gateway)) {
			if worker == step.ID && !w.Over(Step{Drain, ID(gateway)}) {
				t.Fatalf("worker %d may leave before gateway %d has drained", worker, gateway)
			}
		}
	}
}

// TestFreedAtOnce holds that a step is handed out by the very Done that ended the last one it waited for, in ascending
// order, and never twice.
func TestFreedAtOnce(t *testing.T) {
	g := mustGraph(t, "db service\nedge gateway a b\na db\nb db\nother")
	w := g.Walk()
	for _, c := range []struct {
		done Step
		want string
	}{
		{Step{Drain, 4}, "leave other"},
		{Step{Drain, 1}, "drain a, drain b"},
		{Step{Drain, 3}, "leave b"},
		{Step{Drain, 2}, "drain db, leave a"},
		{Step{Leave, 3}, ""},
		{Step{Drain, 0}, ""},
		{Step{Leave, 2}, "leave db, leave edge"},
		{Step{Leave, 1}, ""},
		{Step{Leave, 0}, ""},
	} {
		if got := spell(g, w.Done(c.done)); got != c.want {
			t.Errorf("after %v: got %q, want %q", c.done, got, c.want)
		}
	}
	if got := spell(g, g.Walk().Begin()); got != "drain edge, drain other" {
		t.Error(got)
	}
	upper := mustGraph(t, "s service w\nw\nedge gateway w")
	w = upper.Walk()
	w.Done(Step{Drain, 0})
	if got := spell(upper, w.Done(Step{Drain, 2})); got != "leave s, drain w" {
		t.Error(got)
	}
}

func TestWalkRefuses(t *testing.T) {
	g := mustGraph(t, "a\nb a")
	for name, do := range map[string]func(w *Walk){
		"a step that waits":    func(w *Walk) { w.Done(Step{Leave, 0}) },
		"a step that was over": func(w *Walk) { w.Done(Step{Drain, 1}); w.Done(Step{Drain, 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			do(g.Walk())
		})
	}
}

// TestCheckSeesFaults spoils the state of a walk in each way that Check is there for.
func TestCheckSeesFaults(t *testing.T) {
	g := mustGraph(t, "db service\nedge gateway db")
	relay := g.steps.real
	for name, spoil := range map[string]func(w *Walk){
		"wrong count":          func(w *Walk) { w.waits[1]++ },
		"over too early":       func(w *Walk) { w.over[placeOf(Leave, 0)] = true },
		"forgotten in between": func(w *Walk) { w.over[placeOf(Drain, 1)] = true; w.waits[relay] = 0 },
		"forgotten relay": func(w *Walk) {
			w.Done(Step{Drain, 1})
			w.over[relay] = false
			w.waits[placeOf(Leave, 0)]++
		},
	} {
		w := g.Walk()
		if err := w.Check(); err != nil {
			t.Fatal(err)
		}
		if spoil(w); w.Check() == nil {
			t.Errorf("%s: Check sees nothing", name)
		}
	}
}

// TestNoDrain holds that nobody waits for a drain in which nothing is done: the worker may leave beside the client.
func TestNoDrain(t *testing.T) {
	for _, none := range []bool{false, true} {
		g, err := New([]Node{
			{Name: "w"},
			{Name: "edge", Role: Gateway, DependsOn: []string{"w"}, NoDrain: none},
			{Name: "client", DependsOn: []string{"edge"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		w := g.Walk()
		w.Done(Step{Drain, 2})
		if free := w.Free(Step{Drain, 1}); free != none {
			t.Errorf("NoDrain %v: the drain is free before the client has left: %v", none, free)
		}
		if !none {
			w.Done(Step{Leave, 2})
		}
		w.Done(Step{Drain, 1})
		w.Done(Step{Drain, 0})
		if !w.Free(Step{Leave, 0}) {
			t.Errorf("NoDrain %v: the worker waits for %s", none, spell(g, w.Waits(Step{Leave, 0})))
		}
	}
}
