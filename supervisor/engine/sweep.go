package engine

import "lastout/supervisor"

// sweep is for the descendants of no living run. A hook that is over, or was killed, is no living run: what is left of
// it is swept too. One that is being started just now cannot be seen yet, and is waited for.
func (h *Host) sweep(a supervisor.Sweep) {
	h.sweeps = append(h.sweeps, a)
	h.sweepOn()
}

// sweepOn sweeps, as often as was asked for, once nobody is being started whom the machine does not know. The machine
// waits for the answer, with a bound.
func (h *Host) sweepOn() {
	if len(h.sweeps) == 0 || h.endUnknown() {
		return
	}
	for tag, c := range h.children {
		if c.hook && c.over {
			h.reaper.Forget(tag)
		}
	}
	for _, a := range h.sweeps {
		h.reaper.Sweep(a.Signal, a.Report)
	}
	h.sweeps = nil
}

// endUnknown kills the children that the machine does not know, and says whether one is being started.
func (h *Host) endUnknown() (beginning bool) {
	for _, c := range h.children {
		switch c.part.(type) {
		case *asker, *Helper:
			h.kill(c)
			beginning = beginning || c.pid == 0 && c.stage.Load() == starting
		}
	}
	return beginning
}
