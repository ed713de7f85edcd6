package engine

import (
	"context"
	"fmt"

	"lastout/supervisor"
)

// drainerOf is the drainer of a run, made at its first use; nil where there is no such run any more.
func (h *Host) drainerOf(run supervisor.Run) *drainer {
	l := h.lifeOf(run)
	if l == nil {
		return nil
	}
	if l.drainer == nil {
		l.drainer = newDrainer(h, h.runs[run], l)
		l.drainer.view.hold(h.handedTo(l.set.proc))
		l.drainer.door.held.known = h.doors()
		h.drainers.Go(l.drainer.run)
	}
	return l.drainer
}

// quiesce turns new connections away from a run's listeners.
func (h *Host) quiesce(a supervisor.Quiesce) {
	if d := h.drainerOf(a.Run); d != nil {
		closing := h.closing(d.life)
		d.change(func(o *orders) { o.shut, o.held = true, closing })
	}
}

// drainCommand starts the command that asks a program to finish.
func (h *Host) drainCommand(a supervisor.DrainCommand) {
	inst := h.settingsOf(a.Run, a.Inst).inst
	var told supervisor.Facts
	if c := h.runs[a.Run]; c != nil {
		told.PID = c.pid
	}
	h.startHook(a, a.Hook, a.Inst.Proc, inst.Name+" drain", *inst.Drain.Command, hookEnv("drain", told))
}

// watch begins to look whether a run has finished what it has in hand. A probe of the configuration decides by itself;
// all else is seen by its connections.
func (h *Host) watch(a supervisor.Watch) {
	d := h.drainerOf(a.Run)
	if d == nil {
		return
	}
	until := d.life.set.spec.Drain.Until
	d.change(func(o *orders) { o.look = lookFor(until) })
	if until == supervisor.UntilProbe {
		h.askDrained(d, a)
	}
}

// askDrained asks the drain probe, again and again, until it says yes or the watch ends.
func (h *Host) askDrained(d *drainer, a supervisor.Watch) {
	bound := d.drain.ProbeTimeout
	if bound <= 0 {
		bound = execLook
	}
	ctx, stop := context.WithCancel(h.alive)
	d.stopProbe = stop
	ask := poll(probeInterval, bound, h.execLook(d.life, d.child.name+" drain probe", *d.drain.Probe))
	h.drainers.Go(func() {
		if ask(ctx, func(error) {}) {
			h.box.Put(supervisor.BecameDrained{Inst: a.Inst, Run: a.Run, Why: "probe"})
		}
	})
}

// settle begins to look whether a gateway has pushed its last bytes out. Next it is told to stop: its listeners are its
// own again.
func (h *Host) settle(a supervisor.Settle) {
	if d := h.drainerOf(a.Run); d != nil {
		d.release()
		d.change(func(o *orders) { o.look = forSettled })
	}
}

func (h *Host) stopWatch(a supervisor.StopWatch) {
	l := h.lifeOf(a.Run)
	if l == nil || l.drainer == nil {
		return
	}
	l.drainer.change(func(o *orders) { o.late, o.look = o.late || o.look != forSettled, forNothing })
	l.drainer.endProbe()
	if l.look != nil {
		h.kill(l.look)
	}
}

// told hears that a run was told to stop, or is killed.
func (h *Host) told(run supervisor.Run) {
	if l := h.lifeOf(run); l != nil && l.drainer != nil {
		l.drainer.release()
		l.drainer.change(func(o *orders) { o.told = true })
	}
}

// pids are the processes of a tree. Any goroutine may ask.
func (h *Host) pids(tag uint64) []int {
	var pids []int
	for _, m := range h.reaper.Members(tag) {
		pids = append(pids, m.PID)
	}
	return pids
}

// noteOnce says something that is as true of every drain to come, but once.
func (h *Host) noteOnce(text string) {
	h.onLoop(func() {
		if !h.noted[text] {
			h.noted[text] = true
			h.note(text)
		}
	})
}

// plural is a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
