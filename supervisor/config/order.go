package config

import (
	"errors"
	"fmt"
	"slices"

	"lastout/ordering"
)

// order makes the graph; what is wrong with it becomes faults where it is written.
func (l *loader) order(c *Config, found []*process) {
	byName := map[string]*process{}
	for _, p := range found {
		byName[p.name] = p
		for _, key := range []string{"depends_on", "fronts", "outlives"} {
			l.once(p, key)
		}
	}
	graph, err := ordering.New(c.Nodes)
	for _, fault := range split(err) {
		l.orderFault(byName, fault)
	}
	c.Graph = graph
}

// once warns of a name that stands twice in an array of names: that changes nothing, and was hardly meant.
func (l *loader) once(p *process, key string) {
	seen := map[string]bool{}
	for _, item := range p.t.list(key) {
		if seen[item.s] {
			l.warn(item.at, "%s%s: %q is there twice", p.who, key, item.s)
		}
		seen[item.s] = true
	}
}

// split takes apart what errors.Join put together.
func split(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// orderFault says an error of the graph at the line it comes from.
func (l *loader) orderFault(byName map[string]*process, fault error) {
	var (
		unknown *ordering.UnknownError
		self    *ordering.SelfError
		role    *ordering.RoleError
		cycle   *ordering.CycleError
	)
	switch {
	case errors.As(fault, &unknown):
		l.fault(byName[unknown.Node].names(unknown.Key, unknown.Name), fault.Error())
	case errors.As(fault, &self):
		l.fault(byName[self.Node].names(self.Key, self.Node), fault.Error())
	case errors.As(fault, &role):
		if byName[role.Node].t.bad("role") {
			return // it may well be what it ought to be
		}
		l.fault(byName[role.Node].names(role.Key, role.Other), fault.Error())
	case errors.As(fault, &cycle) && len(cycle.Path) > 1:
		p, at := closes(byName, cycle.Path)
		l.fault(at, p.who+fault.Error())
	default:
		panic(fmt.Sprintf("config: unexpected error of the graph: %v", fault))
	}
}

// names is the place of a name in one of the process's arrays.
func (p *process) names(key, name string) *place {
	for _, item := range p.t.list(key) {
		if item.s == name {
			return item.at
		}
	}
	return p.t.place(key)
}

// closes is the place of an edge of a cycle, and whose it is: the first pair of the path of which one names the other.
func closes(byName map[string]*process, path []string) (*process, *place) {
	for i := range path[:len(path)-1] {
		for _, pair := range [][2]string{{path[i], path[i+1]}, {path[i+1], path[i]}} {
			p := byName[pair[0]]
			for _, key := range []string{"depends_on", "outlives", "fronts"} {
				if slices.Contains(p.t.words(key), pair[1]) {
					return p, p.names(key, pair[1])
				}
			}
		}
	}
	p := byName[path[0]]
	return p, p.t.at
}
