package rehearse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"lastout/cmd/lastout/load"
	"lastout/ordering"
	"lastout/supervisor"
	"lastout/supervisor/report"
)

// Cycle is one life of the tree. The names of its JSON are stable; times are in nanoseconds.
type Cycle struct {
	N        int              `json:"n"`     // from 1
	After    time.Duration    `json:"after"` // from the begin of the counted load to the stop
	Took     time.Duration    `json:"took"`  // from the stop to lastout's end
	Code     int              `json:"code"`  // lastout's exit code
	Tally    load.Tally       `json:"requests"`
	Shutdown *report.Shutdown `json:"-"`

	Requests []load.Request     `json:"-"` // all, those of the warm-up too
	From     time.Duration      `json:"-"` // when the warm-up was over, by the load's clock
	Term     time.Duration      `json:"-"` // when the stop began, by the load's clock
	TermAt   supervisor.Instant `json:"-"` // the same by the journal's clock
	Dir      string             `json:"-"` // where its files are

	ByHand map[string]time.Duration `json:"-"` // when an instance was told by hand, counted from the stop

	term time.Time
}

// Clean says that nothing was lost or failed in this cycle.
func (c *Cycle) Clean() bool { return c.Tally.Lost == 0 && c.Tally.Failed == 0 }

// Plan is what one cycle is to do.
type Plan struct {
	Tree   Tree
	Way    Way
	Load   load.Options
	Up     time.Duration // how long the tree may take to come up
	Warmup time.Duration // load that is not counted
	After  time.Duration // counted load before the stop
	Told   func(inHand int)
}

// Play starts the tree in a folder, which keeps its journal, report, output and the records of all requests.
func Play(ctx context.Context, p Plan, dir string) (*Cycle, error) {
	t, err := start(p.Tree, dir, p.Way != Lastout)
	if err != nil {
		return nil, err
	}
	c := &Cycle{Dir: dir, After: p.After, ByHand: map[string]time.Duration{}}
	err = c.live(ctx, p, t)
	if err != nil && ctx.Err() == nil {
		if words := t.lastWords(); words != "" { // before it is told to leave, and has more to say
			err = fmt.Errorf("%w\nthe last it said:\n%s", err, words)
		}
	}
	t.clear()
	if err == nil {
		err = c.collect(t)
	}
	if err == nil {
		if p.Way == Lastout {
			c.judgeDoor(p.Tree)
		}
		c.Tally.Add(load.NewTally(c.Requests, c.From, c.Term))
		err = c.writeRequests()
	}
	return c, err
}

// live is the tree's life, with the load on it until it has gone.
func (c *Cycle) live(ctx context.Context, p Plan, t *tree) error {
	if err := t.up(ctx, p.Up); err != nil {
		return err
	}
	l := load.New(p.Load)
	if err := l.Try(ctx); err != nil {
		return err
	}
	loading, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() { defer close(over); l.Run(loading) }()
	c.From = time.Since(l.Begin()) + p.Warmup
	err := t.serve(ctx, p.Warmup+p.After)
	if err == nil {
		err = t.takeDown(ctx, p.Way, func(name string) {
			if name != "" {
				c.ByHand[name] = time.Since(c.term)
				return
			}
			c.term = time.Now()
			if p.Told != nil {
				p.Told(l.Open())
			}
		})
		c.Took = time.Since(c.term)
	}
	stop()
	<-over
	if err != nil {
		return err
	}
	c.Term, c.Requests = c.term.Sub(l.Begin()), l.Requests()
	c.Tally.Skipped = l.Skipped()
	c.Tally.PreconnectsOpened, c.Tally.PreconnectsEnded = l.Idlers()
	return nil
}

// serve lets the tree serve for a while.
func (t *tree) serve(ctx context.Context, length time.Duration) error {
	err := t.await(ctx, length, func() (bool, error) {
		if t.phase != supervisor.Up {
			return false, fmt.Errorf("the tree shut down by itself under load (%s)%s", t.cause, t.failures())
		}
		return false, nil
	})
	switch {
	case errors.Is(err, errLong):
		return nil
	case errors.Is(err, errEnded):
		return fmt.Errorf("lastout ended under load: %s", t.cmd.ProcessState)
	}
	return err
}

// collect reads lastout's own report of the shutdown, joins the clocks, and writes the requests down.
func (c *Cycle) collect(t *tree) error {
	c.Code = t.cmd.ProcessState.ExitCode()
	// Both clocks are CLOCK_MONOTONIC (clock_gettime(2)).
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return err
	}
	c.TermAt = time.Duration(now.Nano()) - time.Since(c.term) - time.Duration(t.header.Monotonic)
	text, err := os.ReadFile(filepath.Join(c.Dir, reportFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("lastout left no report of its shutdown: %s", t.cmd.ProcessState)
	}
	if err == nil {
		err = json.Unmarshal(text, &c.Shutdown)
	}
	if err != nil {
		return fmt.Errorf("cannot read the report of the shutdown: %w", err)
	}
	return nil
}

// judgeDoor makes losses of the refusals that came before lastout had shut a door: until then, in shutdown.delay for
// instance, the tree is to serve as ever. Without a gateway in the tree anybody may have been who was loaded.
func (c *Cycle) judgeDoor(t Tree) {
	gateways := map[string]bool{}
	for _, x := range t.Instances {
		if x.Role == ordering.Gateway {
			gateways[x.Name] = true
		}
	}
	door := c.Shutdown.End
	for _, x := range c.Shutdown.Instances {
		if len(gateways) > 0 && !gateways[x.Name] {
			continue
		}
		if x.Drain != nil {
			door = min(door, x.Drain.At)
		}
		if x.Turn != nil {
			door = min(door, *x.Turn)
		}
	}
	for i := range c.Requests {
		r := &c.Requests[i]
		if r.Fate == load.Refused && r.End > c.Term && r.End-c.Term < door-c.TermAt {
			r.Fate, r.Why = load.Lost, "before the door was shut: "+r.Why
		}
	}
}

// writeRequests writes the records down.
func (c *Cycle) writeRequests() error {
	text, err := json.Marshal(struct {
		From     time.Duration      `json:"from"`
		Stop     time.Duration      `json:"stop"`
		StopAt   supervisor.Instant `json:"stop_at"`
		Requests []load.Request     `json:"requests"`
	}{c.From, c.Term, c.TermAt, c.Requests})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.Dir, loadFile), text, 0o644)
}
