package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"lastout/supervisor/control"
	"lastout/supervisor/report"
)

func (p *program) upgradeCommand() *cli.Command {
	return &cli.Command{
		Name:  "upgrade",
		Usage: "put another binary in the place of the running lastout; its children do not notice",
		Description: "The new one is proven first, as a child that reads the state of the tree; where it cannot take over, the old\n" +
			"one goes on as if nothing had happened. lastout help upgrade tells more.",
		Flags: reachFlags(
			fileFlag("binary", "the new binary is `FILE`, and not what stands where the running one was started from"),
			boolFlag("dry-run", "only find out whether it could take over", "n"),
			outputFlag(),
		),
		Action: p.askUpgrade,
	}
}

func (p *program) askUpgrade(c *cli.Context) error {
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
	asked := control.UpgradeRequest{Binary: c.String("binary"), DryRun: c.Bool("dry-run")}
	if asked.Binary != "" {
		if asked.Binary, err = filepath.Abs(asked.Binary); err != nil {
			return err
		}
	}
	begun, err := client.Upgrade(ctx, asked)
	switch {
	case err != nil:
		return err
	case asked.DryRun && c.String("output") == "json":
		return answerJSON(p.stdout, begun)
	case asked.DryRun:
		return write(p.stdout, fmt.Sprintf("%s could take over from %s: %s\n", begun.To, begun.From, begun.Binary))
	}
	return p.awaitUpgrade(ctx, c, client, about.PID, begun)
}

// awaitUpgrade learns what became of the upgrade. It cuts the first connection off, as a rule.
func (p *program) awaitUpgrade(ctx context.Context, c *cli.Context, client *control.Client, pid int, begun *control.Upgrading) error {
	done, err := client.Upgraded(ctx, begun.Number)
	for again := 0; again < 3 && err != nil && goneAway(err) && ctx.Err() == nil; again++ {
		client.Close()
		done, err = client.Upgraded(ctx, begun.Number)
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted; the upgrade goes on (lastout status)")
	case err != nil:
		return fmt.Errorf("cannot learn what became of the upgrade: %w", err)
	case done.Failed != "":
		return fmt.Errorf("the upgrade failed, and %s goes on: %s", done.From, done.Failed)
	case c.String("output") == "json":
		return answerJSON(p.stdout, done)
	}
	return write(p.stdout, fmt.Sprintf("upgraded from %s to %s (pid %d): %s kept, without a supervisor for %.1f ms\n",
		done.From, done.To, pid, report.Count(done.Kept, "process"), float64(done.Away)*1000))
}
