package ordering

import "slices"

// knots gives each node the number of its knot: a set of nodes that all reach one another. Nodes in no cycle get 0,
// the knots are numbered from 1. It is Tarjan's algorithm without recursion, for chains are long.
func knots[T index](out [][]T) (of []int, count int) {
	t := tarjan[T]{
		out: out, of: make([]int, len(out)), number: make([]int, len(out)), low: make([]int, len(out)),
		next: make([]int, len(out)), open: make([]bool, len(out)),
	}
	for i := range out {
		if t.number[i] == 0 {
			t.visit(T(i))
		}
	}
	return t.of, t.count
}

// tarjan is the state of the search for knots.
type tarjan[T index] struct {
	out         [][]T
	of          []int
	number, low []int // when a node was found, and the earliest found that it reaches
	next        []int // the next successor to look at
	open        []bool
	stack, path []T
	found       int
	count       int
}

// visit searches everything that root reaches and that was not found before.
func (t *tarjan[T]) visit(root T) {
	t.enter(root)
	for len(t.path) > 0 {
		at := t.path[len(t.path)-1]
		if t.next[at] < len(t.out[at]) {
			to := t.out[at][t.next[at]]
			t.next[at]++
			if t.number[to] == 0 {
				t.enter(to)
			} else if t.open[to] {
				t.low[at] = min(t.low[at], t.number[to])
			}
			continue
		}
		t.path = t.path[:len(t.path)-1]
		if len(t.path) > 0 {
			above := t.path[len(t.path)-1]
			t.low[above] = min(t.low[above], t.low[at])
		}
		if t.low[at] == t.number[at] {
			t.close(at)
		}
	}
}

func (t *tarjan[T]) enter(at T) {
	t.found++
	t.number[at], t.low[at], t.open[at] = t.found, t.found, true
	t.stack, t.path = append(t.stack, at), append(t.path, at)
}

// close takes the set that was entered with root from the stack. A set of one is no cycle: nobody has an edge to
// itself.
func (t *tarjan[T]) close(root T) {
	knot := 0
	if t.stack[len(t.stack)-1] != root {
		t.count++
		knot = t.count
	}
	for {
		at := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		t.of[at], t.open[at] = knot, false
		if at == root {
			return
		}
	}
}

// cycles finds the shortest cycle of each knot. Each begins with its smallest node and does not repeat it; they are
// ordered by that.
func cycles[T index](out [][]T) [][]T {
	of, count := knots(out)
	best := make([][]T, count)
	search := shortest[T]{out: out, of: of, from: make([]T, len(out)), seen: make([]int, len(out))}
	for i := range out {
		if k := of[i]; k != 0 && len(best[k-1]) != 2 {
			if found := search.through(T(i), len(best[k-1])); found != nil {
				best[k-1] = found
			}
		}
	}
	slices.SortFunc(best, func(a, b []T) int { return int(a[0]) - int(b[0]) })
	return best
}

// shortest is a breadth first search for the way from a node back to itself.
type shortest[T index] struct {
	out  [][]T
	of   []int
	from []T
	seen []int // the start (+1) of the search that saw it last, so that nothing must be cleared
}

// through is the shortest cycle through start in which start is the smallest node; nil where there is none, or none
// shorter than limit (0: no limit).
func (s *shortest[T]) through(start T, limit int) []T {
	todo := []T{start}
	for length := 1; len(todo) > 0 && (limit == 0 || length < limit); length++ {
		var next []T
		for _, at := range todo {
			for _, to := range s.out[at] {
				if to == start {
					return s.way(start, at, length)
				}
				if to > start && s.of[to] == s.of[start] && s.seen[to] != int(start)+1 {
					s.seen[to], s.from[to] = int(start)+1, at
					next = append(next, to)
				}
			}
		}
		todo = next
	}
	return nil
}

// way goes back from the last node of a cycle to its start.
func (s *shortest[T]) way(start, last T, length int) []T {
	cycle := make([]T, length)
	for i := length - 1; i > 0; i-- {
		cycle[i], last = last, s.from[last]
	}
	cycle[0] = start
	return cycle
}
