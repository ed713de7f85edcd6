package ordering

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// FuzzNew reads graphs as the table tests write them. Whatever is declared, New gives either a graph or faults; the
// same twice over; a graph can be walked to its end; and small ones agree with the second definition of the rules.
func FuzzNew(f *testing.F) {
	for _, seed := range []string{
		"", drawnTree, behindEdge, "a a", "a b\nb a", "a\na", "api dbb\ndb service", "a outlives=b\nb outlives=a",
		"w\nedge gateway fronts=w\nc edge outlives=edge", "inner gateway\nouter gateway inner\nc inner outer",
		"api\ns service api\nedge gateway s api", "g gateway fronts=t\nt task\nw fronts=g",
		"a service b\nb c\nc gateway t\nt task a",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		nodes := parse(t, text)
		if len(nodes) > 200 {
			return
		}
		g, err := New(nodes)
		again, errAgain := New(nodes)
		if (g == nil) != (err != nil) || fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Fatalf("graph %v, error %v, and the second time %v", g, err, errAgain)
		}
		if err != nil {
			return
		}
		if everything(g) != everything(again) {
			t.Fatal("the same processes, and another graph")
		}
		if len(nodes) <= 12 {
			if _, err := agree(nodes); err != nil {
				t.Fatal(err)
			}
		}
		random := rand.New(rand.NewPCG(uint64(len(text)), 0))
		if order := walkAll(g, random.IntN, nil); len(order) != 2*g.Len() {
			t.Fatalf("%d of %d steps", len(order), 2*g.Len())
		}
	})
}

// everything spells all results of a graph out.
func everything(g *Graph) string {
	text := g.Dot(StartGraph) + g.Mermaid(StopGraph) + fmt.Sprint(g.Dropped(), g.Walk().Begin(), g.steps)
	for i := range g.Len() {
		text += fmt.Sprint(g.Fronted(ID(i)), g.Clients(ID(i)))
	}
	return text
}

// TestSameInputSameOutput builds random graphs twice and walks them twice: nothing may hang on the order of a map.
func TestSameInputSameOutput(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 2))
		nodes := dice(random.IntN).nodes(40)
		a, errA := New(nodes)
		b, errB := New(nodes)
		if fmt.Sprint(errA) != fmt.Sprint(errB) {
			t.Fatalf("seed %d: %v, and %v", seed, errA, errB)
		}
		if errA != nil {
			continue
		}
		pick := func(g *Graph) string {
			random := rand.New(rand.NewPCG(seed, 3))
			return fmt.Sprint(walkAll(g, random.IntN, nil))
		}
		if everything(a) != everything(b) || pick(a) != pick(b) || !Diff(a, b).Empty() {
			t.Fatalf("seed %d: the same processes, and another graph", seed)
		}
	}
}
