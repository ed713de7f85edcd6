package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"lastout/ordering"
	"lastout/process"
	"lastout/process/output"
	"lastout/process/register"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// Adopt is NewHost for a tree whose supervisor was our child and has died, and that is only to be taken down: what it has
// left are our children now. It returns the runs that the machine is to adopt. No held listener is opened: what they were
// is in the hands of those who live.
func Adopt(o HostOptions, l process.Legacy) (*Host, []supervisor.Adopted, error) {
	h := newHost(o, newOutputsOf(o))
	lastTag.Store(max(lastTag.Load(), l.Highest+1))
	// What the reaper tells waits in the mailbox until the children are known.
	var err error
	h.reaper, err = process.Adopt(process.Options{Name: o.Config.Name, Notify: h.notify}, l)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot watch over children: %w", err)
	}
	return h.adopt(o, l)
}

// AdoptStrangers is Adopt for what nobody of ours has left: none of it is our child, and somebody else reaps it. Where
// nothing of it lives there is no Host.
func AdoptStrangers(o HostOptions, l process.Legacy) (h *Host, runs []supervisor.Adopted, err error) {
	h = newHost(o, newOutputsOf(o))
	lastTag.Store(max(lastTag.Load(), l.Highest+1))
	var living int
	h.reaper, living, err = process.AdoptStrangers(process.Options{Name: o.Config.Name, Notify: h.notify}, l)
	if err != nil || living == 0 {
		return nil, nil, err
	}
	return h.adopt(o, l)
}

// adopt takes up who is on record.
func (h *Host) adopt(o HostOptions, l process.Legacy) (*Host, []supervisor.Adopted, error) {
	failed := h.outputs.addAll(o.Config)
	if failed != nil {
		h.onLoop(func() { h.note(failed.Error()) }) // it is taken down all the same
	}
	h.outputs.onError(func(err error) { h.onLoop(func() { h.note(err.Error()) }) })
	named := instancesOf(o.Config)
	var runs []supervisor.Adopted
	rows := slices.Clone(l.Rows)
	slices.SortFunc(rows, func(a, b register.Row) int { return cmp.Compare(b.Run, a.Run) }) // the last life of each first
	for i := range rows {
		row := &rows[i]
		inst, known := named[row.Name]
		if row.Hook || !known || row.Life == 0 {
			h.adoptLeftover(row)
			continue
		}
		delete(named, row.Name)
		runs = append(runs, h.adoptLife(row, inst))
		if failed == nil {
			h.rejoin(row, inst)
		}
	}
	return h, runs, nil
}

// instancesOf finds the instances of a configuration by their names.
func instancesOf(c *config.Config) map[string]supervisor.Inst {
	named := map[string]supervisor.Inst{}
	for id := range c.Processes {
		for n := range c.Processes[id].Instances {
			x := &c.Processes[id].Instances[n]
			named[x.Name] = supervisor.Inst{Proc: ordering.ID(id), N: x.N}
		}
	}
	return named
}

// adoptLife takes up a run.
func (h *Host) adoptLife(row *register.Row, inst supervisor.Inst) supervisor.Adopted {
	run := supervisor.Run(row.Life)
	l := &life{host: h, inst: inst, run: run, set: h.lookup(inst), began: time.Now()}
	c := &child{tag: row.Run, name: row.Name, pid: row.PID, part: l, order: supervisor.Spawn{Inst: inst, Run: run}}
	c.stage.Store(starting)
	h.children[c.tag], h.runs[run] = c, c
	return supervisor.Adopted{Inst: inst, Name: row.Name, Run: run, PID: row.PID}
}

// rejoin reads on what a run writes, from the pipes whose reader has died. What it wrote between, and was not ended for,
// waits there.
func (h *Host) rejoin(row *register.Row, inst supervisor.Inst) {
	c, set := h.children[row.Run], h.lookup(inst)
	w := wiring{outputs: h.outputs, child: c, id: inst.Proc, log: set.proc.Log, inst: set.inst}
	for which, mode := range []config.LogMode{set.proc.Log.Stdout, set.proc.Log.Stderr} {
		one := which == 1 && row.Pipes[0] == row.Pipes[1]
		if one || mode != config.LogPrefix && mode != config.LogFile {
			continue
		}
		end := h.reaper.OpenOutput(row, which)
		if end == nil {
			continue
		}
		pipe, err := output.ReopenPipe(w.options(mode), end)
		if err != nil {
			h.onLoop(func() { h.note(fmt.Sprintf("%s: %v", c.name, err)) })
			continue
		}
		c.pipes = append(c.pipes, pipe)
	}
}

// adoptLeftover ends a child that nobody waits for any more: a hook, above all. What it was for is begun anew.
func (h *Host) adoptLeftover(row *register.Row) {
	c := &child{tag: row.Run, name: row.Name, hook: true, over: true, pid: row.PID, part: leftover{}}
	c.stage.Store(starting)
	h.children[c.tag] = c
	h.reaper.Kill(c.tag)
}
