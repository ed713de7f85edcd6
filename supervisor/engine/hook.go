package engine

import (
	"fmt"

	"lastout/ordering"
	"lastout/process/signame"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// hook is the part of a hook or stop command. It is over when its main process has exited; what it leaves running stays
// until the sweep at the end, for a hook may well start something.
type hook struct {
	host *Host
	run  supervisor.Run
}

func (k *hook) started(int) supervisor.Event { return nil }

func (k *hook) failed(err error) supervisor.Event {
	delete(k.host.runs, k.run)
	return supervisor.HookEnded{Run: k.run, Failed: err.Error()}
}

func (k *hook) exited(exit supervisor.Exit, _ int) supervisor.Event {
	return supervisor.HookEnded{Run: k.run, Failed: failure(exit)}
}

func (k *hook) gone() supervisor.Event {
	delete(k.host.runs, k.run)
	return nil
}

// failure says how a hook went wrong; empty if it did not.
func failure(e supervisor.Exit) string {
	switch {
	case e.OK():
		return ""
	case e.OOM != "":
		return e.String()
	case e.Signal != 0:
		return "killed by " + signame.Of(e.Signal)
	default:
		return fmt.Sprintf("exit code %d", e.Code)
	}
}

// runHook starts a hook, of an instance or of the whole tree.
func (h *Host) runHook(a supervisor.RunHook) {
	name, command, id := string(a.Kind), (*config.Command)(nil), nobody
	switch a.Kind {
	case supervisor.BeforeShutdown:
		command = h.config.Before
	case supervisor.AfterShutdown:
		command = h.config.After
	case supervisor.PreStart, supervisor.PostStart, supervisor.PreDrain, supervisor.PreStop, supervisor.PostStop:
		inst := h.settingsOf(a.For, a.Inst).inst
		configured := inst.Hooks[a.Kind]
		name, command, id = inst.Name+" "+name, &configured, a.Inst.Proc
	}
	h.startHook(a, a.Hook, id, name, *command, hookEnv(string(a.Kind), a.Told))
}

// stopCommand starts the command of a stop step.
func (h *Host) stopCommand(a supervisor.StopCommand) {
	h.told(a.Run)
	inst := h.settingsOf(a.Run, a.Inst).inst
	var told supervisor.Facts
	if c := h.runs[a.Run]; c != nil {
		told.PID = c.pid
	}
	h.startHook(a, a.Hook, a.Inst.Proc, inst.Name+" stop", inst.Stop[a.Step-1], hookEnv("stop", told))
}

func (h *Host) startHook(order supervisor.Action, run supervisor.Run, id ordering.ID, name string, command config.Command, told []string) {
	c := &child{name: name, command: command, hook: true, part: &hook{host: h, run: run}, order: order}
	c.prepare = func(c *child) error {
		c.env = withEnv(c.env, told...)
		return h.outputs.openHook(c, id)
	}
	h.runs[run] = c
	h.start(c)
}
