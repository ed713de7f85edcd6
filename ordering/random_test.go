package ordering

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// dice gives a number from 0 to n-1.
type dice func(n int) int

// rapidDice draws from rapid, so that what fails is shrunk.
func rapidDice(t *rapid.T) dice {
	return func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "dice") }
}

// one says yes in one of n throws.
func (d dice) one(n int) bool { return d(n) == 0 }

// nodes makes up to limit processes, declared in any order, with all that can be declared about them. What depends_on
// draws has no cycle; fronts and outlives may close one.
func (d dice) nodes(limit int) []Node {
	nodes := make([]Node, d(limit+1))
	sparse, wild := 1+d(6), d.one(4)
	var placed []int
	for i := range nodes {
		at := d(i + 1)
		placed = append(placed, i)
		placed[at], placed[i] = placed[i], placed[at]
		nodes[i] = Node{Name: fmt.Sprint("n", i), Role: Role(d(4))}
	}
	for i, at := range placed {
		for _, other := range placed[:i] {
			if d.one(sparse) {
				nodes[at].DependsOn = append(nodes[at].DependsOn, nodes[other].Name)
			}
		}
	}
	if wild {
		d.pairs(nodes)
	}
	return nodes
}

// pairs adds fronts and outlives.
func (d dice) pairs(nodes []Node) {
	for i := range nodes {
		if nodes[i].Role == Gateway && d.one(2) {
			nodes[i].Fronts = []string{}
		}
		for j := range nodes {
			if i == j {
				continue
			}
			if nodes[i].Fronts != nil && nodes[j].Role.leavesBeforeGateway() && d.one(4) {
				nodes[i].Fronts = append(nodes[i].Fronts, nodes[j].Name)
			}
			if d.one(20) {
				nodes[i].Outlives = append(nodes[i].Outlives, nodes[j].Name)
			}
		}
	}
}

// TestRandomGraphs holds random graphs, with fronts and outlives, against the second definition.
func TestRandomGraphs(t *testing.T) {
	var built, faulty, dropping int
	rapid.Check(t, func(t *rapid.T) {
		for range 100 {
			nodes := rapidDice(t).nodes(9)
			g, err := agree(nodes)
			switch {
			case err != nil:
				t.Fatalf("%v: %v", nodes, err)
			case g == nil:
				faulty++
			case len(g.Dropped()) > 0:
				dropping++
			default:
				built++
			}
		}
	})
	t.Logf("%d graphs drop nothing, %d drop a wait, %d are at fault", built, dropping, faulty)
}
