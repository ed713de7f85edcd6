package config

import (
	"syscall"
	"time"

	"lastout/supervisor"
)

const defaultStop = 10 * time.Second

// stopSteps are the ways of asking a run to leave, one after another; none where it shall be killed at once.
func (l *loader) stopSteps(p *process) []supervisor.StopStep {
	t := p.t.table("stop")
	steps := []supervisor.StopStep{stopStep(t)}
	for _, then := range t.tables("then") {
		if !then.has("signal") && !then.has("command") {
			l.fault(then.at, p.who+"stop.then: signal or command is missing (such as { signal = \"QUIT\", timeout = \"5s\" })")
		}
		steps = append(steps, stopStep(then))
	}
	if steps[0].Timeout > 0 {
		return steps
	}
	if p.written.table("stop").has("then") {
		l.fault(t.place("then"), p.who+`stop.then: timeout = "0s" kills at once, and nothing comes after that`)
	}
	return nil
}

func stopStep(t *table) supervisor.StopStep {
	s := supervisor.StopStep{Timeout: t.duration("timeout", defaultStop), Command: t.has("command")}
	if !s.Command {
		s.Signal = t.signal("signal", syscall.SIGTERM)
	}
	return s
}

// stopCommands are the commands of the stop steps, where they have one.
func (b *builder) stopCommands(p *process) []Command {
	t := p.t.table("stop")
	if t.duration("timeout", defaultStop) == 0 {
		return nil
	}
	commands := []Command{b.stopCommand(t, "stop.command")}
	for _, then := range t.tables("then") {
		commands = append(commands, b.stopCommand(then, "stop.then.command"))
	}
	return commands
}

func (b *builder) stopCommand(t *table, name string) Command {
	if !t.has("command") {
		return Command{}
	}
	return b.either(t, "command", name)
}
