package ordering

import (
	"errors"
	"slices"
)

// Graph is a checked set of processes with its two orders and the steps of a shutdown. It never changes and may be
// shared. The slices that its methods return are its own and must not be written to.
type Graph struct {
	nodes  []Node
	byName map[string]ID

	needs, neededBy [][]ID // as declared
	fronts          [][]ID // as declared; nil: derived
	outlives        [][]ID // as declared

	below, above [][]ID // what it depends on once tasks are contracted, and the reverse

	before, after    [][]ID // the stop order: who leaves directly before it, and after it
	fronted, clients [][]ID
	steps            steps
}

// New checks the declared processes and works out their orders. The error joins every fault found, each an
// *UnknownError, *DuplicateError, *SelfError, *RoleError or *CycleError, in an order that depends on nothing but nodes.
// What follows from a fault alone is not said again.
func New(nodes []Node) (*Graph, error) {
	g := &Graph{nodes: slices.Clone(nodes)}
	faults := g.name()
	faults = append(faults, g.declare()...)
	faults = append(faults, g.startCycles()...)
	g.contract()
	faults = append(faults, g.misplacedServices()...)
	g.above = transpose(g.below)
	g.orderStop()
	faults = append(faults, g.stopCycles()...)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	g.stand()
	g.planSteps()
	return g, nil
}

// name gives every name its ID.
func (g *Graph) name() (faults []error) {
	g.byName = make(map[string]ID, len(g.nodes))
	for i := range g.nodes {
		name := g.nodes[i].Name
		if first, taken := g.byName[name]; taken {
			faults = append(faults, &DuplicateError{Name: name, First: first, Second: ID(i)})
			continue
		}
		g.byName[name] = ID(i)
	}
	return faults
}

// declare turns the names of each node's keys into IDs, leaving out those that are at fault.
func (g *Graph) declare() (faults []error) {
	needs, n := make([][]ID, len(g.nodes)), len(g.nodes)
	g.fronts, g.outlives = make([][]ID, n), make([][]ID, n)
	for i := range g.nodes {
		id, node := ID(i), &g.nodes[i]
		needs[id] = g.resolve(id, "depends_on", node.DependsOn, &faults)
		g.outlives[id] = g.resolve(id, "outlives", node.Outlives, &faults)
		switch {
		case node.Fronts == nil:
		case node.Role != Gateway:
			faults = append(faults, &RoleError{Node: node.Name, Role: node.Role, Key: "fronts"})
		default:
			g.fronts[id] = g.frontable(id, g.resolve(id, "fronts", node.Fronts, &faults), &faults)
		}
	}
	g.needs, g.neededBy = both(needs)
	return faults
}

// resolve looks the names of one key up. The result is ascending, without doubles, and never nil.
func (g *Graph) resolve(id ID, key string, names []string, faults *[]error) []ID {
	found := make([]ID, 0, len(names))
	for _, name := range names {
		other, known := g.byName[name]
		switch {
		case !known:
			*faults = append(*faults, &UnknownError{
				Node: g.nodes[id].Name, Key: key, Name: name, Suggestion: suggest(name, g.nodes),
			})
		case name == g.nodes[id].Name:
			*faults = append(*faults, &SelfError{Node: name, Key: key})
		default:
			found = append(found, other)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// frontable leaves out whom a gateway cannot stand before.
func (g *Graph) frontable(id ID, named []ID, faults *[]error) []ID {
	return slices.DeleteFunc(named, func(other ID) bool {
		role := g.nodes[other].Role
		if role.leavesBeforeGateway() {
			return false
		}
		*faults = append(*faults, &RoleError{
			Node: g.nodes[id].Name, Role: Gateway, Key: "fronts", Other: g.nodes[other].Name, OtherRole: role,
		})
		return true
	})
}

// startCycles names the cycles of depends_on, and takes their edges out so that the rest can still be checked.
func (g *Graph) startCycles() []error {
	found := cycles(g.needs)
	if len(found) == 0 {
		return nil
	}
	of, _ := knots(g.needs)
	for id, needs := range g.needs {
		g.needs[id] = slices.DeleteFunc(needs, func(n ID) bool { return of[n] != 0 && of[n] == of[id] })
	}
	g.needs, g.neededBy = both(g.needs)
	return g.cycleErrors(StartGraph, found)
}

// stopCycles names the cycles of the stop order.
func (g *Graph) stopCycles() []error {
	return g.cycleErrors(StopGraph, cycles(g.after))
}

// cycleErrors spells cycles out.
func (g *Graph) cycleErrors(kind string, found [][]ID) []error {
	faults := make([]error, 0, len(found))
	for _, cycle := range found {
		path := make([]string, 0, len(cycle)+1)
		for _, id := range cycle {
			path = append(path, g.nodes[id].Name)
		}
		faults = append(faults, &CycleError{Kind: kind, Path: append(path, path[0])})
	}
	return faults
}

// Len is the number of processes. Their IDs are 0 to Len()-1.
func (g *Graph) Len() int { return len(g.nodes) }

// Node is the process as it was declared.
func (g *Graph) Node(id ID) Node { return g.nodes[id] }

// Lookup finds a process by its name.
func (g *Graph) Lookup(name string) (ID, bool) {
	id, ok := g.byName[name]
	return id, ok
}

// Needs lists what must be ready before id starts: its depends_on, ascending.
func (g *Graph) Needs(id ID) []ID { return g.needs[id] }

// NeededBy lists those that name id in their depends_on, ascending.
func (g *Graph) NeededBy(id ID) []ID { return g.neededBy[id] }
