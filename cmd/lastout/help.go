package main

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"lastout/cmd/lastout/help"
)

// helpCommand shows a verb's flags, or a topic.
func (p *program) helpCommand() *cli.Command {
	return &cli.Command{
		Name:        "help",
		Aliases:     []string{"h"},
		Usage:       "what a verb does, or a topic: lastout help shutdown",
		ArgsUsage:   "[VERB or TOPIC]",
		Description: "Topics:\n" + topicList(),
		Action:      p.help,
	}
}

func (p *program) help(c *cli.Context) error {
	name := c.Args().First()
	if name == "" {
		if err := cli.ShowAppHelp(c.Lineage()[len(c.Lineage())-2]); err != nil {
			return err
		}
		return write(p.stdout, "\nTOPICS: lastout help TOPIC\n"+topicList())
	}
	if text, ok := help.Text(name); ok {
		return write(p.stdout, text)
	}
	if c.App.Command(name) != nil {
		return c.App.Run([]string{c.App.Name, name, "--help"})
	}
	return usagef("no help on %q%s", name, didYouMean(name, slices.Concat(help.Topics(), verbs(c.App.Commands))))
}

// topicList is a line for each topic.
func topicList() string {
	text := ""
	for _, t := range help.Topics() {
		text += fmt.Sprintf("   %-14s %s\n", t, help.Title(t))
	}
	return text
}
