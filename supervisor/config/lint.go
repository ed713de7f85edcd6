package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"lastout/ordering"
	"lastout/process/signame"
	"lastout/supervisor"
)

// lint warns of what is allowed and will surprise. It sees a configuration without a fault.
func (l *loader) lint(c *Config, found []*process) {
	for id, p := range found {
		l.lintStore(c.Graph, ordering.ID(id), p)
		l.lintGateway(c.Graph, ordering.ID(id), p)
		l.lintStopSignal(p)
		l.lintShell(p)
		l.lintStopTime(c, p)
		l.lintDrain(c, p)
		l.lintPitfalls(p)
		l.lintOwnTime(p)
		l.lintDialect(p)
		l.lintAccount(p)
	}
	l.lintSockets(c, found)
	l.lintDropped(c.Graph, found)
	l.lintPath(c, found)
	l.lintProfiles(found)
}

// keepers are programs that keep others' data.
var keepers = []string{
	"postgres", "postmaster", "pg_ctl", "mysqld", "mysqld_safe", "mariadbd", "mariadbd-safe", "mongod", "redis-server",
	"valkey-server", "keydb-server", "memcached", "rabbitmq-server", "nats-server", "etcd", "consul", "clickhouse-server",
	"influxd", "minio", "elasticsearch", "opensearch", "cassandra", "zookeeper",
}

// lintStore warns of a store that leaves like a worker: before the gateway, and with the other workers.
func (l *loader) lintStore(g *ordering.Graph, id ordering.ID, p *process) {
	store := p.program()
	if p.role != ordering.Worker || !slices.Contains(keepers, store) {
		return
	}
	for _, above := range g.NeededBy(id) {
		if g.Node(above).Role == ordering.Gateway {
			l.warn(p.t.place("role"), "%s%s is a store, and as a worker it leaves before the gateway %q that depends on it "+
				`(did you mean role = "service"?)`, p.who, store, g.Node(above).Name)
			return
		}
	}
	l.warn(p.t.place("role"), `%s%s is a store in the role of a worker (did you mean role = "service"?)`, p.who, store)
}

// lintGateway warns of a gateway that stands before nobody.
func (l *loader) lintGateway(g *ordering.Graph, id ordering.ID, p *process) {
	if p.role == ordering.Gateway && len(g.Fronted(id)) == 0 && !p.t.has("fronts") {
		l.warn(p.t.place("role"), "%sa gateway with no worker behind it: none is known to leave first "+
			"(let it depend on its workers, or name them: fronts = [...])", p.who)
	}
}

// lintStopSignal warns of a first stop signal by which a program understands something else than "finish and leave".
func (l *loader) lintStopSignal(p *process) {
	preset := p.known()
	if preset == nil || len(p.spec.Stop) == 0 || p.spec.Stop[0].Command {
		return
	}
	sent := signame.Of(p.spec.Stop[0].Signal)
	if !slices.Contains(preset.abrupt, strings.TrimPrefix(sent, "SIG")) {
		return
	}
	at, name := p.t.table("stop").place("signal"), preset.Name
	if !p.t.has("stop") {
		at = p.t.at
	}
	if called := preset.called(p.program()); called != "" {
		name = called
	}
	l.warn(at, "%son %s %s %s (did you mean stop = { signal = %q }?)", p.who, sent, name, preset.does, preset.graceful())
}

var (
	execs    = regexp.MustCompile(`(^|[;&|({\s])(exec|trap)\s`)
	compound = regexp.MustCompile("[;&|\n(){}`]")
	assigns  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
)

// program is the name of the program that a process runs, as far as it can be told.
func (p *process) program() string {
	words := strings.Fields(p.t.str("shell", ""))
	if command := p.t.words("command"); len(command) > 0 {
		words = command
	}
	for _, word := range words {
		if word != "exec" && !assigns.MatchString(word) {
			return filepath.Base(word)
		}
	}
	return ""
}

// lintShell warns of a shell that stays: it is the main process then, and what it runs does not hear the stop signal.
// A task is waited for anyhow.
func (l *loader) lintShell(p *process) {
	line := p.t.str("shell", "")
	if line == "" || p.role == ordering.Task || execs.MatchString(line) {
		return
	}
	hint := "let its last command begin with exec"
	if !compound.MatchString(line) {
		hint = fmt.Sprintf("did you mean shell = %q?", "exec "+line)
	}
	l.warn(p.t.place("shell"), "%sshell: the shell may stay as the main process, and the stop signal and the exit code "+
		"are its own then (%s)", p.who, hint)
}

