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
	}
	l.lintDropped(c.Graph, found)
	l.lintPath(c, found)
	l.lintProfiles(found)
}

// stores are programs that keep others' data.
var stores = []string{
	"postgres", "postmaster", "pg_ctl", "mysqld", "mysqld_safe", "mariadbd", "mariadbd-safe", "mongod", "redis-server",
	"valkey-server", "keydb-server", "memcached", "rabbitmq-server", "nats-server", "etcd", "consul", "clickhouse-server",
	"influxd", "minio", "elasticsearch", "opensearch", "cassandra", "zookeeper",
}

// lintStore warns of a store that leaves like a worker: before the gateway, and with the other workers.
func (l *loader) lintStore(g *ordering.Graph, id ordering.ID, p *process) {
	store := p.program()
	if p.role != ordering.Worker || !slices.Contains(stores, store) {
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

// graceful says which signal makes a well-known program finish what it does, and what the others do to it instead.
var graceful = map[string]struct {
	signal string
	others []string
	do     string
}{
	"nginx":         {"QUIT", []string{"TERM", "INT"}, "drops the requests in hand"},
	"openresty":     {"QUIT", []string{"TERM", "INT"}, "drops the requests in hand"},
	"haproxy":       {"USR1", []string{"TERM", "INT"}, "drops the connections in hand"},
	"apache2":       {"WINCH", []string{"TERM"}, "drops the requests in hand"},
	"httpd":         {"WINCH", []string{"TERM"}, "drops the requests in hand"},
	"php-fpm":       {"QUIT", []string{"TERM", "INT"}, "drops the requests in hand"},
	"unicorn":       {"QUIT", []string{"TERM", "INT"}, "drops the requests in hand"},
	"unicorn_rails": {"QUIT", []string{"TERM", "INT"}, "drops the requests in hand"},
	"gunicorn":      {"TERM", []string{"INT", "QUIT"}, "drops the requests in hand"},
	"postgres":      {"INT", []string{"TERM"}, "waits for every client to hang up, pooled ones too"},
	"postmaster":    {"INT", []string{"TERM"}, "waits for every client to hang up, pooled ones too"},
}

var phpFPM = regexp.MustCompile(`^php-fpm[0-9.]+$`)

// lintStopSignal warns of a first stop signal by which a program understands something else than "finish and leave".
func (l *loader) lintStopSignal(p *process) {
	if len(p.spec.Stop) == 0 || p.spec.Stop[0].Command {
		return
	}
	sent := signame.Of(p.spec.Stop[0].Signal)
	at, name := p.t.table("stop").place("signal"), p.program()
	if !p.t.has("stop") {
		at = p.t.at
	}
	if phpFPM.MatchString(name) {
		name = "php-fpm"
	}
	if way := graceful[name]; slices.Contains(way.others, strings.TrimPrefix(sent, "SIG")) {
		l.warn(at, "%son %s %s %s (did you mean stop = { signal = %q }?)", p.who, sent, name, way.do, way.signal)
	}
	args := strings.Join(append(p.t.words("command"), p.t.str("shell", "")), " ")
	if name == "uwsgi" && sent == "SIGTERM" && !strings.Contains(args, "die-on-term") &&
		!strings.Contains(args, "unix_signal:15") {
		l.warn(at, "%son SIGTERM uwsgi reloads and never leaves, unless it is told --die-on-term, or --hook-master-start "+
			"\"unix_signal:15 gracefully_kill_them_all\"", p.who)
	}
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

// lintStopTime warns of stop steps that the whole shutdown has no room for.
func (l *loader) lintStopTime(c *Config, p *process) {
	total := stepTime(p.spec.Stop)
	if c.Options.Timeout == 0 || total <= c.Options.Timeout {
		return
	}
	l.warn(p.t.table("stop").place("timeout"), "%sstop: it may take %v, and the whole shutdown %v: it will be cut short "+
		"(make shutdown.timeout longer)", p.who, total, c.Options.Timeout)
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
// are gone, and goes at once.
func usualSpecs(found []*process) []supervisor.Spec {
	specs := make([]supervisor.Spec, len(found))
	for i, p := range found {
		specs[i] = p.spec
		if p.role == ordering.Gateway && p.spec.Drain.Wanted() {
			specs[i].Stop, specs[i].Drain.Settle = nil, 0
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
