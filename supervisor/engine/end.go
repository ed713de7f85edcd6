package engine

import (
	"time"

	"lastout/supervisor"
)

// announce hears of the tree's phases: when a shutdown begins, no sink may hold anybody up any more.
func (h *Host) announce(r supervisor.Report) {
	if r.Phase == supervisor.Up {
		return
	}
	h.down = true
	h.dropUnused()
	h.outputs.hurry()
	if h.ends.IsZero() && r.Bound > 0 && r.Bound != supervisor.Forever {
		h.ends = time.Now().Add(r.Bound)
		h.record.Ends(time.Duration(clockMonotonic()) + r.Bound)
	}
}

// lastWords ends the host's own part: probes end, what runs left in their pipes is handed on, and what did not reach its
// sink is said.
func (h *Host) lastWords() {
	h.finish()
	for _, c := range h.children {
		if c.pid != 0 { // lost, or a stray: its pipe is not waited for
			h.outputs.finish(c.pipes)
			c.pipes = nil
		}
	}
	bound := lastFlush
	if !h.ends.IsZero() && time.Until(h.ends) < lastFlush {
		bound = shortFlush
	}
	for _, text := range h.outputs.settle(bound) {
		h.note(text)
	}
}
