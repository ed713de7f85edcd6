package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"lastout/supervisor"
	"lastout/supervisor/control"
)

func (p *program) reloadCommand() *cli.Command {
	return &cli.Command{
		Name:  "reload",
		Usage: "take the changed configuration: change what differs, and nothing else",
		Description: "It is the file that lastout was started with. A faulty one changes nothing; every fault is named.\n" +
			"Exit code 0: it has begun, or with --wait is over; 1: it was refused, or has failed; 2: it has faults.",
		Flags: reachFlags(
			boolFlag("dry-run", "say what it would do, and do nothing"),
			boolFlag("wait", "wait until it is over, and say what happens; Ctrl-C ends the waiting, and nothing else"),
			outputFlag(),
		),
		Action: p.reload,
	}
}

func (p *program) reload(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	var err error
	if c.Bool("dry-run") {
		err = p.planReload(c)
	} else {
		err = p.operate(c, "reload", control.ReloadRequest{Wait: c.Bool("wait")}, c.Bool("wait"))
	}
	if refused, ok := err.(*control.Refused); ok && len(refused.Faults) > 0 {
		fmt.Fprintf(p.stderr, "lastout: %v\n", err)
		return codeError(exitUsage)
	}
	return err
}

// planReload says what a reload would do now.
func (p *program) planReload(c *cli.Context) error {
	client, _, err := connect(c)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), connectBound)
	defer cancel()
	plan, err := client.PlanReload(ctx)
	if err != nil {
		return plainly(err)
	}
	if c.String("output") == "json" {
		err = answerJSON(p.stdout, plan)
	} else {
		err = write(p.stdout, reloadText(plan))
	}
	if err == nil && plan.Refused != "" {
		fmt.Fprintf(p.stderr, "lastout: reload would be refused: %s\n", plan.Refused)
		return codeError(exitFailed)
	}
	return err
}

// reloadText is a plan for people.
func reloadText(plan *supervisor.ReloadPlan) string {
	var levels []string
	for _, level := range plan.Stop {
		levels = append(levels, strings.Join(level, ", "))
	}
	text := ""
	for _, part := range []struct{ what, who string }{
		{"leaves:      ", strings.Join(levels, "; then ")},
		{"restarts:    ", strings.Join(plan.Restart, ", ")},
		{"new settings:", strings.Join(plan.Register, ", ")},
		{"starts:      ", strings.Join(plan.Start, ", ")},
	} {
		if part.who != "" {
			text += part.what + " " + part.who + "\n"
		}
	}
	if text == "" {
		text = "nothing changes\n"
	}
	return text
}
