package config

import (
	"slices"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// The defaults of health.
const (
	defaultHealthInterval = 10 * time.Second
	defaultHealthTimeout  = 2 * time.Second
	defaultHealthFailures = 3
	defaultHealthGrace    = 30 * time.Second
)

// healthWays are the ways to know whether a run is well.
var healthWays = []string{"http", "tcp", "exec", "watchdog"}

func looked(t *table) bool { return slices.ContainsFunc(healthWays, t.has) }

// health says when a run is taken for ill.
func (l *loader) health(p *process) supervisor.Health {
	t := p.t.table("health")
	if !p.t.has("health") || p.t.bad("health") {
		return supervisor.Health{}
	}
	if p.role == ordering.Task {
		if p.own.has("health") {
			l.fault(p.own.place("health"), p.who+"health: a task is well as long as it runs (leave it out)")
		}
		return supervisor.Health{}
	}
	if !looked(t) {
		if p.own.has("health") {
			l.fault(t.at, p.who+`health: one of http, tcp, exec or watchdog is missing (such as health = { http = "http://127.0.0.1:{port}/" })`)
		}
		return supervisor.Health{}
	}
	if t.has("watchdog") {
		for _, key := range []string{"interval", "timeout", "failures"} {
			if own := p.own.table("health"); own.has(key) {
				l.fault(own.place(key), p.who+"health."+key+": a watchdog has none: it waits for the program's own word (leave it out)")
			}
		}
	}
	return supervisor.Health{Failures: t.integer("failures", defaultHealthFailures)}
}

// health makes what the engine looks at.
func (b *builder) health(p *process) Health {
	t := p.t.table("health")
	if p.role == ordering.Task || !looked(t) || slices.ContainsFunc(healthWays, t.bad) {
		return Health{}
	}
	h := Health{
		Watchdog: t.duration("watchdog", 0),
		Interval: t.duration("interval", defaultHealthInterval),
		Timeout:  t.duration("timeout", defaultHealthTimeout),
		Grace:    t.duration("grace", defaultHealthGrace),
	}
	switch {
	case t.has("tcp"):
		h.TCP = b.address(t.place("tcp"), "health.tcp", t.str("tcp", ""))
	case t.has("http"):
		h.HTTP = b.url(t.place("http"), "health.http", t.str("http", ""))
	case t.has("exec"):
		command := b.either(t, "exec", "health.exec")
		h.Exec = &command
	}
	return h
}
