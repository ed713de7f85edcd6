package ordering

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// drawNodes draws up to limit processes in any order of declaration, with all that can be declared about them. What
// depends_on draws has no cycle; fronts and outlives may close one.
func drawNodes(t *rapid.T, limit int) []Node {
	n := rapid.IntRange(0, limit).Draw(t, "processes")
	dense := rapid.IntRange(1, 6).Draw(t, "one edge in")
	wild := rapid.IntRange(0, 3).Draw(t, "wild") == 0
	places := rapid.Permutation(sequence(n)).Draw(t, "places")
	nodes := make([]Node, n)
	for i, at := range places {
		node := &nodes[at]
		node.Name = fmt.Sprint("n", at)
		node.Role = Role(rapid.IntRange(0, 3).Draw(t, "role"))
		for _, other := range places[:i] {
			if rapid.IntRange(1, dense).Draw(t, "edge") == 1 {
				node.DependsOn = append(node.DependsOn, fmt.Sprint("n", other))
			}
		}
		if wild && node.Role == Gateway && rapid.Bool().Draw(t, "fronts") {
			node.Fronts = []string{}
		}
	}
	for i := range nodes {
		for j := range nodes {
			if !wild || i == j {
				continue
			}
			if nodes[i].Fronts != nil && nodes[j].Role.leavesBeforeGateway() && rapid.IntRange(0, 3).Draw(t, "front") == 0 {
				nodes[i].Fronts = append(nodes[i].Fronts, nodes[j].Name)
			}
			if rapid.IntRange(0, 20).Draw(t, "outlives") == 0 {
				nodes[i].Outlives = append(nodes[i].Outlives, nodes[j].Name)
			}
		}
	}
	return nodes
}

func sequence(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// TestRandomGraphs holds random graphs, with fronts and outlives, against the second definition.
func TestRandomGraphs(t *testing.T) {
	var built, faulty, dropping int
	rapid.Check(t, func(t *rapid.T) {
		for range 100 {
			nodes := drawNodes(t, 9)
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
