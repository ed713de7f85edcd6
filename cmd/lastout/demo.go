package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"lastout/cmd/lastout/demo"
)

// demoCommand shows what lastout is for, and holds the programs it is shown with.
func (p *program) demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "a gateway and three workers under load, taken down in three ways, with a ledger of every request",
		Flags: []cli.Flag{
			durationFlag("load", 1500*time.Millisecond, "load for this long before the stop, in each of the ways"),
			durationFlag("every", 10*time.Millisecond, "send a request this often"),
			delayFlag(),
			boolFlag("verbose", "show what lastout and its children write", "v"),
			outputFlag(),
		},
		Action: p.demo,
		Subcommands: []*cli.Command{
			p.demoGateway(), p.demoWorker(), p.demoStore(), p.demoTask(), p.demoDrain(),
		},
	}
}

func delayFlag() cli.Flag {
	return durationFlag("delay", 300*time.Millisecond, "a worker takes this long for an answer")
}

func listenFlag() cli.Flag {
	return neededFlag("listen", "listen on `ADDR`: host:port, unix:PATH, or unix:@NAME, which leaves no file")
}

// demo runs the demonstration.
func (p *program) demo(c *cli.Context) error {
	if c.Args().Len() > 0 {
		name := c.Args().First()
		return usagef("unknown demo program %q%s", name, didYouMean(name, verbs(c.Command.Subcommands)))
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find the running binary: %w", err)
	}
	ctx, stop := untilTold()
	defer stop()
	o := demo.Options{
		Program: self, Load: c.Duration("load"), Every: c.Duration("every"), Delay: c.Duration("delay"), Out: p.stderr,
	}
	if c.Bool("verbose") {
		o.Verbose = p.stderr
	}
	if o.Load <= 0 || o.Every <= 0 || o.Delay < 0 {
		return usagef("demo: the load needs a length and a pace")
	}
	result, err := demo.Run(ctx, o)
	if err != nil {
		return err
	}
	return p.showDemo(c, result)
}

// showDemo sets the ways side by side, shows the shutdown that lastout made and its ledger, and judges that.
func (p *program) showDemo(c *cli.Context, r *demo.Result) error {
	if c.String("output") == "json" {
		if err := answerJSON(p.stdout, r); err != nil {
			return err
		}
	} else {
		columns := width(p.stdout)
		if columns == 0 {
			columns = 110
		}
		fmt.Fprintln(p.stdout)
		r.Table(p.stdout)
		fmt.Fprint(p.stdout, "\nlastout's ")
		r.Shutdown.Text(p.stdout, columns, onTerminal(p.stdout))
		fmt.Fprint(p.stdout, "\nlastout's ledger: ")
		r.Ways[len(r.Ways)-1].Ledger.Text(p.stdout)
	}
	if !r.Clean() {
		return codeError(exitFailed)
	}
	return nil
}

func (p *program) demoGateway() *cli.Command {
	return &cli.Command{
		Name:  "gateway",
		Usage: "an HTTP reverse proxy that can drain",
		Flags: []cli.Flag{
			listenFlag(),
			neededFlag("to", "carry requests to `ADDR,...`: host:port, a URL, or unix:PATH"),
			textFlag("control", "listen for demo drain on `unix:PATH`"),
		},
		Action: func(c *cli.Context) error {
			ctx, stop := untilTold()
			defer stop()
			return demo.Gateway(ctx, demo.GatewayOptions{
				Listen: c.String("listen"), To: strings.Split(c.String("to"), ","), Control: c.String("control"),
				Out: p.stdout,
			})
		},
	}
}

func (p *program) demoWorker() *cli.Command {
	return &cli.Command{
		Name:  "worker",
		Usage: "an HTTP server whose answers take a while",
		Flags: []cli.Flag{
			listenFlag(), delayFlag(),
			intFlag("size", 1<<10, "send `N` bytes as an answer"),
			intFlag("at-once", 0, "work on `N` requests at once, and let the others wait; 0: on all"),
			textFlag("store", "count answers in the store at `ADDR`"),
			fileFlag("record", "note in `FILE` what was started and finished"),
		},
		Action: func(c *cli.Context) error {
			if c.Int("size") < 0 || c.Int("at-once") < 0 {
				return usagef("--size and --at-once cannot be less than nothing")
			}
			ctx, stop := untilTold()
			defer stop()
			return demo.Worker(ctx, demo.WorkerOptions{
				Listen: c.String("listen"), Delay: c.Duration("delay"), Size: c.Int("size"), Store: c.String("store"),
				AtOnce: c.Int("at-once"), Record: c.String("record"), Out: p.stdout,
			})
		},
	}
}

func (p *program) demoStore() *cli.Command {
	return &cli.Command{
		Name:  "store",
		Usage: "a counter behind a socket",
		Flags: []cli.Flag{
			listenFlag(),
			durationFlag("leave", 0, "take this long to leave"),
		},
		Action: func(c *cli.Context) error {
			ctx, stop := untilTold()
			defer stop()
			return demo.Store(ctx, c.String("listen"), c.Duration("leave"), p.stdout)
		},
	}
}

func (p *program) demoTask() *cli.Command {
	return &cli.Command{
		Name:      "task",
		Usage:     "something that runs to its end",
		ArgsUsage: "WHAT",
		Flags: []cli.Flag{
			durationFlag("takes", time.Second, "take this long"),
		},
		Action: func(c *cli.Context) error {
			ctx, stop := untilTold()
			defer stop()
			return demo.Task(ctx, strings.Join(c.Args().Slice(), " "), c.Duration("takes"), p.stdout)
		},
	}
}

func (p *program) demoDrain() *cli.Command {
	return &cli.Command{
		Name:  "drain",
		Usage: "ask the gateway to drain, and wait until it is drained: a pre_drain hook",
		Flags: []cli.Flag{
			neededFlag("control", "the gateway's control socket, `unix:PATH`"),
		},
		Action: func(c *cli.Context) error {
			ctx, stop := untilTold()
			defer stop()
			return demo.Drain(ctx, c.String("control"), p.stdout)
		},
	}
}

// untilTold is a context that ends when this program is told to leave.
func untilTold() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
}
