package config

import (
	"syscall"

	"lastout/process/signame"
	"lastout/supervisor"
)

// noSignal is the pdeathsig of who lives on when lastout dies.
const noSignal = "none"

// orphaned is the signal for the hooks and commands of a lastout that has died: they are over then. Under a guardian
// there is none, for it takes the tree down in order.
func (l *loader) orphaned() syscall.Signal {
	if l.guarded {
		return 0
	}
	return syscall.SIGTERM
}

// deathSignal is the signal for the main process when lastout dies: that by which it is asked to leave, unless something
// else is written. What is written holds for the hooks and commands of the process too.
func (b *builder) deathSignal(p *process) (main syscall.Signal) {
	b.death = b.l.orphaned()
	main = b.death
	if step := firstStep(p.spec.Stop); step.Signal != 0 && !b.l.guarded {
		main = step.Signal
	}
	if !p.t.has("pdeathsig") || p.t.bad("pdeathsig") {
		return main
	}
	written, ok := b.writtenSignal(p.t)
	switch {
	case !ok:
		return 0
	case !b.l.guarded:
		b.death = written
		return written
	case written != 0:
		b.l.warn(p.t.place("pdeathsig"), "%spdeathsig: no use of %s is made under a guardian, which takes the tree down in order",
			p.who, signame.Of(written))
	}
	return 0
}

func (b *builder) writtenSignal(t *table) (sig syscall.Signal, ok bool) {
	text := t.str("pdeathsig", noSignal)
	if text == noSignal {
		return 0, true
	}
	sig, err := parseSignal(text)
	if err != nil {
		b.fault(t.place("pdeathsig"), `pdeathsig: %v ("none" lets it live on)`, err)
		return 0, false
	}
	return sig, true
}

func firstStep(steps []supervisor.StopStep) (first supervisor.StopStep) {
	if len(steps) > 0 {
		return steps[0]
	}
	return supervisor.StopStep{Signal: syscall.SIGKILL} // it is killed at once anyhow
}
