package control

import (
	"maps"
	"sync"
	"time"

	"lastout/supervisor"
)

// counts is what the metrics know beside the snapshot: what has happened so far, counted from the reports.
type counts struct {
	mu    sync.Mutex `image:"-"`
	exits map[exitKey]uint64
	kills map[string]uint64 // by process
	lost  map[string]uint64
	cut   map[string]uint64
	hooks map[supervisor.HookKind]uint64 // those that failed
	stops map[string]*histogram
	asked map[supervisor.Run]supervisor.Instant // when runs that still live were asked to leave
}

// exitKey is a process, and how a run of it ended.
type exitKey struct {
	process string
	cause   string // asked, success, failure, signal, oom
}

func newCounts() counts {
	return counts{
		exits: map[exitKey]uint64{}, kills: map[string]uint64{}, lost: map[string]uint64{}, cut: map[string]uint64{},
		hooks: map[supervisor.HookKind]uint64{}, stops: map[string]*histogram{},
		asked: map[supervisor.Run]supervisor.Instant{},
	}
}

// add counts one report.
func (c *counts) add(r *supervisor.Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Kind {
	case supervisor.KindExit:
		c.exits[exitKey{r.Process, causeOf(r)}]++
	case supervisor.KindSignal, supervisor.KindCommand, supervisor.KindInvite:
		c.ask(r)
	case supervisor.KindKill:
		c.ask(r)
		c.kills[r.Process]++
	case supervisor.KindLost:
		c.lost[r.Process]++
		delete(c.asked, r.Run)
	case supervisor.KindGone:
		c.left(r)
	case supervisor.KindCut:
		c.cut[r.Process] += uint64(len(r.Connections))
	case supervisor.KindHook:
		if r.Step == 1 && r.Cause != "" {
			c.hooks[r.Hook]++
		}
	default: // the snapshot knows
	}
}

func causeOf(r *supervisor.Report) string {
	switch {
	case r.Exit != nil && r.Exit.OOM != "":
		return "oom"
	case r.Asked:
		return "asked"
	case r.Exit == nil:
		return "failure"
	case r.Exit.Signal != 0:
		return "signal"
	case r.Exit.Code != 0:
		return "failure"
	}
	return "success"
}

// ask notes when a run was asked to leave for the first time.
func (c *counts) ask(r *supervisor.Report) {
	if _, before := c.asked[r.Run]; !before && r.Run != 0 {
		c.asked[r.Run] = r.At
	}
}

// left counts how long a run took to leave.
func (c *counts) left(r *supervisor.Report) {
	asked, ok := c.asked[r.Run]
	if !ok {
		return
	}
	delete(c.asked, r.Run)
	if c.stops[r.Process] == nil {
		c.stops[r.Process] = new(histogram)
	}
	c.stops[r.Process].add((r.At - asked).Seconds())
}

// copy is what was counted so far.
func (c *counts) copy() *counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	stops := map[string]*histogram{}
	for name, h := range c.stops {
		one := *h
		stops[name] = &one
	}
	return &counts{
		exits: maps.Clone(c.exits), kills: maps.Clone(c.kills), lost: maps.Clone(c.lost), cut: maps.Clone(c.cut),
		hooks: maps.Clone(c.hooks), stops: stops,
	}
}

// stopBuckets are the upper bounds of the histogram of stop durations, in seconds: around the usual timeouts.
var stopBuckets = [...]float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120}

// histogram counts durations.
type histogram struct {
	buckets [len(stopBuckets)]uint64 // each on its own, not added up
	count   uint64
	sum     float64
}

func (h *histogram) add(seconds float64) {
	for i, bound := range stopBuckets {
		if seconds <= bound {
			h.buckets[i]++
			break
		}
	}
	h.count++
	h.sum += seconds
}

// epoch is a time as metrics have it.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
