package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"lastout/cmd/lastout/rehearse"
	"lastout/supervisor/config"
	"lastout/supervisor/report"
)

func (p *program) rehearseCommand() *cli.Command {
	return &cli.Command{
		Name:  "rehearse",
		Usage: "start the tree, put load on a URL, shut it down in the middle of it, and count what was lost",
		Description: "Exit code 0: everything that had got in was answered; 1: something was lost, or there was nothing\n" +
			"to lose. lastout help rehearse says what counts as what.",
		Flags: slices.Concat([]cli.Flag{
			configFlag(), profileFlag(),
			textFlag("url", "send the load to `URL`, which a gateway of the tree serves; needed"),
			stopFlag(), intFlag("cycles", 1, "do it `N` times and add up"),
			textFlag("seed", "of what is random, a `NUMBER`; it is shown, and the same again makes the same choices"),
		}, loadFlags(), []cli.Flag{
			durationFlag("up-within", time.Minute, "give up if the tree is not up after this long"),
			graceFlag("as for run: what the container or unit allows for the shutdown"), noCgroupFlag(),
			fileFlag("svg", "draw the shutdown with the load over it into `FILE`"),
			boolFlag("verbose", "show what lastout and its children write", "v"),
			outputFlag(),
		}),
		Action: p.rehearse,
	}
}

func stopFlag() cli.Flag {
	var ways []string
	for _, w := range slices.Backward(rehearse.Ways) {
		ways = append(ways, string(w))
	}
	return choiceFlag("stop", "who takes it down:", ways[0], ways...)
}

// loadFlags describe the load.
func loadFlags() []cli.Flag {
	return []cli.Flag{
		numberFlag("rate", 100, "send `N` requests a second"),
		intFlag("connections", 256, "have at most `N` requests in hand at once"),
		numberFlag("keepalive", 0.5, "send this `SHARE` of the requests, 0 to 1, on kept connections"),
		numberFlag("slow", 0, "read this `SHARE` of the answers slowly"),
		intFlag("body", 0, "send POSTs with `N` bytes, and not GETs"),
		intFlag("preconnects", 0, "open `N` connections that never carry a byte"),
		boolFlag("insecure", "believe any certificate"),
		durationFlag("warmup", 500*time.Millisecond, "load that is not counted yet"),
		durationFlag("after", 0, "stop this long after the warm-up; 0: at a random moment of its own in each cycle"),
	}
}

// rehearse runs the rehearsal and judges it.
func (p *program) rehearse(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	o, err := p.rehearsal(c)
	if err != nil {
		return err
	}
	if file := c.String("svg"); file != "" { // what cannot be written is known before anything is started
		f, err := create(file, "the picture")
		if err != nil {
			return err
		}
		f.Close()
	}
	ctx, stop := untilTold()
	defer stop()
	if !c.Bool("verbose") {
		o.Told = func(n, inHand int) {
			fmt.Fprintf(p.stderr, "cycle %d of %d: stop, with %s in hand\n", n, o.Cycles, report.Count(inHand, "request"))
		}
	}
	result, err := rehearse.Run(ctx, o)
	if err != nil && ctx.Err() != nil {
		err = errors.New("broken off; the tree was taken down")
	}
	if err != nil {
		if result.Kept != "" {
			err = fmt.Errorf("%w\n%s had lost something before; it is kept in %s", err, result.Shown.Name(), result.Kept)
		}
		return err
	}
	if err := p.showRehearsal(c, result); err != nil {
		return err
	}
	if !result.Clean() {
		return codeError(exitFailed)
	}
	return nil
}

// rehearsal reads what is wanted from the command line, and who will be started from the configuration.
func (p *program) rehearsal(c *cli.Context) (rehearse.Options, error) {
	var o rehearse.Options
	if c.String("url") == "" {
		return o, usagef("rehearse needs the URL that takes the load: --url http://127.0.0.1:8080/")
	}
	if err := o.Load.Aim(c.String("url")); err != nil {
		return o, usagef("%v", err)
	}
	o.Load.Rate, o.Load.Connections, o.Load.Body = c.Float64("rate"), c.Int("connections"), c.Int("body")
	o.Load.Keep, o.Load.Slow, o.Load.Insecure = c.Float64("keepalive"), c.Float64("slow"), c.Bool("insecure")
	o.Load.Preconnects = c.Int("preconnects")
	o.Way, o.Cycles = rehearse.Way(c.String("stop")), c.Int("cycles")
	o.Up, o.Warmup, o.After = c.Duration("up-within"), c.Duration("warmup"), c.Duration("after")
	var err error
	if o.Seed, err = seed(c.String("seed")); err != nil {
		return o, err
	}
	if err := sensible(o); err != nil {
		return o, err
	}
	cfg, err := load(c)
	if err != nil {
		return o, err
	}
	o.Tree, err = p.tree(c, cfg)
	return o, err
}

