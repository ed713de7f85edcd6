package engine

import (
	"fmt"
	"slices"
	"strings"

	"lastout/process"
	"lastout/process/cgroup"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// Unkept is a limit of control groups that cannot be kept here.
type Unkept struct {
	Limit     string   `json:"limit"` // "memory_max"
	Processes []string `json:"processes"`
	Why       string   `json:"why"`
}

func (u Unkept) String() string {
	return fmt.Sprintf("%s of %s is not kept here: %s", u.Limit, strings.Join(u.Processes, ", "), u.Why)
}

// ForeseeLimits says which limits of a configuration cannot be kept here, as far as that can be known before they are
// tried. Without is that no control groups are wanted.
func ForeseeLimits(c *config.Config, without bool) []Unkept {
	controllers := map[string]string{} // by key
	var keys, wanted []string
	for id := range c.Processes {
		for _, l := range limitsOf(&c.Processes[id]).List() {
			if controllers[l.Key] == "" {
				controllers[l.Key] = l.Controller
				keys, wanted = append(keys, l.Key), append(wanted, l.Controller)
			}
		}
	}
	if keys == nil {
		return nil
	}
	missing, all := process.ForeseeLimits(wanted, without)
	var unkept []Unkept
	for _, key := range keys {
		why := all
		if why == nil {
			why = missing[controllers[key]]
		}
		if why != nil {
			unkept = append(unkept, Unkept{key, limitedBy(c, key), why.Error()})
		}
	}
	return unkept
}

// limitsOf are the same for all instances of a process.
func limitsOf(p *config.Process) *cgroup.Limits {
	if len(p.Instances) == 0 {
		return nil
	}
	return p.Instances[0].Command.Group
}

// limitedBy are the processes that have such a limit.
func limitedBy(c *config.Config, key string) (names []string) {
	for id := range c.Processes {
		if slices.ContainsFunc(limitsOf(&c.Processes[id]).List(), func(l cgroup.Limit) bool { return l.Key == key }) {
			names = append(names, c.Processes[id].Name)
		}
	}
	return names
}

// unlimited says once that a limit is not kept, and of whom.
func (h *Host) unlimited(ev process.Unlimited) {
	h.noteOnce(Unkept{ev.Key, limitedBy(h.config, ev.Key), ev.Why.Error()}.String())
}

// outOfMemory says that others of a tree than its main process were killed.
func (h *Host) outOfMemory(ev process.OutOfMemory) {
	c := h.children[ev.Run]
	if c == nil {
		return
	}
	r := supervisor.Report{At: h.at, Kind: supervisor.KindNote, Cause: fmt.Sprintf(
		"out of memory (%s): the kernel killed %s of its tree", c.oom(ev.OOM), plural(int(ev.Kills), "descendant"))}
	if l, ok := c.part.(*life); ok {
		r.Process, r.Instance, r.Run = l.set.proc.Name, l.set.inst.Name, l.run
	} else {
		r.Cause = c.name + ": " + r.Cause
	}
	h.say(r)
}

// oom says for people what was in the way of a child that the kernel killed for want of memory.
func (c *child) oom(kind process.OOM) string {
	limits := c.command.Group
	if l, ok := c.part.(*life); ok { // of one that was taken over, the command is not known
		limits = l.set.inst.Command.Group
	}
	switch {
	case kind == process.NoOOM:
		return ""
	case kind == process.OuterOOM:
		return "of the machine, or of a limit above lastout's"
	case limits == nil || limits.Memory == 0:
		return "a limit of its own"
	}
	return "memory_max " + cgroup.Size(limits.Memory)
}
