package ordering

import "slices"

// contract works out what each process depends on once tasks are taken out of the way: the workers, gateways and
// services that it reaches directly or over tasks alone. The pairs are written out, so a task costs as many edges as
// it has processes above it times those below.
func (g *Graph) contract() {
	g.below = make([][]ID, len(g.nodes))
	for _, id := range sorted(g.neededBy, g.needs) { // tasks come before those that depend on them
		below := make([]ID, 0, len(g.needs[id]))
		for _, need := range g.needs[id] {
			if g.nodes[need].Role == Task {
				below = append(below, g.below[need]...)
			} else {
				below = append(below, need)
			}
		}
		slices.Sort(below)
		g.below[id] = slices.Compact(below)
	}
}

// misplacedServices finds the services that depend on a worker or gateway and stand below a gateway. Each would have
// to leave before that worker, which has to leave before the gateway, which needs the service to the end. The edges at
// fault are taken out, so that they are not said again as a cycle.
func (g *Graph) misplacedServices() (faults []error) {
	over := g.gatewayOver()
	for i := range g.nodes {
		if g.nodes[i].Role != Service || over[i] < 0 {
			continue
		}
		kept := g.below[i][:0]
		for _, need := range g.below[i] {
			if !g.nodes[need].Role.leavesBeforeGateway() {
				kept = append(kept, need)
				continue
			}
			faults = append(faults, &RoleError{
				Node: g.nodes[i].Name, Role: Service, Key: "depends_on",
				Other: g.nodes[need].Name, OtherRole: g.nodes[need].Role, Gateway: g.nodes[over[i]].Name,
			})
		}
		g.below[i] = kept
	}
	return faults
}

// gatewayOver is, for each process, the nearest gateway that depends on it over any number of edges; -1 where there is
// none.
func (g *Graph) gatewayOver() []ID {
	over := make([]ID, len(g.nodes))
	var todo []ID
	for i := range g.nodes {
		over[i] = -1
		if g.nodes[i].Role == Gateway {
			todo = append(todo, ID(i))
		}
	}
	for at := 0; at < len(todo); at++ {
		id, gateway := todo[at], todo[at]
		if g.nodes[id].Role != Gateway {
			gateway = over[id]
		}
		for _, need := range g.needs[id] {
			if over[need] >= 0 {
				continue
			}
			over[need] = gateway
			if g.nodes[need].Role != Gateway { // gateways are in the list from the begin
				todo = append(todo, need)
			}
		}
	}
	return over
}
