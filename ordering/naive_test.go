package ordering

import (
	"cmp"
	"slices"
)

// This file says the rules a second time, in the plainest way: small matrices, closed by brute force. It shares nothing
// with the package but the types.

// matrix has a row of bits for each element: bit y of row x stands for x -> y. There are at most 64 elements.
type matrix []uint64

func (m matrix) has(x, y int) bool { return m[x]>>y&1 == 1 }
func (m matrix) set(x, y int)      { m[x] |= 1 << y }

// closed is the transitive closure.
func (m matrix) closed() matrix {
	c := slices.Clone(m)
	for via := range c {
		for x := range c {
			if c.has(x, via) {
				c[x] |= c[via]
			}
		}
	}
	return c
}

// reaches says whether a way leads from x to y.
func (m matrix) reaches(x, y int) bool {
	seen, next := uint64(0), m[x]
	for next != seen {
		seen = next
		for at := range m {
			if seen>>at&1 == 1 {
				next |= m[at]
			}
		}
	}
	return seen>>y&1 == 1
}

func (m matrix) cyclic() bool {
	c := m.closed()
	for x := range c {
		if c.has(x, x) {
			return true
		}
	}
	return false
}

// model is a set of processes with everything that is declared about them.
type model struct {
	roles           []Role
	needs, outlives matrix
	fronts          matrix
	hasFronts       []bool

	contracted       matrix // worked out once from what is declared
	workers, clients []uint64
}

func modelOf(nodes []Node) *model {
	n := len(nodes)
	m := &model{
		roles: make([]Role, n), needs: make(matrix, n), outlives: make(matrix, n), fronts: make(matrix, n),
		hasFronts: make([]bool, n),
	}
	ids := make(map[string]int)
	for i := range nodes {
		ids[nodes[i].Name] = i
	}
	for i := range nodes {
		m.roles[i], m.hasFronts[i] = nodes[i].Role, nodes[i].Fronts != nil
		for _, name := range nodes[i].DependsOn {
			m.needs.set(i, ids[name])
		}
		for _, name := range nodes[i].Outlives {
			m.outlives.set(i, ids[name])
		}
		for _, name := range nodes[i].Fronts {
			m.fronts.set(i, ids[name])
		}
	}
	m.contracted = m.contract()
	m.workers, m.clients = make([]uint64, n), make([]uint64, n)
	for i := range nodes {
		if m.roles[i] == Gateway {
			m.workers[i] = m.workersOf(i)
			m.clients[i] = m.clientsOf(i)
		}
	}
	return m
}

// contract is depends_on with tasks taken out of the way: a > task > b counts as a > b, over any number of tasks.
func (m *model) contract() matrix {
	c := slices.Clone(m.needs)
	for task, role := range m.roles {
		if role == Task {
			for x := range c {
				if c.has(x, task) {
					c[x] |= c[task]
				}
			}
		}
	}
	for task, role := range m.roles {
		if role == Task { // nobody waits for a task's end
			for x := range c {
				c[x] &^= 1 << task
			}
		}
	}
	return c
}

// stop is the direct stop order: x -> y where x leaves before y.
func (m *model) stop() matrix {
	s, c := make(matrix, len(m.roles)), m.contracted
	pairs := func(do func(x, y int)) {
		for x := range s {
			for y := range s {
				do(x, y)
			}
		}
	}
	pairs(func(x, y int) {
		gatewayOverWorker := m.roles[x] == Gateway && (m.roles[y] == Worker || m.roles[y] == Gateway)
		switch {
		case c.has(x, y) && gatewayOverWorker:
			s.set(y, x)
		case c.has(x, y):
			s.set(x, y)
		}
		if m.fronts.has(x, y) {
			s.set(y, x)
		}
	})
	pairs(func(x, y int) {
		if m.outlives.has(x, y) {
			s[x] &^= 1 << y
			s[y] &^= 1 << x
		}
	})
	pairs(func(x, y int) {
		if m.outlives.has(x, y) {
			s.set(y, x)
		}
	})
	return s
}

// misplaced lists the service, the worker or gateway it depends on, and each gateway above it.
func (m *model) misplaced() (triples [][3]int) {
	c, above := m.contracted, m.needs.closed()
	for s := range m.roles {
		for w := range m.roles {
			for g := range m.roles {
				if m.roles[s] == Service && c.has(s, w) && (m.roles[w] == Worker || m.roles[w] == Gateway) &&
					m.roles[g] == Gateway && above.has(g, s) {
					triples = append(triples, [3]int{s, w, g})
				}
			}
		}
	}
	return triples
}

// workersOf are the gateway's: fronts, else what it depends on, else what depends on it.
func (m *model) workersOf(g int) uint64 {
	if m.hasFronts[g] {
		return m.fronts[g]
	}
	c, below, above := m.contracted, uint64(0), uint64(0)
	for x, role := range m.roles {
		if c.has(g, x) && (role == Worker || role == Gateway) {
			below |= 1 << x
		}
		if c.has(x, g) && role == Worker {
			above |= 1 << x
		}
	}
	return cmp.Or(below, above)
}

// clientsOf are the other workers, and the tasks, that depend on the gateway.
func (m *model) clientsOf(g int) (clients uint64) {
	c, workers := m.contracted, m.workers[g]
	for x, role := range m.roles {
		if (role == Worker || role == Task) && c.has(x, g) && workers>>x&1 == 0 && !m.outlives.has(x, g) {
			clients |= 1 << x
		}
	}
	return clients
}

// connected joins all that depend on one another, or front one another, in whatever direction.
func (m *model) connected() matrix {
	c := make(matrix, len(m.roles))
	for x := range c {
		for y := range c {
			if x == y || m.needs.has(x, y) || m.needs.has(y, x) || m.fronts.has(x, y) || m.fronts.has(y, x) {
				c.set(x, y)
			}
		}
	}
	return c.closed()
}

// drain and leave are the elements of the step matrix.
func drain(x int) int { return 2 * x }
func leave(x int) int { return 2*x + 1 }

// firmSteps are the steps without the waits that may be dropped.
func (m *model) firmSteps() matrix {
	s, stop := make(matrix, 2*len(m.roles)), m.stop()
	for x := range m.roles {
		s.set(drain(x), leave(x))
		for y := range m.roles {
			if m.needs.has(x, y) {
				s.set(drain(x), drain(y))
			}
			if m.workers[x]>>y&1 == 1 {
				s.set(drain(x), leave(y))
			}
			if stop.has(x, y) {
				s.set(leave(x), leave(y))
			}
		}
	}
	return s
}

// stepsWithWaits adds the waits one by one, clients first and then services, and leaves out those that close a circle.
func (m *model) stepsWithWaits() (s matrix, dropped []DroppedWait) {
	s = m.firmSteps()
	wait := func(first, later int) {
		if s.reaches(later, first) {
			dropped = append(dropped, DroppedWait{Step: place(later).step(), For: place(first).step()})
		} else {
			s.set(first, later)
		}
	}
	for g := range m.roles {
		for x := range m.roles {
			if m.clients[g]>>x&1 == 1 {
				wait(leave(x), drain(g))
			}
		}
	}
	part := m.connected()
	for x, role := range m.roles {
		for g := range m.roles {
			if role == Service && m.roles[g] == Gateway && part.has(x, g) {
				wait(drain(g), leave(x))
			}
		}
	}
	return s, dropped
}
