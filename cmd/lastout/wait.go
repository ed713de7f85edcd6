package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"
)

func (p *program) waitCommand() *cli.Command {
	what := choiceFlag("for", "wait until it is", "ready", "ready", "stopped")
	return &cli.Command{
		Name:        "wait",
		Usage:       "until processes are ready, or have left; without a name, the whole tree",
		ArgsUsage:   "[NAME...]",
		Description: "Exit code 0: it is so; 1: it is not so in time, or never will be.",
		Flags:       reachFlags(what, durationFlag("timeout", 0, "how long to wait; 0: as long as it takes"), outputFlag()),
		Action:      p.wait,
	}
}

func (p *program) wait(c *cli.Context) error {
	if c.Duration("timeout") < 0 {
		return usagef("--timeout: %v has passed already", c.Duration("timeout"))
	}
	client, _, err := connect(c)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := interruptible()
	defer cancel()
	waited, err := client.Wait(ctx, c.Args().Slice(), c.String("for"), c.Duration("timeout"))
	switch {
	case ctx.Err() != nil:
		return codeError(exitFailed)
	case goneAway(err) && c.String("for") == "stopped":
		return nil // so did everybody
	case err != nil:
		return plainly(err)
	}
	if c.String("output") == "json" {
		err = answerJSON(p.stdout, waited)
	} else if !waited.Done {
		text := waited.Reason
		if len(waited.Names) > 0 {
			text = names(waited.Names) + ": " + text
		}
		if limit := c.Duration("timeout"); waited.Reason == "not in time" {
			text = fmt.Sprintf("not %s within %v: %s", c.String("for"), limit.Round(time.Millisecond), names(waited.Names))
		}
		fmt.Fprintf(p.stderr, "lastout: %s\n", text)
	}
	if err == nil && !waited.Done {
		return codeError(exitFailed)
	}
	return err
}
