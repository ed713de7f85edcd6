package config

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// The defaults of readiness.
const (
	defaultReady    = 60 * time.Second
	defaultInterval = 100 * time.Millisecond
)

// probeKeys are the ways to probe; delay is the machine's own.
var probeKeys = []string{"tcp", "http", "exec", "notify", "fd", "log"}

// readiness says when the machine shall take a run for ready.
func (l *loader) readiness(p *process) supervisor.Readiness {
	if p.role == ordering.Task {
		if p.own.has("ready") {
			l.fault(p.own.place("ready"), p.who+"ready: a task is ready when it has exited with 0 (leave it out)")
		}
		return supervisor.Readiness{Kind: supervisor.ReadyExit}
	}
	t := p.t.table("ready")
	r := supervisor.Readiness{
		Timeout:  t.duration("timeout", defaultReady),
		Continue: t.str("on_timeout", "fail") == "continue",
	}
	switch {
	case t.has("delay"):
		r.Kind, r.Delay = supervisor.ReadyDelay, t.duration("delay", 0)
	case probes(t):
		r.Kind = supervisor.ReadyProbe
	case p.own.has("ready") && !p.own.bad("ready"):
		l.fault(t.at, p.who+"ready: one of tcp, http, exec, notify, fd, log or delay is missing "+
			`(such as ready = { tcp = "127.0.0.1:{port}" })`)
	}
	if t.has("notify") && !t.bad("notify") && !t.flag("notify", false) {
		l.fault(t.place("notify"), p.who+"ready.notify: false says nothing (leave it out, or did you mean true?)")
	}
	return r
}

// probes says whether a table of readiness has a way that the engine must probe.
func probes(t *table) bool {
	for _, key := range probeKeys {
		if t.has(key) {
			return true
		}
	}
	return false
}

// probe makes the probe of one instance.
func (b *builder) probe(p *process) Probe {
	t := p.t.table("ready")
	if p.role == ordering.Task || !probes(t) || slices.ContainsFunc(probeKeys, t.bad) {
		return Probe{}
	}
	probe := Probe{Interval: t.duration("interval", defaultInterval)}
	switch {
	case t.has("tcp"):
		probe.TCP = b.address(t.place("tcp"), "ready.tcp", t.str("tcp", ""))
	case t.has("http"):
		probe.HTTP = b.url(t.place("http"), "ready.http", t.str("http", ""))
	case t.has("exec"):
		command := b.either(t, "exec", "ready.exec")
		probe.Exec = &command
	case t.has("notify"):
		probe.Notify = true
	case t.has("fd"):
		probe.FD = t.integer("fd", 0)
	case t.has("log"):
		probe.Log = b.pattern(p, t)
	}
	return probe
}

// address checks host:port.
func (b *builder) address(at *place, key, written string) string {
	s, ok := b.expand(at, key, written)
	if !ok {
		return ""
	}
	_, port, err := net.SplitHostPort(s)
	n, bad := strconv.Atoi(port)
	switch {
	case err != nil && bareNumber.MatchString(s):
		b.fault(at, "%s: %q is no host:port (did you mean %q?)", key, s, "127.0.0.1:"+s)
	case err != nil || strings.ContainsAny(s, "/ "):
		b.fault(at, "%s: %q is no host:port (such as \"127.0.0.1:8080\")", key, s)
	case bad != nil || n < 1 || n > 65535:
		b.fault(at, "%s: %q: the port is not between 1 and 65535", key, s)
	}
	return s
}

// url checks the address of an HTTP probe.
func (b *builder) url(at *place, key, written string) string {
	s, ok := b.expand(at, key, written)
	if !ok {
		return ""
	}
	u, err := url.Parse(s)
	switch {
	case !strings.Contains(s, "://"):
		b.fault(at, "%s: %q does not begin with http:// or https:// (did you mean %q?)", key, s, "http://"+s)
	case err != nil:
		b.fault(at, "%s: %q is no URL (such as \"http://127.0.0.1:8080/\")", key, s)
	case u.Scheme != "http" && u.Scheme != "https":
		b.fault(at, "%s: %q does not begin with http:// or https://", key, s)
	case u.Host == "":
		b.fault(at, "%s: %q names no host (such as \"http://127.0.0.1:8080/\")", key, s)
	}
	return s
}

// pattern compiles a regular expression for lines of the output, which must come by lastout for that.
func (b *builder) pattern(p *process, t *table) *regexp.Regexp {
	at := t.place("log")
	re, err := regexp.Compile(t.str("log", ""))
	if err != nil {
		b.fault(at, "ready.log: it is no regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	log := p.t.table("log")
	if !piped(log.str("stdout", "prefix")) && !piped(log.str("stderr", "prefix")) {
		b.fault(at, "ready.log: lastout sees nothing of the output (let log.stdout or log.stderr be \"prefix\" or \"file\")")
	}
	return re
}
