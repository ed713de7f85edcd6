package engine

import (
	"errors"
	"os"
	"sync/atomic"

	"lastout/process"
	"lastout/process/output"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// child is a process that the host starts: a run, a hook or stop command, or the look of an exec probe.
//
// The kernel's side knows it by its tag. Tags rise in the order of the forks, which the way descendants are told apart
// asks for; the machine's run numbers need not, for a life is numbered before its pre_start hook.
type child struct {
	tag     uint64
	name    string // "api.1", "api.1 pre_stop"
	command config.Command
	hook    bool
	part    part
	order   supervisor.Action  // that it was started for; nil: the look of a probe
	prepare func(*child) error // on the spawner's thread: opens what the child is handed

	// Set by prepare, and not touched again before the loop has heard that the child started or failed.
	env    []string
	ownPID []string        // variables that tell it its own pid
	files  []*os.File      // its descriptors, from 0 on
	ours   []*os.File      // of these, those to be closed here as soon as it has them
	pipes  []*output.Pipe  // to be finished when its tree is gone
	notify *process.Notify // its NOTIFY_SOCKET; nil: none. Closed then
	ready  *os.File        // by which it says that it is ready; nil: it does not. Closed then

	stage atomic.Int32

	// Of the loop.
	pid   int  // 0 before it started
	dying bool // it was killed before it was known to have started
	over  bool // it was killed, or its main process has ended
}

// The stages of a child's start. The spawner takes it from queued to starting, the loop from queued to cancelled.
const (
	queued int32 = iota
	starting
	cancelled
)

// part is what a child plays, and how its life is told to the machine. All its methods run on the loop; a nil event is
// not told.
type part interface {
	started(pid int) supervisor.Event
	failed(err error) supervisor.Event
	exited(exit supervisor.Exit, left int) supervisor.Event
	gone() supervisor.Event
}

// errCancelled is the failure of a child that was taken back before it was forked.
var errCancelled = errors.New("cancelled")

// lastTag is that of the last child of this program. It belongs to the program and not to a Host, as what the kernel keeps
// of it does.
var lastTag atomic.Uint64

// start queues the child for the spawner. An exec that hangs holds back the spawns behind it, and never the loop.
func (h *Host) start(c *child) {
	c.tag = lastTag.Add(1)
	h.children[c.tag] = c
	h.spawner.Do(func() { h.spawn(c) })
}

// spawn starts the child on the spawner's thread.
func (h *Host) spawn(c *child) {
	if !c.stage.CompareAndSwap(queued, starting) {
		return
	}
	c.env = c.command.Env
	err := c.prepare(c)
	if err == nil {
		err = h.reaper.Start(process.Spec{
			Run: c.tag, Name: c.name, Argv: c.command.Argv, Dir: c.command.Dir, Env: c.env, Files: c.files, Hook: c.hook,
			Life: c.life(), OwnPID: c.ownPID, Around: c.command.Around, DeathSignal: c.command.DeathSignal,
			Limits: c.command.Group,
		})
	}
	for _, f := range c.ours {
		f.Close()
	}
	c.files, c.ours, c.env = nil, nil, nil
	if err != nil {
		h.box.Call(func(supervisor.Instant, *supervisor.Machine) supervisor.Event {
			defer h.sweepOn()
			return h.failed(c, err)
		})
	}
}

// life is the machine's number for the child; 0: it has none.
func (c *child) life() uint64 {
	switch p := c.part.(type) {
	case *life:
		return uint64(p.run)
	case *hook:
		return uint64(p.run)
	}
	return 0
}

// cancel takes a child back if it was not begun yet, and says whether it was.
func (h *Host) cancel(c *child) bool {
	if !c.stage.CompareAndSwap(queued, cancelled) {
		return false
	}
	if ev := h.failed(c, errCancelled); ev != nil {
		h.box.Put(ev)
	}
	return true
}

// kill ends a child and its whole tree, however far its start has come.
func (h *Host) kill(c *child) {
	c.over = true
	switch {
	case h.cancel(c):
	case c.pid == 0:
		c.dying = true
	default:
		h.reaper.Kill(c.tag)
	}
}

// failed forgets a child that never was.
func (h *Host) failed(c *child, err error) supervisor.Event {
	h.release(c)
	return c.part.failed(err)
}

// release lets go of a child whose tree is gone.
func (h *Host) release(c *child) {
	delete(h.children, c.tag)
	h.outputs.finish(c.pipes)
	if c.notify != nil {
		c.notify.Close()
	}
	if c.ready != nil {
		c.ready.Close()
	}
	c.pipes, c.notify, c.ready = nil, nil, nil
}

// notify takes the reaper's events to the loop.
func (h *Host) notify(ev process.Event) {
	h.box.Call(func(supervisor.Instant, *supervisor.Machine) supervisor.Event { return h.heard(ev) })
}

// heard translates a kernel event for the machine.
func (h *Host) heard(ev process.Event) supervisor.Event {
	switch ev := ev.(type) {
	case process.Started:
		if c := h.children[ev.Run]; c != nil {
			c.pid = ev.PID
			if c.dying {
				h.reaper.Kill(c.tag)
			}
			h.sweepOn()
			return c.part.started(ev.PID)
		}
	case process.Exited:
		if c := h.children[ev.Run]; c != nil {
			c.over = true
			exit := exitOf(ev.Status)
			exit.OOM = c.oom(ev.OOM)
			return c.part.exited(exit, ev.Left)
		}
	case process.Empty:
		if c := h.children[ev.Run]; c != nil {
			h.release(c)
			return c.part.gone()
		}
	case process.Unlimited:
		h.unlimited(ev)
	case process.OutOfMemory:
		h.outOfMemory(ev)
	case process.Swept:
		return supervisor.Swept{Left: h.describe(ev.Left)}
	}
	return nil
}
