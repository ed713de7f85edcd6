package config

import (
	"fmt"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// The defaults of drains.
const (
	defaultDrain   = 10 * time.Second
	defaultQuiet   = 500 * time.Millisecond
	defaultSettle  = time.Second
	defaultQuiesce = "auto"
	noQuiesce      = "none"
)

var untils = map[string]supervisor.Until{
	"exit": supervisor.UntilExit, "quiet": supervisor.UntilQuiet, "connections": supervisor.UntilConnections,
	"probe": supervisor.UntilProbe,
}

// drain says how a process finishes what it has in hand before it is told to stop. Who has no drain table, of its own
// or of its preset, is not drained, but for gateways: one that listens is.
func (l *loader) drain(p *process) supervisor.Drain {
	if p.t.bad("drain") || p.t.bad("role") || !p.t.has("drain") && p.role != ordering.Gateway {
		return supervisor.Drain{}
	}
	if p.role == ordering.Task {
		l.fault(p.t.place("drain"), p.who+"drain: a task takes no work that it could be drained of "+
			"(leave it out, or did you mean hooks.pre_stop?)")
		return supervisor.Drain{}
	}
	t := p.t.table("drain")
	d := supervisor.Drain{Invite: invite(t), Timeout: t.duration("timeout", defaultDrain)}
	d.Until = supervisor.UntilQuiet
	if d.Invite != (supervisor.Invite{}) {
		d.Until = supervisor.UntilExit
	}
	if until, ok := untils[t.str("until", "")]; ok {
		d.Until = until
	}
	if p.role == ordering.Gateway {
		d.Quiesce = t.str("quiesce", defaultQuiesce) != noQuiesce
		d.Settle = t.duration("settle", defaultSettle)
		d.Listens = !p.t.has("drain") && !p.t.table("hooks").has(string(supervisor.PreDrain))
	}
	l.drainFaults(p, t, d)
	return d
}

func invite(t *table) supervisor.Invite {
	if t.has("command") {
		return supervisor.Invite{Command: t.table("command").duration("timeout", defaultHook)}
	}
	return supervisor.Invite{Signal: t.signal("signal", 0)}
}

// drainFaults finds what does not go together in a drain table.
func (l *loader) drainFaults(p *process, t *table, d supervisor.Drain) {
	switch asked := d.Until == supervisor.UntilProbe; {
	case asked && !t.has("probe"):
		l.fault(t.place("until"), p.who+`drain.until: "probe" needs drain.probe `+
			`(such as drain.probe = { command = ["./is-idle"] })`)
	case !asked && t.has("probe") && !t.bad("until"):
		l.fault(t.place("probe"), p.who+`drain.probe: nobody asks it (did you mean until = "probe"?)`)
	}
	if t.has("ports") && !t.bad("ports") && len(t.integers("ports")) == 0 {
		l.fault(t.place("ports"), p.who+"drain.ports: it is empty (leave it out: the ports are found in its tree)")
	}
	if p.role == ordering.Gateway {
		return
	}
	if t.str("quiesce", noQuiesce) != noQuiesce {
		l.fault(t.place("quiesce"), p.who+fmt.Sprintf("drain.quiesce: new connections are kept from gateways only: "+
			`nothing of a %v may be turned away while its gateway still sends (leave it out, or did you mean `+
			`role = "gateway"?)`, p.role))
	}
	if t.duration("settle", 0) > 0 {
		l.fault(t.place("settle"), p.who+fmt.Sprintf("drain.settle: only a gateway settles, when its workers are gone "+
			`(leave it out of a %v, or did you mean drain.timeout?)`, p.role))
	}
}

// drain makes what the engine must know of an instance's drain. Connections that never carried a byte are a browser's
// spare ones before a gateway; before others they are the gateway's own, and are left to it.
func (b *builder) drain(p *process) Drain {
	if !p.spec.Drain.Wanted() {
		return Drain{}
	}
	t := p.t.table("drain")
	gateway := p.role == ordering.Gateway
	preconnects, quiesce := "keep", noQuiesce
	if gateway {
		preconnects, quiesce = "close", defaultQuiesce
	}
	d := Drain{
		Quiet:           t.duration("quiet", defaultQuiet),
		Quiesce:         t.str("quiesce", quiesce),
		KeepPreconnects: t.str("preconnects", preconnects) == "keep",
		Ports:           t.integers("ports"),
	}
	if t.has("command") {
		command := b.program(t.table("command"), "drain.command")
		d.Command = &command
	}
	if t.has("probe") {
		command := b.program(t.table("probe"), "drain.probe")
		d.Probe, d.ProbeTimeout = &command, t.table("probe").duration("timeout", defaultHook)
	}
	return d
}

// lintDrain warns of a drain that will wait for its timeout.
func (l *loader) lintDrain(c *Config, p *process) {
	d := p.spec.Drain
	if !d.Wanted() {
		return
	}
	t := p.t.table("drain")
	if d.Until == supervisor.UntilExit && d.Invite == (supervisor.Invite{}) && p.spec.Hooks[supervisor.PreDrain] == 0 {
		l.warn(t.place("until"), `%sdrain.until: nobody asks it to leave, so that it will hardly "exit" (give it `+
			`drain.signal, or did you mean "quiet"?)`, p.who)
	}
	quiet := t.duration("quiet", defaultQuiet)
	if quiet >= d.Timeout && (d.Until == supervisor.UntilQuiet || d.Until == supervisor.UntilExit) {
		l.warn(t.place("quiet"), "%sdrain.quiet: %v is never over before the drain.timeout of %v is (make it shorter)", p.who,
			quiet, d.Timeout)
	}
	if c.Options.Timeout > 0 && d.Timeout > c.Options.Timeout {
		l.warn(t.place("timeout"), "%sdrain: it may take %v, and the whole shutdown %v: it will be cut short "+
			"(make shutdown.timeout longer)", p.who, d.Timeout, c.Options.Timeout)
	}
}
