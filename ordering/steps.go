package ordering

import "slices"

// place is where a step stands in the lists of steps: 2*ID for Drain, 2*ID+1 for Leave, and behind those the relays.
type place int32

// placeOf is the place of a step.
func placeOf(kind StepKind, id ID) place { return place(id)*2 + place(kind) }

// step is the step at a place that is no relay.
func (p place) step() Step { return Step{Kind: StepKind(p % 2), ID: ID(p / 2)} }

// steps is the graph of the steps of a shutdown. A relay is a step of nobody: it stands between the drains of a
// connected part's gateways and the leaving of its services, so that these need not be joined each with each.
type steps struct {
	real      int // the places below it are steps, the others relays
	succ, pre [][]place
	order     []place // topological
	dropped   []DroppedWait
}

// planSteps draws the edges that doc.go lists. Without the soft ones there is no circle, for no edge leads from the
// leaving of anybody to a drain.
func (g *Graph) planSteps() {
	parts, count := g.parts()
	s := &g.steps
	s.real = 2 * len(g.nodes)
	s.succ = make([][]place, s.real+count)
	for i := range g.nodes {
		id := ID(i)
		s.join(placeOf(Drain, id), placeOf(Leave, id))
		for _, need := range g.needs[id] {
			s.join(placeOf(Drain, id), placeOf(Drain, need))
		}
		for _, worker := range g.fronted[id] {
			s.join(placeOf(Drain, id), placeOf(Leave, worker))
		}
		for _, later := range g.after[id] {
			s.join(placeOf(Leave, id), placeOf(Leave, later))
		}
		if g.Drains(id) {
			s.join(placeOf(Drain, id), place(s.real+parts[id]))
		}
	}
	g.awaitClients()
	g.holdServices(parts)
	s.succ, s.pre = both(s.succ)
	s.order = sorted(s.succ, s.pre)
	if len(s.order) != len(s.succ) {
		panic("ordering: a step waits for itself")
	}
}

func (s *steps) join(first, later place) { s.succ[first] = append(s.succ[first], later) }

// drop lists a wait that would close a circle.
func (s *steps) drop(step, without place) {
	s.dropped = append(s.dropped, DroppedWait{Step: step.step(), For: without.step()})
}

// awaitClients lets each gateway's drain wait for its clients to leave. Only a wait inside a knot of the graph with all
// of them can close a circle: those are added gateway by gateway, if what the drain leads to does not hold the client.
func (g *Graph) awaitClients() {
	s := &g.steps
	awaited := make([][]ID, len(g.nodes))
	for i, clients := range g.clients {
		if g.Drains(ID(i)) {
			awaited[i] = clients
		}
	}
	if !slices.ContainsFunc(awaited, func(clients []ID) bool { return len(clients) > 0 }) {
		return
	}
	all := slices.Clone(s.succ)
	for i, clients := range awaited {
		for _, c := range clients {
			from := placeOf(Leave, c)
			all[from] = append(slices.Clip(all[from]), placeOf(Drain, ID(i)))
		}
	}
	of, _ := knots(all)
	var tied []ID
	for i, clients := range awaited {
		drain := placeOf(Drain, ID(i))
		if of[drain] != 0 && slices.ContainsFunc(clients, func(c ID) bool { return of[placeOf(Leave, c)] == of[drain] }) {
			tied = append(tied, ID(i))
			continue
		}
		for _, c := range clients {
			s.join(placeOf(Leave, c), drain)
		}
	}
	for _, gateway := range tied {
		drain := placeOf(Drain, gateway)
		behind := reached(s.succ, drain)
		for _, c := range g.clients[gateway] {
			if behind[placeOf(Leave, c)] {
				s.drop(drain, placeOf(Leave, c))
			} else {
				s.join(placeOf(Leave, c), drain)
			}
		}
	}
}

// holdServices keeps the services of a connected part until its gateways have drained. A service that has to leave
// before some drain, for it depends on a client, waits for those gateways only whose drains it does not hold up.
func (g *Graph) holdServices(parts []int) {
	s := &g.steps
	gateways := make([][]ID, len(s.succ)-s.real)
	var drains []place
	for i := range g.nodes {
		if g.Drains(ID(i)) {
			gateways[parts[i]] = append(gateways[parts[i]], ID(i))
			drains = append(drains, placeOf(Drain, ID(i)))
		}
	}
	holds := reached(transpose(s.succ), drains...)
	var upper []ID
	for i := range g.nodes {
		switch {
		case g.nodes[i].Role != Service || len(gateways[parts[i]]) == 0:
		case holds[placeOf(Leave, ID(i))]:
			upper = append(upper, ID(i))
		default:
			s.join(place(s.real+parts[i]), placeOf(Leave, ID(i)))
		}
	}
	for _, service := range upper {
		leave := placeOf(Leave, service)
		behind := reached(s.succ, leave)
		for _, gateway := range gateways[parts[service]] {
			if behind[placeOf(Drain, gateway)] {
				s.drop(leave, placeOf(Drain, gateway))
			} else {
				s.join(placeOf(Drain, gateway), leave)
			}
		}
	}
}

// Drains says whether something is done for the drain of a process: it is a gateway, and not without a drain.
func (g *Graph) Drains(id ID) bool { return g.nodes[id].Role == Gateway && !g.nodes[id].NoDrain }

// Without is the graph in which the named processes have nothing to do for their drain: nobody waits for it, and it waits
// for no client. It costs as much as the steps of New do.
func (g *Graph) Without(drains []ID) *Graph {
	lesser := *g
	lesser.nodes = slices.Clone(g.nodes)
	for _, id := range drains {
		lesser.nodes[id].NoDrain = true
	}
	lesser.steps = steps{}
	lesser.planSteps()
	return &lesser
}

// Dropped lists the waits that would have made a step wait for itself and are left out: a gateway's drain that does
// not wait for a client, a service that does not wait for a gateway's drain.
func (g *Graph) Dropped() []DroppedWait { return g.steps.dropped }
