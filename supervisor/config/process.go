package config

import (
	"fmt"
	"slices"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// The defaults of restarts.
const (
	defaultBackoffMin   = 100 * time.Millisecond
	defaultBackoffMax   = 30 * time.Second
	defaultBackoffReset = 60 * time.Second
	defaultBackoffLimit = 10
)

// process is a process as it is configured, on its way to the model.
type process struct {
	name      string
	who       string // how messages begin that are about it
	own       *table // what is written in its own table
	written   *table // with [defaults] below it
	t         *table // with its preset between the two
	preset    *Preset
	role      ordering.Role
	enabled   bool
	instances int
	port      int // 0: none

	spec  supervisor.Spec
	built Process
}

// process reads what others must know of a process.
func (l *loader) process(name string, own *table) *process {
	p := &process{name: name, who: fmt.Sprintf("process %q: ", name), own: own}
	l.layers(p)
	p.role, _ = ordering.ParseRole(p.t.str("role", "worker"))
	p.enabled = p.t.flag("enabled", true) && l.active(p.t.words("profiles"))
	p.instances = p.t.integer("instances", 1)
	p.port = p.t.integer("port", 0)
	return p
}

// active says whether a process with these profiles is wanted.
func (l *loader) active(profiles []string) bool {
	return len(profiles) == 0 || slices.ContainsFunc(profiles, func(profile string) bool {
		return slices.Contains(l.options.Profiles, profile)
	})
}

func (p *process) node() ordering.Node {
	return ordering.Node{
		Name:      p.name,
		Role:      p.role,
		DependsOn: p.t.words("depends_on"),
		Fronts:    p.t.words("fronts"),
		Outlives:  p.t.words("outlives"),
		NoDrain:   p.spec.Hooks[supervisor.PreDrain] == 0 && !p.spec.Drain.Wanted(),
	}
}

// build makes the model of what was found.
func (l *loader) build(c *Config, found []*process) {
	for _, p := range found {
		l.specify(p)
		l.instantiate(p)
		c.Nodes = append(c.Nodes, p.node())
		c.Specs = append(c.Specs, p.spec)
		c.Processes = append(c.Processes, p.built)
	}
	c.found = found
	l.sharePorts(found)
	l.shareNoFile(found)
	l.shareSockets(c, found)
	l.order(c, found)
	if len(l.faults) == 0 {
		l.lint(c, found)
	}
}

// specify makes what the machine must know.
func (l *loader) specify(p *process) {
	onExit := map[string]supervisor.OnExit{
		"ignore": supervisor.Ignore, "shutdown": supervisor.Shutdown, "shutdown-on-failure": supervisor.ShutdownOnFailure,
	}
	p.spec = supervisor.Spec{
		Name:      p.name,
		Role:      p.role,
		Enabled:   p.enabled,
		Optional:  !p.t.flag("essential", true),
		Instances: p.instances,
		Restart:   l.restart(p),
		Backoff:   l.backoff(p),
		OnExit:    onExit[p.t.str("on_exit", "shutdown-on-failure")],
		Ready:     l.readiness(p),
		Stop:      l.stopSteps(p),
		Hooks:     l.hookBounds(p),
		Drain:     l.drain(p),
		Health:    l.health(p),
	}
	p.built = Process{Name: p.name, Log: l.log(p)}
	l.handed(p)
}

// restart says when a process is started again. A task that always runs again would never be done; where [defaults] say
// always, they do not mean tasks.
func (l *loader) restart(p *process) supervisor.Restart {
	task := p.role == ordering.Task
	switch p.t.str("restart", "") {
	case "always":
		if task && p.own.has("restart") {
			l.fault(p.t.place("restart"), p.who+`restart: a task that always runs again is never done `+
				`(did you mean "on-failure", or role = "worker"?)`)
		}
		if !task {
			return supervisor.RestartAlways
		}
	case "on-failure":
		return supervisor.RestartOnFailure
	case "":
		if !task {
			return supervisor.RestartOnFailure
		}
	}
	return supervisor.RestartNever
}

func (l *loader) backoff(p *process) supervisor.Backoff {
	t := p.t.table("backoff")
	b := supervisor.Backoff{
		Min:        t.duration("min", defaultBackoffMin),
		Max:        t.duration("max", defaultBackoffMax),
		ResetAfter: t.duration("reset_after", defaultBackoffReset),
		Limit:      t.integer("limit", defaultBackoffLimit),
	}
	if b.Min > b.Max {
		at := t.place("min")
		if !t.has("min") {
			at = t.place("max")
		}
		l.fault(at, p.who+fmt.Sprintf("backoff: min %v is longer than max %v", b.Min, b.Max))
	}
	return b
}

// hookKinds are the hooks of a process, in the order of its life.
var hookKinds = []supervisor.HookKind{
	supervisor.PreStart, supervisor.PostStart, supervisor.PreDrain, supervisor.PreStop, supervisor.PostStop,
}

// hooks are the hooks that the process has.
func (p *process) hooks() []supervisor.HookKind {
	t := p.t.table("hooks")
	return slices.DeleteFunc(slices.Clone(hookKinds), func(kind supervisor.HookKind) bool {
		return !t.has(string(kind)) || kind == supervisor.PreDrain && p.role == ordering.Task
	})
}

func (l *loader) hookBounds(p *process) map[supervisor.HookKind]time.Duration {
	drain := string(supervisor.PreDrain)
	if own := p.own.table("hooks"); own.has(drain) && p.role == ordering.Task && !p.t.bad("role") {
		l.fault(own.place(drain), p.who+"hooks.pre_drain: a task takes no work that it could be drained of "+
			"(did you mean hooks.pre_stop?)")
	}
	bounds := map[supervisor.HookKind]time.Duration{}
	for _, kind := range p.hooks() {
		bounds[kind] = p.t.table("hooks").table(string(kind)).duration("timeout", defaultHook)
	}
	return bounds
}

// instantiate makes the copies. One that is faulty stands for the others, and a process that is not enabled has none:
// its files and variables need not be there.
func (l *loader) instantiate(p *process) {
	if !p.enabled || p.instances == 0 {
		l.inspect(p)
		return
	}
	for n := 1; n <= p.instances; n++ {
		before := len(l.faults)
		p.built.Instances = append(p.built.Instances, l.instance(p, n))
		if len(l.faults) > before {
			break
		}
	}
	p.built.Log.File = p.built.Instances[0].LogFile
}

// inspect checks what can be said of a process without copies: every command is there, and every pattern is one.
func (l *loader) inspect(p *process) {
	b := &builder{l: l, who: p.who, scope: scope{name: p.name, instance: 1, port: p.port}}
	b.scope.lookup = func(name string) (string, bool) { return name, true }
	b.program(p.t, "")
	b.hooks(p)
	b.stopCommands(p)
	b.drain(p)
	b.circumstances(p.t, b.account(p.t))
	b.deathSignal(p)
	ready := p.t.table("ready")
	if ready.has("exec") {
		b.either(ready, "exec", "ready.exec")
	}
	if ready.has("log") && !ready.bad("log") {
		b.pattern(p, ready)
	}
}

// instance makes copy n.
func (l *loader) instance(p *process, n int) Instance {
	b := &builder{l: l, who: p.who, scope: scope{name: p.name, instance: n}}
	if p.port != 0 {
		b.scope.port = p.port + n - 1
	}
	b.scope.lookup = l.environ.lookup
	who := b.account(p.t)
	env := b.environ(p, who)
	b.env, b.around, b.group = env.list(), b.circumstances(p.t, who), groupLimits(p.t)
	main := b.deathSignal(p)
	b.dir = b.cwd(p.t)
	i := Instance{
		Name:    p.name,
		N:       n,
		Command: b.program(p.t, ""),
		Hooks:   b.hooks(p),
		Stop:    b.stopCommands(p),
		Probe:   b.probe(p),
		Drain:   b.drain(p),
		Health:  b.health(p),
		Stdin:   b.stdin(p.t),
		LogFile: b.logFile(p),
	}
	i.Command.DeathSignal = main
	if p.instances > 1 {
		i.Name = fmt.Sprintf("%s.%d", p.name, n)
	}
	return i
}

func (b *builder) hooks(p *process) map[supervisor.HookKind]Command {
	commands := map[supervisor.HookKind]Command{}
	for _, kind := range p.hooks() {
		commands[kind] = b.program(p.t.table("hooks").table(string(kind)), "hooks."+string(kind))
	}
	return commands
}
