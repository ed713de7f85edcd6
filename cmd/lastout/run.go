package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"lastout/cmd/lastout/guardian"
	"lastout/process"
	"lastout/process/held"
	"lastout/process/output"
	"lastout/supervisor"
	"lastout/supervisor/config"
	"lastout/supervisor/engine"
	"lastout/supervisor/journal"
	"lastout/supervisor/report"
)

func (p *program) runCommand() *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "run the tree in the foreground, as PID 1, a service manager's unit, or in a terminal",
		Description: "SIGTERM, SIGINT and SIGQUIT take the tree down in order; lastout help shutdown tells how, and\n" +
			"lastout help exit-codes what the exit code means.",
		Flags: []cli.Flag{
			configFlag(), profileFlag(),
			fileFlag("journal", "keep every event as a line of JSON in `FILE`"),
			fileFlag("report", "write the report of the shutdown as JSON to `FILE`"), stateFlag(),
			graceFlag("what the container or unit allows for the shutdown: shutdown.timeout stays below it"),
			choiceFlag("log-level", "log.level, whatever the file says:", "", "debug", "info", "warn", "error"),
			choiceFlag("log-format", "log.format, whatever the file says:", "", "auto", "text", "json"),
			fileFlag("socket", "control.socket, whatever the file says: a path, or \"off\""),
			noCgroupFlag(), byHandFlag(),
		},
		Action: p.run,
	}
}

func noCgroupFlag() cli.Flag {
	return boolFlag("no-cgroup", "find descendants without control groups, even where there are some")
}

// byHandFlag is for rehearse, which compares lastout with a naive hand: the hand needs somebody who starts the tree,
// reaps it and restarts nobody, and otherwise keeps out of it.
func byHandFlag() cli.Flag {
	f := boolFlag("by-hand", "ask nobody to leave for a minute after SIGTERM: somebody else will")
	f.(*cli.BoolFlag).Hidden = true
	return f
}

// handDelay is how long a shutdown that is made by hand is left to that hand. Should it fail, lastout does its work.
const handDelay = time.Minute

// lastWait bounds the wait for a blocked stderr at the very end.
const lastWait = time.Second

// run is the life of a tree. A faulty configuration ends it before anything was started.
func (p *program) run(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	if p.proof != nil {
		return p.beProven(c)
	}
	if p.boot == nil { // the verb did not come first
		p.takeSignals()
	}
	if fd := os.Getenv(guardian.RescueVariable); fd != "" {
		return p.rescue(fd)
	}
	if fd := os.Getenv(stateVariable); fd != "" {
		return p.succeed(fd, func() (*config.Config, error) { return p.configured(c) })
	}
	cfg, err := p.configured(c)
	if err != nil {
		return err
	}
	if cfg.Guardian && p.guard == nil {
		return p.becomeGuardian()
	}
	stdout, stderr := output.Standard()
	r := &runner{
		program: p, config: cfg, again: func() (*config.Config, error) { return p.configured(c) }, reportFile: c.String("report"), stdout: stdout, stderr: stderr,
		log: newLogger(stderr, cfg.Log, onTerminal(p.stderr)),
	}
	if err := r.open(c); err != nil {
		r.log.flush(lastWait)
		return err
	}
	r.keepJournal(c.String("state"))
	r.heedManager()
	r.live()
	return nil
}

// configured reads the configuration, and sets what the flags and our place in the system say of it.
func (p *program) configured(c *cli.Context) (*config.Config, error) {
	cfg, err := load(c)
	if err != nil {
		return nil, err
	}
	if level := c.String("log-level"); level != "" {
		cfg.Log.Level = level
	}
	if format := c.String("log-format"); format != "" {
		cfg.Log.Format = format
	}
	if grace := c.Duration("grace"); grace > 0 {
		if text := tightText(cfg, grace); text != "" {
			cfg.Warnings = append(cfg.Warnings, config.Fault{File: cfg.File, Text: text})
		}
		cfg.Options.Timeout = withinGrace(cfg.Options.Timeout, grace)
	}
	if c.Bool("by-hand") {
		cfg.Options.Delay, cfg.Options.Timeout, cfg.Options.Before = handDelay, 0, 0
	}
	if p.first() { // the runtime takes the network away behind us
		cfg.Options.Linger = cfg.Linger
	}
	return cfg, nil
}

// runner is one tree with everything that listens to its reports.
type runner struct {
	*program
	config     *config.Config
	again      func() (*config.Config, error) // reads the configuration once more
	machine    *supervisor.Machine
	spawner    *process.Spawner
	host       *engine.Host
	stdout     *output.Sink
	stderr     *output.Sink // it may be the same one
	log        *logger
	journals   []*journalFile // the one that is asked for, and the one for `lastout report`
	header     journal.Header
	reportFile string
	control    *controlPlane
	registry   *registry
	told       []string // what is to be said when the tree begins: of an earlier one
	manager    *herald  // nil: no service manager started us
	succession succession
	hushed     chan hush

	mu     sync.Mutex          // of what follows, and of the header, which the loop writes and others read too
	ending []supervisor.Report // since the shutdown began
}

