package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"

	"lastout/supervisor"
	"lastout/supervisor/control"
)

func (p *program) downCommand() *cli.Command {
	return &cli.Command{
		Name:  "down",
		Usage: "shut the tree down in order, and wait until it is over",
		Description: "The exit code is that of the lastout that went (lastout help exit-codes); what happens meanwhile is told\n" +
			"on stderr. Ctrl-C ends the waiting, and not the shutdown.",
		Flags: reachFlags(
			boolFlag("now", "skip delays and drains; workers and gateways are killed, in order"),
			&cli.BoolFlag{Name: "wait", Value: true, EnvVars: variable("wait"), Usage: "wait until it is over; --wait=false returns at once"},
			boolFlag("quiet", "say nothing meanwhile", "q"),
		),
		Action: p.down,
	}
}

func (p *program) down(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	client, about, err := connect(c)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := interruptible()
	defer cancel()
	if !c.Bool("wait") {
		return plainly(client.Down(ctx, control.DownRequest{Now: c.Bool("now")}))
	}
	return p.waitDown(ctx, client, about, c.Bool("now"), c.Bool("quiet"))
}

// waitDown asks for the shutdown once it hears what happens, so that it hears all of it.
func (p *program) waitDown(ctx context.Context, client *control.Client, about *control.About, now, quiet bool) error {
	var outcome *supervisor.Outcome
	asked := false
	err := client.Follow(ctx, func() error {
		asked = true
		return client.Down(ctx, control.DownRequest{Now: now})
	}, func(r supervisor.Report) error {
		if r.Kind == supervisor.KindFinish {
			outcome = r.Outcome
		}
		if level, text := describe(r); text != "" && !quiet && level > zerolog.DebugLevel {
			fmt.Fprintln(p.stderr, text)
		}
		return nil
	})
	switch {
	case outcome != nil && outcome.Code != 0:
		return codeError(outcome.Code)
	case outcome != nil:
		return nil
	case ctx.Err() != nil:
		return errors.New("interrupted; the shutdown goes on (lastout status)")
	case err != nil && !goneAway(err), !asked:
		return err
	}
	return fmt.Errorf("lastout (pid %d) ended without a word about how the shutdown went", about.PID)
}
