package ordering

import (
	"fmt"
	"strings"
)

// UnknownError says that a process names another one that nobody declared.
type UnknownError struct {
	Node       string // who names it
	Key        string // with which key: "depends_on", "fronts" or "outlives"
	Name       string
	Suggestion string // what was probably meant; empty where nothing comes near
}

func (e *UnknownError) Error() string {
	text := fmt.Sprintf("process %q: %s: unknown process %q", e.Node, e.Key, e.Name)
	if e.Suggestion != "" {
		text += fmt.Sprintf(" (did you mean %q?)", e.Suggestion)
	}
	return text
}

// DuplicateError says that two processes have the same name.
type DuplicateError struct {
	Name          string
	First, Second ID
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("process %q is declared twice", e.Name)
}

// SelfError says that a process names itself where it must name others.
type SelfError struct {
	Node string
	Key  string
}

func (e *SelfError) Error() string {
	return fmt.Sprintf("process %q: %s names the process itself", e.Node, e.Key)
}

// The kinds of a CycleError, and the graphs that can be drawn.
const (
	StartGraph = "start"
	StopGraph  = "stop"
)

// CycleError says that an order closes on itself. Path is the shortest way round, its first name repeated at its end:
// each depends on the next (Kind "start"), or each must leave before the next (Kind "stop").
type CycleError struct {
	Kind string
	Path []string
}

func (e *CycleError) Error() string {
	meaning := "each depends on the next"
	if e.Kind == StopGraph {
		meaning = "each must leave before the next"
	}
	return fmt.Sprintf("%s cycle: %s (%s)", e.Kind, strings.Join(e.Path, " -> "), meaning)
}

// RoleError says that a process's role does not allow what a key of it says.
type RoleError struct {
	Node      string
	Role      Role
	Key       string // "fronts" or "depends_on"
	Other     string // the process that Key names; empty where the role forbids the key itself
	OtherRole Role
	Gateway   string // Key "depends_on": the gateway above Node
}

func (e *RoleError) Error() string {
	switch {
	case e.Gateway != "":
		return fmt.Sprintf("process %q: a service that depends on %q (%s) cannot stand below the gateway %q: "+
			"%q would have to leave before %q and stay until %q has left",
			e.Node, e.Other, e.OtherRole, e.Gateway, e.Node, e.Other, e.Gateway)
	case e.Other != "":
		return fmt.Sprintf("process %q: %s: %q is a %s; a gateway stands before workers and gateways",
			e.Node, e.Key, e.Other, e.OtherRole)
	default:
		return fmt.Sprintf("process %q: %s is for gateways, and this is a %s", e.Node, e.Key, e.Role)
	}
}

// suggest is the name nearest to what was written, or nothing where none comes near or the two have nothing in common.
// Of equally near ones the first declared is taken. What is longer than any name a person types is no slip of his.
func suggest(written string, nodes []Node) string {
	if len(written) > 100 {
		return ""
	}
	best, name := max(1, len(written)/3)+1, ""
	for i := range nodes {
		long, short := max(len(nodes[i].Name), len(written)), min(len(nodes[i].Name), len(written))
		if long-short >= best {
			continue
		}
		if d := Distance(strings.ToLower(written), strings.ToLower(nodes[i].Name)); d < min(best, long) {
			best, name = d, nodes[i].Name
		}
	}
	return name
}
