package ordering

import (
	"fmt"
	"testing"
)

var shapes = []struct {
	name  string
	nodes func() []Node
}{
	{"chain of 10000", func() []Node { return chain(10000) }},
	{"star of 10000", func() []Node { return star(10000) }},
	{"fan of 10000", func() []Node { return fan(10000) }},
	{"10000 tied to two gateways", func() []Node { return tied(10000) }},
	{"200 layers of 50", func() []Node { return layered(200, 50) }},
}

// TestWalkCostsItsEdges counts operations, not time: a whole walk looks at each edge between steps once, and there are
// no more of those than a few for each declared edge.
func TestWalkCostsItsEdges(t *testing.T) {
	for _, shape := range shapes {
		t.Run(shape.name, func(t *testing.T) {
			nodes := shape.nodes()
			declared := 0
			for _, n := range nodes {
				declared += len(n.DependsOn)
			}
			g, err := New(nodes)
			if err != nil {
				t.Fatal(err)
			}
			edges := 0
			for _, list := range g.steps.succ {
				edges += len(list)
			}
			if limit := 4*declared + 3*len(nodes); edges > limit {
				t.Errorf("%d edges between steps, for %d declared and %d processes", edges, declared, len(nodes))
			}
			w := g.Walk()
			over := 0
			for free := w.Begin(); len(free) > 0; over++ {
				next := free[len(free)-1]
				free = append(free[:len(free)-1], w.Done(next)...)
			}
			if over != 2*len(nodes) || w.looked != edges {
				t.Errorf("%d steps of %d, %d looks at %d edges", over, 2*len(nodes), w.looked, edges)
			}
			if err := w.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for _, shape := range shapes {
		nodes := shape.nodes()
		b.Run(shape.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := New(nodes); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWalk(b *testing.B) {
	for _, shape := range shapes {
		g, err := New(shape.nodes())
		if err != nil {
			b.Fatal(err)
		}
		b.Run(shape.name, func(b *testing.B) {
			for b.Loop() {
				walkAll(g, func(n int) int { return n - 1 }, nil)
			}
		})
	}
}

func BenchmarkBudget(b *testing.B) {
	g, err := New(layered(200, 50))
	if err != nil {
		b.Fatal(err)
	}
	cost := make([]Cost, g.Len())
	for i := range cost {
		cost[i] = Cost{PreStop: 1, Steps: 10, Kill: 5}
	}
	b.Run(fmt.Sprint(g.Len(), " processes"), func(b *testing.B) {
		for b.Loop() {
			g.Budget(Limits{Timeout: 1000, Reserve: 3}, cost, func(ID) bool { return true })
		}
	})
}
