package main

import (
	"github.com/urfave/cli/v2"

	"lastout/ordering"
)

func (p *program) graphCommand() *cli.Command {
	return &cli.Command{
		Name:  "graph",
		Usage: "the start or the stop order as a drawing",
		Description: "An arrow leads from whoever starts, or leaves, first. In the stop graph bold arrows stand against\n" +
			"depends_on: a gateway outlives its workers.\n\n" +
			"  lastout graph | dot -Tsvg > order.svg",
		Flags: []cli.Flag{
			configFlag(), profileFlag(),
			choiceFlag("which", "draw the order of", ordering.StopGraph, ordering.StartGraph, ordering.StopGraph),
			choiceFlag("format", "draw for", "dot", "dot", "mermaid"),
			outputFlag(),
		},
		Action: p.graph,
	}
}

// graphJSON is the graph for programs.
type graphJSON struct {
	Which   string     `json:"which"`
	Nodes   []nodeJSON `json:"nodes"`
	Edges   []edgeJSON `json:"edges"`
	Dropped []string   `json:"dropped"` // waits that would have closed a circle, for people
}

type nodeJSON struct {
	Name string `json:"name"`
	Role string `json:"role"`
}

// edgeJSON leads from whoever starts, or leaves, first.
type edgeJSON struct {
	First string `json:"first"`
	Later string `json:"later"`
}

func (p *program) graph(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	cfg, err := load(c)
	if err != nil {
		return err
	}
	which := c.String("which")
	switch {
	case c.String("output") == "json":
		return answerJSON(p.stdout, drawJSON(cfg.Graph, which))
	case c.String("format") == "mermaid":
		return write(p.stdout, cfg.Graph.Mermaid(which))
	}
	return write(p.stdout, cfg.Graph.Dot(which))
}

func drawJSON(g *ordering.Graph, which string) graphJSON {
	out := graphJSON{Which: which, Nodes: []nodeJSON{}, Edges: []edgeJSON{}, Dropped: []string{}}
	later := g.After
	if which == ordering.StartGraph {
		later = g.NeededBy
	}
	for id := range ordering.ID(g.Len()) {
		node := g.Node(id)
		out.Nodes = append(out.Nodes, nodeJSON{Name: node.Name, Role: node.Role.String()})
		for _, next := range later(id) {
			out.Edges = append(out.Edges, edgeJSON{First: node.Name, Later: g.Node(next).Name})
		}
	}
	for _, d := range g.Dropped() {
		out.Dropped = append(out.Dropped, droppedText(g, d))
	}
	return out
}
