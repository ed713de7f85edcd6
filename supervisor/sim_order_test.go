package supervisor_test

import (
	"fmt"
	"slices"

	"lastout/ordering"
)

// order is the relation of the stop order written a second time, from its definition and without an eye on speed: a
// matrix of who must leave before whom, closed by Warshall's three loops. The worlds are judged by it.
type order struct {
	nodes  []ordering.Node
	id     map[string]int
	direct [][]bool // the same, at once
	before [][]bool // before[x][y]: x must leave before y
	needs  [][]int  // declared, direct
}

func newOrder(nodes []ordering.Node) *order {
	o := &order{
		nodes: nodes, id: make(map[string]int), before: make([][]bool, len(nodes)), needs: make([][]int, len(nodes)),
	}
	for i, n := range nodes {
		o.id[n.Name] = i
		o.before[i] = make([]bool, len(nodes))
	}
	for i, n := range nodes {
		for _, d := range n.DependsOn {
			o.needs[i] = append(o.needs[i], o.id[d])
		}
	}
	for i := range nodes {
		o.draw(i)
	}
	for i, n := range nodes {
		for _, x := range n.Outlives {
			o.before[i][o.id[x]], o.before[o.id[x]][i] = false, false
		}
	}
	for i, n := range nodes {
		for _, x := range n.Outlives {
			o.before[o.id[x]][i] = true
		}
	}
	for i := range nodes {
		o.direct = append(o.direct, slices.Clone(o.before[i]))
	}
	for k := range nodes {
		for i := range nodes {
			for j := range nodes {
				o.before[i][j] = o.before[i][j] || o.before[i][k] && o.before[k][j]
			}
		}
	}
	return o
}

// draw sets the direct pairs of the edges that node i draws.
func (o *order) draw(i int) {
	for j := range o.nodes {
		if !o.reaches(i, j) || o.nodes[j].Role == ordering.Task {
			continue
		}
		turned := o.nodes[i].Role == ordering.Gateway &&
			(o.nodes[j].Role == ordering.Worker || o.nodes[j].Role == ordering.Gateway)
		if turned {
			o.before[j][i] = true
		} else {
			o.before[i][j] = true
		}
	}
	for _, w := range o.nodes[i].Fronts {
		o.before[o.id[w]][i] = true
	}
}

// reaches says whether i depends on j directly or with nothing but tasks between.
func (o *order) reaches(i, j int) bool {
	for _, d := range o.needs[i] {
		if d == j || o.nodes[d].Role == ordering.Task && o.reaches(d, j) {
			return true
		}
	}
	return false
}

func (o *order) circular() bool {
	for i := range o.nodes {
		if o.before[i][i] {
			return true
		}
	}
	return false
}

// compare holds the relation against that of the package.
func (o *order) compare(g *ordering.Graph) error {
	for i := range o.nodes {
		for j := range o.nodes {
			if got := g.MustLeaveBefore(ordering.ID(i), ordering.ID(j)); got != o.before[i][j] {
				return fmt.Errorf("order: MustLeaveBefore(%s, %s) = %v, by the definition it is %v",
					o.nodes[i].Name, o.nodes[j].Name, got, o.before[i][j])
			}
		}
	}
	return nil
}

// workers lists whom a gateway stands before, by the definition.
func (o *order) workers(g int) []int {
	var list []int
	if o.nodes[g].Fronts != nil {
		for _, name := range o.nodes[g].Fronts {
			list = append(list, o.id[name])
		}
		return list
	}
	for j, n := range o.nodes {
		if o.reaches(g, j) && (n.Role == ordering.Worker || n.Role == ordering.Gateway) {
			list = append(list, j)
		}
	}
	if list != nil {
		return list
	}
	for j, n := range o.nodes {
		if n.Role == ordering.Worker && o.reaches(j, g) {
			list = append(list, j)
		}
	}
	slices.Sort(list)
	return list
}