// sensible refuses a load that is none.
func sensible(o rehearse.Options) error {
	share := func(x float64) bool { return x >= 0 && x <= 1 }
	switch {
	case o.Load.Rate <= 0 || o.Load.Rate > 1e6:
		return usagef("--rate: %v requests a second are no load", o.Load.Rate)
	case o.Load.Connections <= 0:
		return usagef("--connections: %d is too few", o.Load.Connections)
	case !share(o.Load.Keep):
		return usagef("--keepalive: %v is no share: 0 to 1", o.Load.Keep)
	case !share(o.Load.Slow):
		return usagef("--slow: %v is no share: 0 to 1", o.Load.Slow)
	case o.Load.Body < 0 || o.Load.Preconnects < 0:
		return usagef("--body and --preconnects cannot be less than nothing")
	case o.Cycles <= 0:
		return usagef("--cycles: %d times is never", o.Cycles)
	case o.Up <= 0 || o.Warmup < 0 || o.After < 0:
		return usagef("--up-within, --warmup and --after cannot be less than nothing")
	}
	return nil
}

// seed reads the seed, or draws one.
func seed(text string) (uint64, error) {
	if text == "" {
		return rand.Uint64() >> 32, nil // short enough to be typed
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, usagef("--seed: %q is no number", text)
	}
	return n, nil
}

// tree is how `lastout run` is to be called for the same configuration, and whom it will start.
func (p *program) tree(c *cli.Context, cfg *config.Config) (rehearse.Tree, error) {
	t := rehearse.Tree{Args: []string{"-c", cfg.File}, Env: p.withoutFlags(os.Environ())}
	var err error
	if t.Program, err = os.Executable(); err != nil {
		return t, fmt.Errorf("cannot find the running binary: %w", err)
	}
	for _, profile := range c.StringSlice("profile") {
		t.Args = append(t.Args, "--profile", profile)
	}
	if grace := c.Duration("grace"); grace > 0 {
		t.Args = append(t.Args, "--grace", grace.String())
	}
	if c.Bool("no-cgroup") {
		t.Args = append(t.Args, "--no-cgroup")
	}
	if c.Bool("verbose") {
		t.Output = p.stderr
	}
	for id, process := range cfg.Processes {
		spec := cfg.Specs[id]
		x := rehearse.Instance{Role: spec.Role, Signal: syscall.SIGTERM}
		if len(spec.Stop) > 0 && spec.Stop[0].Signal != 0 {
			x.Signal = spec.Stop[0].Signal
		}
		for _, i := range process.Instances {
			x.Name = i.Name
			t.Instances = append(t.Instances, x)
		}
	}
	return t, nil
}

// withoutFlags leaves out what would set flags of `run`, which are given to it as arguments; those of its log stay.
func (p *program) withoutFlags(env []string) []string {
	ours := map[string]bool{}
	for _, f := range p.runCommand().Flags {
		if name := f.Names()[0]; !strings.HasPrefix(name, "log-") {
			ours[variable(name)[0]] = true
		}
	}
	return slices.DeleteFunc(env, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return ours[name]
	})
}

// rehearsalJSON is the answer for programs.
type rehearsalJSON struct {
	*rehearse.Result
	Clean    bool             `json:"clean"`
	Shutdown *report.Shutdown `json:"shutdown"` // of the first cycle that lost something, else of the last
	Picture  string           `json:"svg,omitempty"`
}

// showRehearsal prints what became of it, and draws it.
func (p *program) showRehearsal(c *cli.Context, r *rehearse.Result) error {
	file := c.String("svg")
	if file != "" {
		f, err := create(file, "the picture")
		if err != nil {
			return err
		}
		err = errors.Join(rehearse.Draw(f, r.Stop, r.Shown), f.Close())
		if err != nil {
			return fmt.Errorf("cannot write the picture %s: %w", file, err)
		}
	}
	if c.String("output") == "json" {
		return answerJSON(p.stdout, rehearsalJSON{Result: r, Clean: r.Clean(), Shutdown: r.Shown.Shutdown, Picture: file})
	}
	columns := width(p.stdout)
	if columns == 0 {
		columns = 110
	}
	r.Text(p.stdout, columns, onTerminal(p.stdout))
	return nil
}
