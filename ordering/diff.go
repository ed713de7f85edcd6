package ordering

import "slices"

// Pair is two processes of which First must leave directly before Later.
type Pair struct {
	First, Later string
}

// Difference is what changes between two graphs. Processes are the same if their names are.
type Difference struct {
	Added, Removed []string
	Changed        []string // another role, depends_on, fronts or outlives
	Tied, Untied   []Pair   // direct pairs of the stop order that come, and that go
}

// Empty says whether nothing changes.
func (d Difference) Empty() bool {
	return len(d.Added)+len(d.Removed)+len(d.Changed)+len(d.Tied)+len(d.Untied) == 0
}

// Diff is what changes from a to b. What comes is in the order of b, what goes in that of a.
func Diff(a, b *Graph) Difference {
	var d Difference
	for i := range b.nodes {
		name := b.nodes[i].Name
		old, known := a.byName[name]
		switch {
		case !known:
			d.Added = append(d.Added, name)
		case !sameNode(&a.nodes[old], &b.nodes[i]):
			d.Changed = append(d.Changed, name)
		}
	}
	for i := range a.nodes {
		if _, stays := b.byName[a.nodes[i].Name]; !stays {
			d.Removed = append(d.Removed, a.nodes[i].Name)
		}
	}
	d.Tied, d.Untied = b.pairsWithout(a), a.pairsWithout(b)
	return d
}

// pairsWithout lists the direct pairs of the stop order that other does not have.
func (g *Graph) pairsWithout(other *Graph) (pairs []Pair) {
	for i, after := range g.after {
		first, known := other.byName[g.nodes[i].Name]
		for _, id := range after {
			later, both := other.byName[g.nodes[id].Name]
			if known && both {
				if _, has := slices.BinarySearch(other.after[first], later); has {
					continue
				}
			}
			pairs = append(pairs, Pair{First: g.nodes[i].Name, Later: g.nodes[id].Name})
		}
	}
	return pairs
}

// sameNode says whether two declarations mean the same. The order within a list means nothing.
func sameNode(a, b *Node) bool {
	return a.Role == b.Role && sameNames(a.DependsOn, b.DependsOn) && sameNames(a.Outlives, b.Outlives) &&
		(a.Fronts == nil) == (b.Fronts == nil) && sameNames(a.Fronts, b.Fronts)
}

func sameNames(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