// lintStopTime warns of stop steps that the whole shutdown has no room for. What a preset grants is no wish of the
// user's: it is what the program takes at most, and gets if there is so much.
func (l *loader) lintStopTime(c *Config, p *process) {
	total := stepTime(p.spec.Stop)
	if c.Options.Timeout == 0 || total <= c.Options.Timeout || p.presetTime() {
		return
	}
	l.warn(p.t.table("stop").place("timeout"), "%sstop: it may take %v, and the whole shutdown %v: it will be cut short "+
		"(make shutdown.timeout longer)", p.who, total, c.Options.Timeout)
}

// presetTime says whether it is the preset alone that says how long the stop steps may take.
func (p *process) presetTime() bool {
	stop := p.written.table("stop")
	return p.preset != nil && !stop.has("timeout") && !stop.has("then")
}

func stepTime(steps []supervisor.StopStep) (total time.Duration) {
	for _, s := range steps {
		total += s.Timeout
	}
	return total
}

// lintDropped tells of waits that the order would have and cannot, for they would wait for themselves.
func (l *loader) lintDropped(g *ordering.Graph, found []*process) {
	for _, d := range g.Dropped() {
		p := found[d.Step.ID]
		done := map[ordering.StepKind]string{ordering.Drain: "is drained", ordering.Leave: "has left"}[d.For.Kind]
		begin := map[ordering.StepKind]string{ordering.Drain: "drains", ordering.Leave: "leaves"}[d.Step.Kind]
		l.warn(p.t.at, "%sit %s without waiting until %q %s: they would wait for each other", p.who, begin,
			g.Node(d.For.ID).Name, done)
	}
}

// usualSpecs are the processes as they usually leave: a gateway that was drained has nothing in hand when its workers
// are gone, and goes at once; and of the time that a preset grants, no more is taken than others have by default.
func usualSpecs(found []*process) []supervisor.Spec {
	specs := make([]supervisor.Spec, len(found))
	for i, p := range found {
		specs[i] = p.spec
		if p.role == ordering.Gateway && !p.t.has("drain") { // nobody chose its bound, and hardly one ever needs it
			specs[i].Drain = supervisor.Drain{}
		} else if p.role == ordering.Gateway && p.spec.Drain.Wanted() {
			specs[i].Stop, specs[i].Drain.Settle = nil, 0
		} else if p.presetTime() {
			specs[i].Stop = []supervisor.StopStep{{Signal: p.spec.Stop[0].Signal, Timeout: min(p.spec.Stop[0].Timeout, defaultStop)}}
		}
	}
	return specs
}

// lintPath warns where those who leave after one another may take longer than the whole has. SIGKILL's own bound is not
// counted, for it hardly ever takes time.
func (l *loader) lintPath(c *Config, found []*process) {
	usual := c.Options
	usual.Timeout, usual.KillTimeout = 0, 0
	path := supervisor.MakePlan(c.Graph, usualSpecs(found), usual).Path
	if len(path) < 2 || c.Options.Timeout == 0 {
		return
	}
	total := path[len(path)-1].Begin + path[len(path)-1].Took
	if total <= c.Options.Timeout {
		return
	}
	var names []string
	for _, step := range path {
		name := step.Process
		if step.Step == ordering.Drain.String() {
			name = "the drain of " + name
		}
		names = append(names, name)
	}
	if n := len(names); n > 6 {
		names = append(names[:3], fmt.Sprintf("%d more", n-4), names[n-1])
	}
	at := l.main.table("shutdown").place("timeout")
	l.warn(at, "shutdown.timeout: %s may take %v one after another, and there are %v: who is slow leaves others less, "+
		"down to their reserve of %v", strings.Join(names, ", "), total, c.Options.Timeout,
		c.Options.Reserve)
}

// lintProfiles warns of an active profile that no process has: a slip at the command line starts less than was meant.
func (l *loader) lintProfiles(found []*process) {
	for _, profile := range l.options.Profiles {
		var known []string
		for _, p := range found {
			known = append(known, p.t.words("profiles")...)
		}
		if !slices.Contains(known, profile) {
			l.warn(&place{file: l.main.at.file}, "no process has the profile %q%s", profile, nearWord(profile, known))
		}
	}
}
