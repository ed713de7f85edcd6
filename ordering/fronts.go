package ordering

import "slices"

// stand works out where each gateway stands: before which workers, and behind which clients.
func (g *Graph) stand() {
	g.fronted, g.clients = make([][]ID, len(g.nodes)), make([][]ID, len(g.nodes))
	for i := range g.nodes {
		if g.nodes[i].Role == Gateway {
			g.fronted[i] = g.workersOf(ID(i))
			g.clients[i] = g.clientsOf(ID(i))
		}
	}
}

// workersOf is what the gateway's fronts says; else the workers and gateways it depends on; else the workers that
// depend on it.
func (g *Graph) workersOf(gateway ID) []ID {
	if g.fronts[gateway] != nil {
		return g.fronts[gateway]
	}
	var workers []ID
	for _, id := range g.below[gateway] {
		if g.nodes[id].Role.leavesBeforeGateway() {
			workers = append(workers, id)
		}
	}
	if workers != nil {
		return workers
	}
	for _, id := range g.above[gateway] {
		if g.nodes[id].Role == Worker {
			workers = append(workers, id)
		}
	}
	return workers
}

// clientsOf is the workers and tasks that depend on the gateway and are not its workers: they send it requests, so it
// turns work away only when they have left. One that outlives the gateway cannot be waited for.
func (g *Graph) clientsOf(gateway ID) []ID {
	var clients []ID
	for _, id := range g.above[gateway] {
		switch g.nodes[id].Role {
		case Worker, Task:
			_, worker := slices.BinarySearch(g.fronted[gateway], id)
			if !worker && !slices.Contains(g.outlives[id], gateway) {
				clients = append(clients, id)
			}
		case Gateway, Service:
		}
	}
	return clients
}

// Fronted lists the workers of a gateway, ascending: those that serve until it is drained. It is empty for others.
func (g *Graph) Fronted(id ID) []ID { return g.fronted[id] }

// Clients lists the clients of a gateway, ascending: other workers, and tasks, that depend on it. It is empty for
// others.
func (g *Graph) Clients(id ID) []ID { return g.clients[id] }

// parts gives each process the number of its connected part, from 0: joined by depends_on and fronts in whatever
// direction. Outlives orders a pair and does not connect it.
func (g *Graph) parts() (of []int, count int) {
	links := make([][]ID, len(g.nodes))
	for i := range g.nodes {
		links[i] = append(links[i], g.needs[i]...)
		links[i] = append(links[i], g.fronts[i]...)
	}
	out, in := both(links)
	of = make([]int, len(g.nodes))
	for i := range of {
		of[i] = -1
	}
	for i := range of {
		if of[i] >= 0 {
			continue
		}
		of[i] = count
		for todo := []ID{ID(i)}; len(todo) > 0; {
			at := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			for _, list := range [2][]ID{out[at], in[at]} {
				for _, id := range list {
					if of[id] < 0 {
						of[id] = count
						todo = append(todo, id)
					}
				}
			}
		}
		count++
	}
	return of, count
}
