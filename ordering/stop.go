package ordering

import "slices"

// orderStop draws the stop order from the contracted graph: every edge reversed, those that a gateway draws to a worker
// or another gateway turned round, fronts added, and the pairs of outlives replaced. A task is only ever first in a
// pair, unless outlives says otherwise: it leaves before what it needs, and what needs it does not wait for its end.
func (g *Graph) orderStop() {
	after := make([][]ID, len(g.nodes))
	draw := func(first, later ID) {
		if !slices.Contains(g.outlives[first], later) {
			after[first] = append(after[first], later)
		}
	}
	for i := range g.nodes {
		id := ID(i)
		for _, need := range g.below[id] {
			if g.turned(id, need) {
				draw(need, id)
			} else {
				draw(id, need)
			}
		}
		for _, worker := range g.fronts[id] {
			draw(worker, id)
		}
		for _, first := range g.outlives[id] {
			after[first] = append(after[first], id)
		}
	}
	g.after, g.before = both(after)
}

// turned says whether the edge by which upper depends on lower is turned round for stopping.
func (g *Graph) turned(upper, lower ID) bool {
	return g.nodes[upper].Role == Gateway && g.nodes[lower].Role.leavesBeforeGateway()
}

// Before lists who must leave directly before id, ascending. What lies further back follows from theirs.
func (g *Graph) Before(id ID) []ID { return g.before[id] }

// After lists those that must leave directly after id, ascending.
func (g *Graph) After(id ID) []ID { return g.after[id] }

// MustLeaveBefore says whether x must have left before y may be told to: the closure of the stop order, over processes
// with nothing running too. It walks the graph; it is for messages, checks and tests, and a shutdown uses Walk.
func (g *Graph) MustLeaveBefore(x, y ID) bool {
	return reached(g.after, x)[y]
}
