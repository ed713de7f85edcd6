package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"lastout/supervisor/control"
)

func (p *program) logsCommand() *cli.Command {
	return &cli.Command{
		Name:      "logs",
		Usage:     "what processes have written last",
		ArgsUsage: "[NAME...]",
		Description: "lastout keeps the last of what each instance has written, 64 KiB at most, wherever it goes beside that.\n" +
			"What is older stands in its log file, if it has one.",
		Flags: reachFlags(
			outputFlag(),
			boolFlag("follow", "go on with what comes, until Ctrl-C or the end of the tree", "f"),
			intFlag("tail", -1, "begin with so many lines of each; -1: all that are kept"),
			textFlag("since", "nothing older than that: `10m`, or a time"),
			boolFlag("timestamps", "show when each line came", "t"),
			boolFlag("no-prefix", "do not show whose a line is"),
		),
		Action: p.logs,
	}
}

func (p *program) logs(c *cli.Context) error {
	since, err := sinceOf(c)
	if err != nil {
		return err
	}
	client, _, err := connect(c)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := interruptible()
	defer cancel()
	show := p.logShower(c)
	err = client.Logs(ctx, control.LogsOptions{
		Names: c.Args().Slice(), Follow: c.Bool("follow"), Tail: c.Int("tail"), Since: since,
	}, show)
	return p.followed(ctx.Err(), err)
}

// logShower prints lines as the flags say.
func (p *program) logShower(c *cli.Context) func(control.Line) error {
	if c.String("output") == "json" {
		enc := json.NewEncoder(p.stdout)
		enc.SetEscapeHTML(false)
		return func(l control.Line) error { return enc.Encode(l) }
	}
	stamps, prefix := c.Bool("timestamps"), !c.Bool("no-prefix")
	return func(l control.Line) error {
		var b strings.Builder
		if l.Gap {
			fmt.Fprintf(p.stderr, "lastout: lines of %s are missing here: they were read too late\n", l.Instance)
		}
		if stamps {
			b.WriteString(l.At.Local().Format("2006-01-02T15:04:05.000Z07:00 "))
		}
		if prefix {
			b.WriteString(l.Instance + " | ")
		}
		b.WriteString(l.Text + "\n")
		return write(p.stdout, b.String())
	}
}