// open prepares everything that may fail.
func (r *runner) open(c *cli.Context) (err error) {
	if r.control, err = r.openControl(c.String("socket")); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			r.registry.remove()
			r.control.remove()
		}
	}()
	if err := r.openRegister(c.String("socket"), c.String("state")); err != nil {
		return err
	}
	r.machine = supervisor.New(r.config.Graph, r.config.Specs, r.config.Options)
	r.spawner = process.NewSpawner()
	if path := c.String("journal"); path != "" {
		j, err := openJournal(path)
		if err != nil {
			return err
		}
		r.journals = append(r.journals, j)
	}
	given, err := held.FromManager(os.Environ())
	if err != nil {
		r.log.warn(err.Error())
	}
	o := r.hostOptions()
	o.NoCgroup, o.Given = c.Bool("no-cgroup"), given
	r.host, err = engine.NewHost(o)
	return err
}

// hostOptions are those that a successor has too.
func (r *runner) hostOptions() engine.HostOptions {
	return engine.HostOptions{
		Config: r.config, Spawner: r.spawner,
		Stdout: r.stdout, Color: onTerminal(r.program.stdout), Inherit: [2]*os.File{r.program.stdout, r.program.stderr},
		Register: r.registry.Register, Changed: r.rewrite, Say: r.say,
	}
}

// live begins the tree and runs it to its end.
func (r *runner) live() {
	r.log.begin(r.config)
	r.log.trees(r.host.Capabilities())
	for _, text := range r.host.Held() {
		r.log.info(text)
	}
	for _, w := range r.config.Warnings {
		r.log.warn(w.String())
	}
	for _, text := range r.told {
		r.host.Note(text)
	}
	r.serve(func() int {
		began, monotonic := engine.Moment()
		r.beginJournals(began, monotonic)
		r.bequeath()
		return engine.Run(r.machine, r.host, began).Code
	})
}

// serve runs the tree to its end, with its children spawned by this very thread, and ends the program. The end does not
// come by way of this thread: where an exec hangs (a dead network file system), it never comes back.
func (r *runner) serve(run func() (code int)) {
	r.hushed = make(chan hush)
	r.control.serve()
	go func() {
		go r.manager.watch(r.host.Alive)
		code := run()
		r.finish()
		r.log.flush(lastWait)
		_ = r.guard.tell(guardian.Done())
		os.Exit(code)
	}()
	go r.listen()
	r.spawner.Serve(nil)
}

func (r *runner) beginJournals(began time.Time, monotonic int64) {
	r.mu.Lock()
	r.header = headerOf(r.config, began, monotonic)
	r.mu.Unlock()
	for _, j := range r.journals {
		if err := j.begin(r.header); err != nil {
			r.log.warn(err.Error())
		}
	}
}

// say takes every report, on the loop: nothing here may wait.
func (r *runner) say(said supervisor.Report) {
	r.manager.report(said)
	for _, j := range r.journals {
		j.report(said)
	}
	r.control.recorder.Report(said)
	r.mu.Lock()
	defer r.mu.Unlock()
	if said.Kind == supervisor.KindReload {
		r.header.Nodes = said.Nodes
	}
	if len(r.ending) > 0 || said.Kind == supervisor.KindPhase && said.Phase != supervisor.Up {
		if len(r.ending) == 0 {
			for _, j := range r.journals {
				j.hurry()
			}
		}
		r.ending = append(r.ending, said)
	}
	r.log.report(said)
}

// shutdown is what there is to report of the one under way, so far.
func (r *runner) shutdown() ([]supervisor.Report, report.Tree) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ending[:len(r.ending):len(r.ending)], treeOf(r.header)
}

// finish tells how it ended, and gives back what is held.
func (r *runner) finish() {
	answered := make(chan struct{})
	go func() {
		r.control.close()
		close(answered)
	}()
	defer func() { <-answered }()
	if err := r.host.Close(); err != nil {
		r.log.debug("cannot tidy up: " + err.Error())
	}
	r.registry.remove()
	for _, j := range r.journals {
		if err := j.close(); err != nil {
			r.log.warn(err.Error())
		}
	}
	r.manager.close()
	shutdown := report.New(r.shutdown())
	r.log.shutdown(shutdown, width(r.program.stderr))
	if r.reportFile == "" {
		return
	}
	if err := writeReport(r.reportFile, shutdown); err != nil {
		r.log.warn(err.Error())
	}
}

// monotonic is CLOCK_MONOTONIC in nanoseconds, the clock that journals of children can be compared with.
func monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0 // it cannot fail on Linux: clock_gettime(2)
	}
	return now.Nano()
}

// create opens a file to be written anew; a pipe or a terminal is opened as it is.
func create(path, what string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		var reason *os.PathError
		if errors.As(err, &reason) {
			err = reason.Err
		}
		return nil, fmt.Errorf("cannot write %s %s: %w", what, path, err)
	}
	return f, nil
}
