package journal

import "slices"

// relation is the order of a shutdown, worked out from the header alone, so that a fault in the planner cannot hide
// itself from the check. It keeps the direct edges; before follows them when asked.
type relation struct {
	id    map[string]int
	first [][]int // first[x]: those that must leave directly before x
	all   []map[int]bool
}

// newRelation draws the stop edges of SPEC: tasks contracted, edges of gateways to workers and gateways turned round,
// every other edge reversed, the pairs named by outlives replaced.
func newRelation(nodes []NodeRecord) *relation {
	r := &relation{
		id: make(map[string]int, len(nodes)), first: make([][]int, len(nodes)), all: make([]map[int]bool, len(nodes)),
	}
	for i, n := range nodes {
		r.id[n.Name] = i
	}
	edges := make(map[[2]int]bool) // {leaves first, leaves later}
	for i, n := range nodes {
		for _, need := range r.contracted(nodes, i) {
			if n.Role == "gateway" && (nodes[need].Role == "worker" || nodes[need].Role == "gateway") {
				edges[[2]int{need, i}] = true
			} else {
				edges[[2]int{i, need}] = true
			}
		}
		for _, w := range n.Fronts {
			edges[[2]int{r.id[w], i}] = true
		}
	}
	for i, n := range nodes {
		for _, x := range n.Outlives {
			delete(edges, [2]int{i, r.id[x]})
		}
	}
	for i, n := range nodes {
		for _, x := range n.Outlives {
			edges[[2]int{r.id[x], i}] = true
		}
	}
	for e := range edges {
		r.first[e[1]] = append(r.first[e[1]], e[0])
	}
	for i := range r.first {
		slices.Sort(r.first[i])
	}
	return r
}

// contracted lists what i depends on, directly or with nothing but tasks between. Tasks themselves are left out: one
// that is over has no process, and nobody stays for its sake.
func (r *relation) contracted(nodes []NodeRecord, i int) []int {
	var found []int
	seen := make(map[int]bool)
	todo := []int{i}
	for len(todo) > 0 {
		x := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, name := range nodes[x].DependsOn {
			need := r.id[name]
			if seen[need] {
				continue
			}
			seen[need] = true
			if nodes[need].Role == "task" {
				todo = append(todo, need)
			} else {
				found = append(found, need)
			}
		}
	}
	return found
}

// before is the set of all who must leave before x: the closure, over nodes with nothing running too.
func (r *relation) before(x int) map[int]bool {
	if r.all[x] != nil {
		return r.all[x]
	}
	set := make(map[int]bool)
	todo := slices.Clone(r.first[x])
	for len(todo) > 0 {
		y := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !set[y] {
			set[y] = true
			todo = append(todo, r.first[y]...)
		}
	}
	r.all[x] = set
	return set
}
