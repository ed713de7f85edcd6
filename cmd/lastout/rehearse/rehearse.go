package rehearse

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"lastout/cmd/lastout/load"
)

// Options describe a rehearsal.
type Options struct {
	Plan
	Cycles int
	Seed   uint64
	Told   func(cycle, inHand int) // at each stop; nil: nobody listens
	Over   func(*Cycle)            // after each cycle; nil: nobody listens
}

// Without --after the stop comes at a random moment between these.
const (
	soonest = 200 * time.Millisecond
	latest  = 1200 * time.Millisecond
)

// Result is a rehearsal. The names of its JSON are stable.
type Result struct {
	Stop   Way        `json:"stop"`
	URL    string     `json:"url"`
	Seed   uint64     `json:"seed"`
	Total  load.Tally `json:"requests"` // of all cycles
	Cycles []*Cycle   `json:"cycles"`
	Kept   string     `json:"kept,omitempty"` // the folder of the first cycle that lost something

	Shown *Cycle `json:"-"` // the one to look at: the first that lost, else the last
}

// Clean says that nothing was lost or failed, and that there was something to lose.
func (r *Result) Clean() bool { return r.Total.Clean() }

// Run goes through the cycles. The folder of the first that lost something stays, all others are removed. With an error
// comes what there was before it.
func Run(ctx context.Context, o Options) (*Result, error) {
	r := &Result{Stop: o.Way, URL: o.Load.URL.String(), Seed: o.Seed, Cycles: []*Cycle{}}
	for n := 1; n <= o.Cycles; n++ {
		dir, err := os.MkdirTemp("", "lastout-rehearse-")
		if err != nil {
			return r, err
		}
		c, err := Play(ctx, o.cycle(n), dir)
		if err != nil {
			os.RemoveAll(dir)
			return r, err
		}
		c.N = n
		r.Cycles = append(r.Cycles, c)
		r.Total.Add(c.Tally)
		r.show(c)
		if o.Over != nil {
			o.Over(c)
		}
	}
	return r, nil
}

// show keeps what is worth to be looked at, and no more: the memory of 200 cycles is that of one.
func (r *Result) show(c *Cycle) {
	other := c // to be forgotten
	if r.Kept == "" {
		other, r.Shown = r.Shown, c
		if !c.Clean() {
			r.Kept = c.Dir
		}
	}
	if other != nil {
		other.Requests, other.Shutdown = nil, nil
	}
	if c.Dir != r.Kept {
		os.RemoveAll(c.Dir)
	}
}

// cycle is the plan of one cycle: the seed decides at which moment of the load it is stopped, and which request goes
// which way.
func (o Options) cycle(n int) Plan {
	p := o.Plan
	dice := rand.New(rand.NewPCG(o.Seed, uint64(n)))
	p.Load.Seed = dice.Uint64()
	if p.After <= 0 {
		p.After = soonest + time.Duration(dice.Int64N(int64(latest-soonest)))
	}
	if o.Told != nil {
		p.Told = func(inHand int) { o.Told(n, inHand) }
	}
	return p
}

// Files names what is kept of a cycle, for people.
func (c *Cycle) Files() []string {
	var all []string
	for _, f := range []string{journalFile, reportFile, outputFile, loadFile} {
		if _, err := os.Stat(filepath.Join(c.Dir, f)); err == nil {
			all = append(all, f)
		}
	}
	return all
}

// Name is what a cycle is called: "cycle 3".
func (c *Cycle) Name() string { return "cycle " + strconv.Itoa(c.N) }
