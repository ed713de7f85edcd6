package ordering

import (
	"fmt"
	"slices"
	"strings"
)

// why is what drew a pair of the stop order.
type why uint8

const (
	reversed why = iota // the first depends on the later
	turned              // the later, a gateway, depends on the first
	fronting            // the later fronts the first
	outlived            // the later outlives the first
)

// why says what drew a direct pair of the stop order. Where several did, the one that counts.
func (g *Graph) why(first, later ID) why {
	has := func(list []ID, id ID) bool { _, found := slices.BinarySearch(list, id); return found }
	switch {
	case has(g.outlives[later], first):
		return outlived
	case has(g.below[first], later):
		return reversed
	case has(g.below[later], first):
		return turned
	default:
		return fronting
	}
}

// drawn lists the edges of a drawing, from what comes first to what comes later.
func (g *Graph) drawn(which string) [][]ID {
	switch which {
	case StartGraph:
		return g.neededBy
	case StopGraph:
		return g.after
	}
	panic(fmt.Sprintf("ordering: there is no graph %q", which))
}

// Dot draws the StartGraph or the StopGraph in the language of Graphviz. An arrow leads from what starts, or leaves,
// first to what does so later; those that stand against depends_on are bold, or say which key drew them.
func (g *Graph) Dot(which string) string {
	var b strings.Builder
	edges := g.drawn(which)
	fmt.Fprintf(&b, "digraph %s {\n\trankdir=LR\n", which)
	for i := range g.nodes {
		fmt.Fprintf(&b, "\t%s [shape=%s]\n", dotQuote(g.nodes[i].Name), dotShape(g.nodes[i].Role))
	}
	for i, list := range edges {
		for _, id := range list {
			style := ""
			if which == StopGraph {
				style = dotStyle(g.why(ID(i), id))
			}
			fmt.Fprintf(&b, "\t%s -> %s%s\n", dotQuote(g.nodes[i].Name), dotQuote(g.nodes[id].Name), style)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

func dotQuote(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(name) + `"`
}

func dotShape(r Role) string {
	switch r {
	case Worker:
		return "box"
	case Gateway:
		return "house"
	case Service:
		return "cylinder"
	case Task:
		return "ellipse"
	}
	panic("ordering: unknown " + r.String())
}

func dotStyle(w why) string {
	switch w {
	case reversed:
		return ""
	case turned:
		return " [style=bold]"
	case fronting:
		return ` [style=bold, label="fronts"]`
	case outlived:
		return ` [style=bold, label="outlives"]`
	}
	panic("ordering: unknown reason of a pair")
}

// Mermaid draws the same for Mermaid, with thick arrows for bold ones.
func (g *Graph) Mermaid(which string) string {
	var b strings.Builder
	edges := g.drawn(which)
	b.WriteString("flowchart LR\n")
	for i := range g.nodes {
		open, closing := mermaidShape(g.nodes[i].Role)
		fmt.Fprintf(&b, "\tn%d%s\"%s\"%s\n", i, open, mermaidText(g.nodes[i].Name), closing)
	}
	for i, list := range edges {
		for _, id := range list {
			arrow := "-->"
			if which == StopGraph {
				arrow = mermaidArrow(g.why(ID(i), id))
			}
			fmt.Fprintf(&b, "\tn%d %s n%d\n", i, arrow, id)
		}
	}
	return b.String()
}

func mermaidText(name string) string {
	return strings.NewReplacer(`"`, "#quot;", "#", "#35;", "\n", " ").Replace(name)
}

func mermaidShape(r Role) (open, closing string) {
	switch r {
	case Worker:
		return "[", "]"
	case Gateway:
		return "{{", "}}"
	case Service:
		return "[(", ")]"
	case Task:
		return "([", "])"
	}
	panic("ordering: unknown " + r.String())
}

func mermaidArrow(w why) string {
	switch w {
	case reversed:
		return "-->"
	case turned:
		return "==>"
	case fronting:
		return "==>|fronts|"
	case outlived:
		return "==>|outlives|"
	}
	panic("ordering: unknown reason of a pair")
}
