package ordering

import "slices"

// StopsWith lists, ascending, those that are stopped together with the given ones: they themselves, and their dependents
// over any number of edges. A dependent that outlives what it depends on stays: a gateway when one of its workers stops,
// and whoever says so by outlives.
func (g *Graph) StopsWith(ids ...ID) []ID {
	return g.closure(ids, func(id ID) []ID {
		var along []ID
		for _, upper := range g.above[id] {
			if _, first := slices.BinarySearch(g.after[upper], id); first {
				along = append(along, upper)
			}
		}
		return along
	})
}

// StartsWith lists, ascending, those that are started together with the given ones: they themselves, and all that they
// need, over any number of edges.
func (g *Graph) StartsWith(ids ...ID) []ID {
	return g.closure(ids, func(id ID) []ID { return g.needs[id] })
}

// StopOrder sorts processes so that nobody stands before one who must leave before it.
func (g *Graph) StopOrder(ids []ID) []ID {
	at := make([]int, len(g.nodes))
	for n, p := range g.steps.order {
		if int(p) < g.steps.real && p.step().Kind == Leave {
			at[p.step().ID] = n
		}
	}
	return slices.SortedFunc(slices.Values(ids), func(a, b ID) int { return at[a] - at[b] })
}

// Suggest is the name of the process that comes nearest to what was written; empty where none does.
func (g *Graph) Suggest(written string) string { return suggest(written, g.nodes) }

// closure follows the edges from the given ones on.
func (g *Graph) closure(ids []ID, edges func(ID) []ID) []ID {
	seen := make([]bool, len(g.nodes))
	var all []ID
	add := func(ids []ID) {
		for _, id := range ids {
			if !seen[id] {
				seen[id] = true
				all = append(all, id)
			}
		}
	}
	add(ids)
	for at := 0; at < len(all); at++ {
		add(edges(all[at]))
	}
	slices.Sort(all)
	return all
}

// LeavesBeforeAny says whether x must leave before anybody of whom that is asked, over any number of pairs of the stop
// order.
func (g *Graph) LeavesBeforeAny(x ID, of func(ID) bool) bool {
	for id, later := range reached(g.after, x) {
		if later && of(ID(id)) {
			return true
		}
	}
	return false
}
