package engine

import (
	"fmt"
	"reflect"
	"slices"

	"lastout/ordering"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// Reload hands in a configuration that was loaded and checked, and opens its log files first; all else is done later. cause says who asks, for people. Any
// goroutine may call it.
func (h *Host) Reload(c *config.Config, cause string) *Ticket {
	unfit := h.openLogs(c)
	t := h.tickets.issue()
	h.box.Call(func(supervisor.Instant, *supervisor.Machine) supervisor.Event {
		ev := h.reloadOf(c)
		ev.Op, ev.Cause = t.Op, cause
		if ev.Unfit == "" {
			ev.Unfit = unfit
		}
		if ev.Unfit == "" {
			ev.Unfit = h.prepareReload(c)
		}
		h.coming[t.Op] = c
		return ev
	})
	return t
}

// openLogs opens the log files of a configuration that may be taken, and returns why that cannot be done. It is not for
// the loop, which a file system that hangs must not hold up.
func (h *Host) openLogs(c *config.Config) string {
	if plan, ok := h.PlanReload(c); !ok || plan.Refused != "" {
		return ""
	}
	if err := h.outputs.addOf(c); err != nil {
		return err.Error()
	}
	return ""
}

// PlanReload is what a reload of a configuration would do now; false when the loop is over.
func (h *Host) PlanReload(c *config.Config) (supervisor.ReloadPlan, bool) {
	return asked(h, func(_ supervisor.Instant, m *supervisor.Machine) supervisor.ReloadPlan {
		return m.PlanReload(h.reloadOf(c))
	})
}

func (h *Host) reloadOf(c *config.Config) supervisor.Reload {
	ev := supervisor.Reload{Graph: c.Graph, Specs: c.Specs, Options: c.Options, Changes: config.Compare(h.config, c)}
	switch {
	case c.Name != h.config.Name:
		ev.Unfit = "the name of the tree has changed, by which its control groups and its control socket are called"
	case c.Guardian != h.config.Guardian:
		ev.Unfit = "guardian.enabled has changed, and a guardian is there from the start on or not at all"
	case !reflect.DeepEqual(socketsOf(c), socketsOf(h.config)):
		ev.Unfit = "the held listeners have changed, which are opened once, at the start"
	default:
		ev.Unfit = h.unheld(c)
	}
	return ev
}

// unheld says which socket somebody is to be handed that nobody was to be handed at the start.
func (h *Host) unheld(c *config.Config) string {
	for i := range c.Sockets {
		if isUsed(c, i) && !slices.ContainsFunc(h.holdings, func(x *holding) bool { return x.index == i }) {
			return fmt.Sprintf("nobody was handed socket %q so far, and held listeners are opened once, at the start", c.Sockets[i].Name)
		}
	}
	return ""
}

// socketsOf are the held listeners of a configuration, wherever they stand in the file.
func socketsOf(c *config.Config) []config.Socket {
	all := append([]config.Socket(nil), c.Sockets...)
	for i := range all {
		all[i].Line = 0
	}
	return all
}

// prepareReload makes as many instances as users have scaled processes to, and opens log files. It returns why that
// cannot be done.
func (h *Host) prepareReload(c *config.Config) string {
	for id := range c.Processes {
		p := &c.Processes[id]
		if old, known := h.config.Graph.Lookup(p.Name); known && c.Specs[id].Enabled {
			if more := len(h.config.Processes[old].Instances); more > len(p.Instances) {
				if err := c.Grow(ordering.ID(id), more); err != nil {
					return err.Error()
				}
			}
		}
	}
	if err := h.outputs.addOf(c); err != nil { // of those it had to make; the others are open
		return err.Error()
	}
	return ""
}

// reloaded puts a configuration in force: IDs are of its graph from here on, and the runs that there are take their
// settings from it, except those of processes that are gone from it.
func (h *Host) reloaded(a supervisor.Reloaded) {
	c := h.coming[a.Op]
	h.config = c
	h.changed(c)
	h.outputs.heed(c)
	for _, child := range h.runs {
		l, ok := child.part.(*life)
		if !ok {
			continue
		}
		id, known := c.Graph.Lookup(l.set.proc.Name)
		if known && l.inst.N <= len(c.Processes[id].Instances) {
			l.set = h.lookup(supervisor.Inst{Proc: id, N: l.inst.N})
		}
	}
}
