package config

import (
	"slices"
	"strings"
	"syscall"

	"lastout/supervisor"
)

// The functions below say when a pitfall applies to a process, as far as it can be seen from its configuration.

func always(*process) bool { return true }

func all(conditions ...func(p *process) bool) func(p *process) bool {
	return func(p *process) bool {
		return !slices.ContainsFunc(conditions, func(met func(p *process) bool) bool { return !met(p) })
	}
}

func not(condition func(p *process) bool) func(p *process) bool {
	return func(p *process) bool { return !condition(p) }
}

// given says whether one of these arguments is there, alone or with a value behind "=".
func given(names ...string) func(p *process) bool {
	return func(p *process) bool {
		return slices.ContainsFunc(p.argv(), func(arg string) bool {
			name, _, _ := strings.Cut(arg, "=")
			return slices.Contains(names, name)
		})
	}
}

// lacks says whether a text is nowhere in the command line.
func lacks(text string) func(p *process) bool {
	return func(p *process) bool { return !strings.Contains(strings.Join(p.argv(), " "), text) }
}

// runs says whether the program is one of these.
func runs(programs ...string) func(p *process) bool {
	return func(p *process) bool { return slices.Contains(programs, p.program()) }
}

// stoppedBy says whether the first stop step is this signal.
func stoppedBy(sig syscall.Signal) func(p *process) bool {
	return func(p *process) bool { return len(p.spec.Stop) > 0 && p.spec.Stop[0].Signal == sig }
}

func drainedUntil(until supervisor.Until) func(p *process) bool {
	return func(p *process) bool { return p.spec.Drain.Until == until }
}

func invitedBy(sig syscall.Signal) func(p *process) bool {
	return func(p *process) bool { return p.spec.Drain.Invite.Signal == sig }
}
