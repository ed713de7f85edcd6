package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"

	"lastout/process/signame"
	"lastout/supervisor"
	"lastout/supervisor/control"
)

// operationCommands are the verbs that change a running tree, one operation each.
func (p *program) operationCommands() []*cli.Command {
	noDeps := func() cli.Flag { return boolFlag("no-deps", "touch nobody but those that are named") }
	return []*cli.Command{
		p.operationCommand("start", "NAME...", "start processes, and all that they need", starts, noDeps()),
		p.operationCommand("stop", "NAME...", "stop processes, and those that depend on them; a gateway stays when its worker stops",
			stops, noDeps()),
		p.operationCommand("restart", "NAME...", "stop processes in order, and start them again", restarts,
			boolFlag("rolling", "instance by instance, the next when the one before it is ready again")),
		p.operationCommand("scale", "NAME=N", "change the number of a process's instances", scales),
		p.operationCommand("drain", "NAME...", "have gateways turn work away and finish what is in hand", drains,
			boolFlag("undo", "let work in again")),
		p.signalCommand(), p.reloadCommand(),
	}
}

// operationCommand is one of them. Request makes what is asked for of the arguments.
func (p *program) operationCommand(verb, arguments, usage string,
	request func(c *cli.Context, w control.Wish) (any, error), flags ...cli.Flag,
) *cli.Command {
	return &cli.Command{
		Name: verb, ArgsUsage: arguments, Usage: usage,
		Description: "Exit code 0: it has begun, or with --wait is over; 1: it was refused, or has failed.",
		Flags: reachFlags(append(flags,
			boolFlag("wait", "wait until it is over, and say what happens; Ctrl-C ends the waiting, and nothing else"),
			durationFlag("timeout", 0, "after which it has failed, and nobody waits for it any more; what has begun goes on"),
			outputFlag())...),
		Action: func(c *cli.Context) error {
			if c.Args().Len() == 0 {
				return usagef("%s needs a name: lastout %s %s", verb, verb, arguments)
			}
			if c.Duration("timeout") < 0 {
				return usagef("--timeout: %v has passed already", c.Duration("timeout"))
			}
			r, err := request(c, control.Wish{
				Names: c.Args().Slice(), Wait: c.Bool("wait"), Timeout: control.Seconds(c.Duration("timeout").Seconds()),
			})
			if err != nil {
				return err
			}
			return p.operate(c, verb, r, c.Bool("wait"))
		},
	}
}

func starts(c *cli.Context, w control.Wish) (any, error) {
	return control.StartRequest{Wish: w, NoDeps: c.Bool("no-deps")}, nil
}

func stops(c *cli.Context, w control.Wish) (any, error) {
	return control.StopRequest{Wish: w, NoDeps: c.Bool("no-deps")}, nil
}

func restarts(c *cli.Context, w control.Wish) (any, error) {
	return control.RestartRequest{Wish: w, Rolling: c.Bool("rolling")}, nil
}

func drains(c *cli.Context, w control.Wish) (any, error) {
	return control.DrainRequest{Wish: w, Undo: c.Bool("undo")}, nil
}

func scales(c *cli.Context, w control.Wish) (any, error) {
	name, count, ok := strings.Cut(c.Args().First(), "=")
	n, err := strconv.Atoi(count)
	if !ok || err != nil || n < 0 || c.Args().Len() > 1 {
		return nil, usagef("scale needs one process and its number of instances: lastout scale api=4")
	}
	w.Names = []string{name}
	return control.ScaleRequest{Wish: w, Instances: n}, nil
}

func (p *program) signalCommand() *cli.Command {
	return &cli.Command{
		Name: "signal", ArgsUsage: "SIGNAL NAME...", Usage: "send a signal to the main processes of what is named",
		Description: "It is no stop: who ends by it has ended by itself, and is started again where it should be.",
		Flags:       reachFlags(outputFlag()),
		Action: func(c *cli.Context) error {
			names := c.Args().Slice()
			if len(names) < 2 {
				return usagef("signal needs a signal and a name: lastout signal HUP api")
			}
			if _, ok := signame.Parse(names[0]); !ok {
				return usagef("signal: there is no signal %q%s", names[0], didYouMean(names[0], signame.Standard()))
			}
			return p.operate(c, "signal", control.SignalRequest{Signal: names[0], Names: names[1:]}, false)
		},
	}
}

// operate asks for an operation, and tells what becomes of it.
func (p *program) operate(c *cli.Context, verb string, request any, wait bool) error {
	client, _, err := connect(c)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := interruptible()
	defer cancel()
	var done *control.Operation
	if wait && c.String("output") == "text" {
		done, err = p.operateAloud(ctx, client, verb, request)
	} else {
		done, err = client.Operate(ctx, verb, request)
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted; the %s goes on (lastout status)", verb)
	case err != nil:
		return plainly(err)
	case c.String("output") == "json":
		err = answerJSON(p.stdout, done)
	default:
		err = p.tellOperation(verb, done)
	}
	if err == nil && done.Result == supervisor.Unsuccessful {
		return codeError(exitFailed)
	}
	return err
}

// tellOperation says what became of an operation.
func (p *program) tellOperation(verb string, o *control.Operation) error {
	if o.Result == supervisor.Unsuccessful {
		fmt.Fprintf(p.stderr, "lastout: the %s of %s failed: %s\n", verb, names(o.Instances), o.Note)
		return nil
	}
	if o.Note != "" {
		fmt.Fprintf(p.stderr, "lastout: %s\n", o.Note)
	}
	whom := "nobody has to be touched"
	if len(o.Instances) > 0 {
		whom = names(o.Instances)
	}
	return write(p.stdout, fmt.Sprintf("%s %s: %s\n", verb, o.Result, whom))
}

// operateAloud waits for the end of an operation, and says on stderr what happens to those that it touches.
func (p *program) operateAloud(ctx context.Context, client *control.Client, verb string, request any) (*control.Operation, error) {
	type answer struct {
		done *control.Operation
		err  error
	}
	got := make(chan answer, 1)
	follow, over := context.WithCancel(ctx)
	defer over()
	begin := func() error {
		go func() {
			done, err := client.Operate(ctx, verb, request)
			got <- answer{done, err}
			if err != nil {
				over()
				return
			}
			time.AfterFunc(lastWord, over)
		}()
		return nil
	}
	if err := client.Follow(follow, begin, p.operationTeller()); err != nil && follow.Err() == nil && !errors.Is(err, errTold) {
		return nil, err
	}
	select {
	case a := <-got:
		return a.done, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// lastWord bounds how long the report of an operation's end may come after the answer. It is lost where the reader of our
// own words is slow.
const lastWord = time.Second

// errTold ends the following: all was told.
var errTold = errors.New("told")

// operationTeller says what happens to those that our own operation touches, until that is over.
func (p *program) operationTeller() func(supervisor.Report) error {
	var ours supervisor.Op
	var touched []string
	return func(r supervisor.Report) error {
		switch {
		case r.Kind == supervisor.KindOperation && r.Result == supervisor.Accepted && ours == 0:
			ours, touched = r.Op, r.After
		case r.Kind == supervisor.KindOperation && r.Op == ours:
			return errTold
		case slices.Contains(touched, r.Instance):
			if level, text := describe(r); text != "" && level > zerolog.DebugLevel {
				fmt.Fprintln(p.stderr, text)
			}
		}
		return nil
	}
}
