package ordering

import "fmt"

// chain is n workers, each depending on the one before it.
func chain(n int) []Node {
	nodes := make([]Node, n)
	for i := range nodes {
		nodes[i].Name = fmt.Sprintf("n%d", i)
		if i > 0 {
			nodes[i].DependsOn = []string{nodes[i-1].Name}
		}
	}
	return nodes
}

// star is a gateway that depends on n-2 workers, which depend on one service.
func star(n int) []Node {
	nodes := make([]Node, n)
	nodes[0] = Node{Name: "db", Role: Service}
	edge := Node{Name: "edge", Role: Gateway}
	for i := 1; i < n-1; i++ {
		nodes[i] = Node{Name: fmt.Sprintf("n%d", i), DependsOn: []string{"db"}}
		edge.DependsOn = append(edge.DependsOn, nodes[i].Name)
	}
	nodes[n-1] = edge
	return nodes
}

// fan is n-2 services that need nothing beside n/2 gateways that front nobody, all joined by one worker: without relays
// this would be n*n/4 waits.
func fan(n int) []Node {
	nodes := make([]Node, n)
	hub := Node{Name: "hub"}
	for i := 1; i < n; i++ {
		nodes[i] = Node{Name: fmt.Sprintf("n%d", i), Role: Service}
		if i%2 == 0 {
			nodes[i].Role = Gateway
			nodes[i].Fronts = []string{}
			nodes[i].DependsOn = []string{"hub"}
		} else {
			hub.DependsOn = append(hub.DependsOn, nodes[i].Name)
		}
	}
	nodes[0] = hub
	return nodes
}

// layered is layers of width processes, each depending on all of the layer below: services at the bottom, then workers,
// then gateways.
func layered(layers, width int) []Node {
	var nodes []Node
	for layer := range layers {
		role := Worker
		switch {
		case layer < layers/3:
			role = Service
		case layer == layers-1:
			role = Gateway
		}
		for i := range width {
			n := Node{Name: fmt.Sprintf("n%d-%d", layer, i), Role: role}
			for j := range width {
				if layer > 0 {
					n.DependsOn = append(n.DependsOn, fmt.Sprintf("n%d-%d", layer-1, j))
				}
			}
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// tied is two gateways, the outer depending on the inner, and n-2 workers that depend on both: they are the inner's
// workers and the outer's clients, and no wait of the outer's drain for them can be kept.
func tied(n int) []Node {
	nodes := []Node{
		{Name: "inner", Role: Gateway},
		{Name: "outer", Role: Gateway, DependsOn: []string{"inner"}},
	}
	for i := 2; i < n; i++ {
		nodes = append(nodes, Node{Name: fmt.Sprintf("n%d", i), DependsOn: []string{"inner", "outer"}})
	}
	return nodes
}
