package engine

import (
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// settings are what a run lives by: those of the configuration it was started with. What the host knows of a process may
// change while it runs, and a drainer reads them on a goroutine of its own.
type settings struct {
	proc *config.Process
	inst *config.Instance
	spec *supervisor.Spec
}

// lookup gives the settings of an instance by the present configuration.
func (h *Host) lookup(i supervisor.Inst) settings {
	proc := &h.config.Processes[i.Proc]
	return settings{proc: proc, inst: &proc.Instances[i.N-1], spec: &h.config.Specs[i.Proc]}
}

// settingsOf gives the settings of a run, or of an instance that has none.
func (h *Host) settingsOf(run supervisor.Run, i supervisor.Inst) settings {
	if l := h.lifeOf(run); l != nil {
		return l.set
	}
	return h.lookup(i)
}

// lifeOf is the run of the number; nil where there is none any more.
func (h *Host) lifeOf(run supervisor.Run) *life {
	c := h.runs[run]
	if c == nil {
		return nil
	}
	l, _ := c.part.(*life)
	return l
}
