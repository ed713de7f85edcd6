package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"lastout/supervisor/control"
)

// The exit codes of status, as the LSB has them.
const (
	exitNotRunning = 3
	exitUnknown    = 4
)

func (p *program) statusCommand() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Aliases:   []string{"ps"},
		Usage:     "the tree as it stands; while it stops, who waits for whom",
		ArgsUsage: "[NAME...]",
		Description: "Exit code 0: what is named runs; 3: something of it does not, or no lastout answers; 4: that cannot be\n" +
			"known. lastout help control tells more.",
		Flags: reachFlags(
			outputFlag(),
			boolFlag("watch", "go on showing it, until Ctrl-C or the end of the tree", "w"),
			durationFlag("interval", time.Second, "with --watch: how often"),
		),
		Action: p.status,
	}
}

func (p *program) status(c *cli.Context) error {
	if c.Duration("interval") < 50*time.Millisecond {
		return usagef("--interval: %v is too short (50ms)", c.Duration("interval"))
	}
	client, _, err := connect(c)
	if err != nil {
		return p.notKnown(err)
	}
	defer client.Close()
	ctx, cancel := interruptible()
	defer cancel()
	if c.Bool("watch") {
		return p.watch(ctx, c, client)
	}
	s, err := client.Status(ctx, c.Args().Slice(), false)
	if err != nil {
		return p.notKnown(err)
	}
	if c.String("output") == "json" {
		err = answerJSON(p.stdout, s)
	} else {
		v := statusView{width: width(p.stdout), color: onTerminal(p.stdout)}
		err = write(p.stdout, v.text(s, nil))
	}
	if err == nil && c.Args().Present() && !allUp(s) {
		return codeError(exitNotRunning)
	}
	return err
}

// notKnown says why there is no status, with the exit code for it.
func (p *program) notKnown(err error) error {
	fmt.Fprintf(p.stderr, "lastout: %v\n", plainly(err))
	var nobody *noMaster
	if goneAway(err) || errors.As(err, &nobody) && !nobody.denied() {
		return codeError(exitNotRunning)
	}
	return codeError(exitUnknown)
}

// allUp says whether everything that is shown has a process, or is a task that is done.
func allUp(s *control.Status) bool {
	for _, p := range s.Processes {
		for _, x := range p.Instances {
			if !x.State.Alive() && !x.Ready {
				return false
			}
		}
		if len(p.Instances) == 0 {
			return false
		}
	}
	return true
}

// Terminal sequences (ECMA-48, xterm): a screen of its own, no cursor, and to the begin.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	screenTop   = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// watch shows the tree again and again: on a terminal in its place, else one after another.
func (p *program) watch(ctx context.Context, c *cli.Context, client *control.Client) error {
	screen := isTerminal(p.stdout) && c.String("output") == "text"
	if screen {
		if err := write(p.stdout, enterScreen); err != nil {
			return err
		}
		defer write(p.stdout, leaveScreen)
	}
	ticks := time.NewTicker(c.Duration("interval"))
	defer ticks.Stop()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	var last *control.Status
	for {
		s, err := client.Status(ctx, c.Args().Slice(), false)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && last != nil && ended(err):
			return p.sayEnd(screen, c.String("output"))
		case err != nil:
			return err
		}
		if err := p.show(c, s, last, screen); err != nil {
			return err
		}
		last = s
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		case <-resized:
		}
	}
}

// ended says that the tree is no more.
func ended(err error) bool {
	var refused *control.Refused
	return goneAway(err) || errors.As(err, &refused) && refused.Status == 503
}

func (p *program) sayEnd(screen bool, output string) error {
	if screen {
		_ = write(p.stdout, leaveScreen)
	}
	if output == "json" {
		return nil
	}
	return write(p.stdout, "the tree has ended\n")
}

// show prints one status of several.
func (p *program) show(c *cli.Context, s, last *control.Status, screen bool) error {
	if c.String("output") == "json" {
		return answerJSON(p.stdout, s)
	}
	v := statusView{width: width(p.stdout), color: onTerminal(p.stdout)}
	if !screen {
		return write(p.stdout, v.text(s, last)+"\n")
	}
	return write(p.stdout, screenTop+v.page(s, last, height(p.stdout))+clearBelow)
}
