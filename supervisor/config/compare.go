package config

import (
	"reflect"
	"slices"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// Compare says, by the IDs of the later configuration, what is new in it of each process. A process restarts when
// something changed that a run is started with: its command with its circumstances, its output, sockets, readiness, role.
func Compare(before, later *Config) []supervisor.Change {
	changes := make([]supervisor.Change, len(later.Processes))
	for id := range later.Processes {
		old, known := before.Graph.Lookup(later.Processes[id].Name)
		switch {
		case !known:
			changes[id] = supervisor.Added
		case restarts(before, later, old, ordering.ID(id)):
			changes[id] = supervisor.Restarts
		case registers(before, later, old, ordering.ID(id)):
			changes[id] = supervisor.Registers
		}
	}
	return changes
}

// started is what a run is started with.
type started struct {
	Command Command
	Probe   Probe
	Bark    time.Duration // how often its watchdog wants to hear of it, which it is told
	Pattern string
	Log     Log
	LogFile string
	Stdin   string
	Sockets []string
	Dialect Dialect
	Role    ordering.Role
	Ready   supervisor.Readiness
}

func (c *Config) startedWith(id ordering.ID, n int) started {
	p, i, s := &c.Processes[id], &c.Processes[id].Instances[n], &c.Specs[id]
	w := started{
		Command: i.Command, Probe: i.Probe, Log: p.Log, LogFile: i.LogFile, Stdin: i.Stdin, Dialect: p.Dialect,
		Role: s.Role, Ready: s.Ready, Bark: i.Health.Watchdog,
	}
	// The signal of a death follows the stop signal: it is no reason to restart anybody, and holds from the next start on.
	w.Command.Line, w.Command.DeathSignal, w.Log.File = 0, 0, ""
	if w.Probe.Log != nil {
		w.Pattern, w.Probe.Log = w.Probe.Log.String(), nil
	}
	if w.Probe.Exec = unplaced(w.Probe.Exec); w.Probe.Exec != nil {
		w.Probe.Exec.DeathSignal = 0
	}
	for _, k := range p.Sockets {
		w.Sockets = append(w.Sockets, c.Sockets[k].Name)
	}
	return w
}

// restarts compares the instances that there are in both.
func restarts(before, later *Config, old, id ordering.ID) bool {
	both := min(len(before.Processes[old].Instances), len(later.Processes[id].Instances))
	for n := range both {
		if !reflect.DeepEqual(before.startedWith(old, n), later.startedWith(id, n)) {
			return true
		}
	}
	return false
}

// registers compares what is left: what the machine knows, and the commands and drains that a run is not started with.
func registers(before, later *Config, old, id ordering.ID) bool {
	if !reflect.DeepEqual(before.Specs[old], later.Specs[id]) || !sameOrder(before.Nodes[old], later.Nodes[id]) {
		return true
	}
	was, is := before.Processes[old].Instances, later.Processes[id].Instances
	for n := range min(len(was), len(is)) {
		if !sameCommands(&was[n], &is[n]) {
			return true
		}
	}
	return false
}

func sameOrder(a, b ordering.Node) bool {
	return slices.Equal(a.DependsOn, b.DependsOn) && slices.Equal(a.Outlives, b.Outlives) && a.NoDrain == b.NoDrain &&
		(a.Fronts == nil) == (b.Fronts == nil) && slices.Equal(a.Fronts, b.Fronts)
}

func sameCommands(a, b *Instance) bool {
	x, y := *a, *b
	for _, i := range []*Instance{&x, &y} {
		i.Name, i.Command, i.Probe = "", Command{DeathSignal: i.Command.DeathSignal}, Probe{}
		hooks := make(map[supervisor.HookKind]Command, len(i.Hooks))
		for kind, c := range i.Hooks {
			c.Line = 0
			hooks[kind] = c
		}
		i.Hooks, i.Stop = hooks, slices.Clone(i.Stop)
		for n := range i.Stop {
			i.Stop[n].Line = 0
		}
		i.Drain.Command, i.Drain.Probe = unplaced(i.Drain.Command), unplaced(i.Drain.Probe)
		i.Health.Exec = unplaced(i.Health.Exec)
	}
	return reflect.DeepEqual(x, y)
}

// unplaced is a command wherever it stands in its file.
func unplaced(c *Command) *Command {
	if c == nil {
		return nil
	}
	copied := *c
	copied.Line = 0
	return &copied
}
