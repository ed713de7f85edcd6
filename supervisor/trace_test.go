package supervisor

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"lastout/ordering"
)

var update = flag.Bool("update", false, "write the golden traces anew")

// TestTrace plays the events of testdata/trace/*.txtar and compares every action with the trace that is kept there.
// Between two events it ticks at each deadline, as the engine does. The section "tree" has a line for each process,
// and one for the options that begins with "tree"; "events" has lines such as
//
//	@1.5s exited api 1 0      main process ended: code or -SIGNAL, others of its tree that live
//	@1.5s left api            exited with 0, and gone
//	@2s hook api ok           the hook or stop command of api ended; "hook tree" is one of the whole tree
//	@2s gone api#3            a run that is not the present one
func TestTrace(t *testing.T) {
	files, err := filepath.Glob("../testdata/trace/*.txtar")
	if err != nil || len(files) < 30 {
		t.Fatalf("found %d traces: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, section(t, archive, "tree"), section(t, archive, "events"))
			if *update {
				keep(t, file, archive, got)
				return
			}
			if diff := gocmp.Diff(section(t, archive, "trace"), got); diff != "" {
				t.Errorf("the trace differs (-want +got):\n%s", diff)
			}
		})
	}
}

func section(t *testing.T, a *txtar.Archive, name string) string {
	t.Helper()
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	if name == "trace" {
		return ""
	}
	t.Fatalf("there is no section %q", name)
	return ""
}

func keep(t *testing.T, file string, a *txtar.Archive, trace string) {
	t.Helper()
	kept := txtar.Archive{Comment: a.Comment}
	for _, f := range a.Files {
		if f.Name != "trace" {
			kept.Files = append(kept.Files, f)
		}
	}
	kept.Files = append(kept.Files, txtar.File{Name: "trace", Data: []byte(trace)})
	if err := os.WriteFile(file, txtar.Format(&kept), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tracer plays events and writes down what comes of them.
type tracer struct {
	t     *testing.T
	m     *Machine
	out   strings.Builder
	runs  map[string]Run // present run, by instance
	hooks map[string]Run // hook that runs, by instance; "tree": of the whole tree
	pid   int
}

func play(t *testing.T, tree, events string) string {
	t.Helper()
	graph, specs, options := parseTree(t, tree)
	tr := &tracer{t: t, m: New(graph, specs, options), runs: make(map[string]Run), hooks: make(map[string]Run), pid: 100}
	for line := range strings.Lines(events) {
		line, _, _ = strings.Cut(line, "//")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		at, rest, _ := strings.Cut(line, " ")
		now, err := time.ParseDuration(strings.TrimPrefix(at, "@"))
		if err != nil || !strings.HasPrefix(at, "@") {
			t.Fatalf("%q: cannot read the time: %v", line, err)
		}
		tr.tickUntil(now)
		words := strings.Fields(rest)
		for _, ev := range tr.parse(words) {
			tr.step(now, words[0], ev)
		}
	}
	return tr.out.String()
}

// tickUntil lets time pass up to an event, which comes before the deadlines of its own moment.
func (tr *tracer) tickUntil(now Instant) {
	for n := 0; ; n++ {
		at, ok := tr.m.Deadline()
		if !ok || at >= now {
			return
		}
		if n > 1000 {
			tr.t.Fatalf("the clock stands still at %v", at)
		}
		tr.step(at, "tick", Tick{})
	}
}

func (tr *tracer) step(now Instant, name string, ev Event) {
	tr.t.Helper()
	fmt.Fprintf(&tr.out, "@%v %s\n", now, eventText(tr.m, name, ev))
	for _, a := range tr.m.Step(now, ev) {
		tr.follow(a)
		fmt.Fprintf(&tr.out, "\t%s\n", actionText(tr.m, a))
	}
	if err := tr.m.Check(); err != nil {
		tr.t.Errorf("@%v %s: %v", now, name, err)
	}
}

func (tr *tracer) follow(a Action) {
	switch a := a.(type) {
	case Spawn:
		tr.runs[tr.m.InstanceName(a.Inst)] = a.Run
	case RunHook:
		name := "tree"
		if a.Inst.N > 0 {
			name = tr.m.InstanceName(a.Inst)
			tr.runs[name] = a.For
		}
		tr.hooks[name] = a.Hook
	case StopCommand:
		tr.hooks[tr.m.InstanceName(a.Inst)] = a.Hook
	case Cancel, Probe, StopProbe, Signal, Kill, Forget, StopHook, Sweep, Say, Finish:
	}
}

// parse makes the events of a line.
func (tr *tracer) parse(words []string) (events []Event) {
	args := words[1:]
	switch words[0] {
	case "begin":
		return []Event{Begin{}}
	case "tick":
		return []Event{Tick{}}
	case "stop":
		return []Event{Stop{Cause: strings.Join(args, " ")}}
	case "interrupt":
		return []Event{Interrupt{Cause: strings.Join(args, " ")}}
	case "swept":
		return []Event{Swept{Left: args}}
	case "hook":
		failed := strings.Join(args[1:], " ")
		if failed == "ok" {
			failed = ""
		}
		run, ok := tr.hooks[args[0]]
		if !ok {
			tr.t.Fatalf("no hook of %s was started", args[0])
		}
		return []Event{HookEnded{Run: run, Failed: failed}}
	case "exited":
		inst, run := tr.inst(args[0])
		return []Event{Exited{Inst: inst, Run: run, Exit: exitOf(number(tr.t, args[1])), Left: number(tr.t, args[2])}}
	case "failed":
		inst, run := tr.inst(args[0])
		return []Event{SpawnFailed{Inst: inst, Run: run, Reason: strings.Join(args[1:], " ")}}
	}
	for _, name := range args {
		inst, run := tr.inst(name)
		switch words[0] {
		case "spawned":
			tr.pid++
			events = append(events, Spawned{Inst: inst, Run: run, PID: tr.pid})
		case "cancelled":
			events = append(events, SpawnFailed{Inst: inst, Run: run, Reason: "cancelled", Cancelled: true})
		case "ready":
			events = append(events, BecameReady{Inst: inst, Run: run})
		case "gone":
			events = append(events, Gone{Inst: inst, Run: run})
		case "left":
			events = append(events, Exited{Inst: inst, Run: run}, Gone{Inst: inst, Run: run})
		default:
			tr.t.Fatalf("unknown event %q", words[0])
		}
	}
	return events
}

func (tr *tracer) inst(word string) (Inst, Run) {
	name, at, explicit := strings.Cut(word, "#")
	for _, i := range tr.m.insts {
		if i.name == name {
			if explicit {
				return i.inst(), Run(number(tr.t, at))
			}
			return i.inst(), tr.runs[name]
		}
	}
	tr.t.Fatalf("there is no instance %q", name)
	return Inst{}, 0
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func exitOf(code int) Exit {
	if code < 0 {
		return Exit{Signal: syscall.Signal(-code)}
	}
	return Exit{Code: code}
}

// eventText is an event as the trace shows it.
func eventText(m *Machine, name string, ev Event) string {
	switch ev := ev.(type) {
	case Stop:
		return name + " " + ev.Cause
	case Interrupt:
		return name + " " + ev.Cause
	case Spawned:
		return fmt.Sprintf("spawned %s#%d pid=%d", m.InstanceName(ev.Inst), ev.Run, ev.PID)
	case SpawnFailed:
		return fmt.Sprintf("failed %s#%d %s", m.InstanceName(ev.Inst), ev.Run, ev.Reason)
	case BecameReady:
		return fmt.Sprintf("ready %s#%d", m.InstanceName(ev.Inst), ev.Run)
	case Exited:
		return fmt.Sprintf("exited %s#%d %v left=%d", m.InstanceName(ev.Inst), ev.Run, ev.Exit, ev.Left)
	case Gone:
		return fmt.Sprintf("gone %s#%d", m.InstanceName(ev.Inst), ev.Run)
	case HookEnded:
		return fmt.Sprintf("hook #%d %s", ev.Run, cmp.Or(ev.Failed, "ok"))
	case Swept:
		return fmt.Sprintf("swept %s", strings.Join(ev.Left, " "))
	case Begin, Tick:
		return name
	}
	panic(fmt.Sprintf("unknown event %T", ev))
}

// actionText is an action as the trace shows it; reports are set off by a dash.
func actionText(m *Machine, a Action) string {
	of := func(i Inst, r Run) string { return fmt.Sprintf("%s#%d", m.InstanceName(i), r) }
	switch a := a.(type) {
	case Spawn:
		return "spawn " + of(a.Inst, a.Run)
	case Cancel:
		return "cancel " + of(a.Inst, a.Run)
	case Probe:
		return "probe " + of(a.Inst, a.Run)
	case StopProbe:
		return "stop-probe " + of(a.Inst, a.Run)
	case Signal:
		scope := "leader"
		if a.Scope == Rest {
			scope = "rest"
		}
		return fmt.Sprintf("signal %s %d %s", of(a.Inst, a.Run), int(a.Signal), scope)
	case StopCommand:
		return fmt.Sprintf("stop-command %s step=%d hook=%d", of(a.Inst, a.Run), a.Step, a.Hook)
	case Kill:
		return "kill " + of(a.Inst, a.Run)
	case Forget:
		return "forget " + of(a.Inst, a.Run)
	case RunHook:
		name := "tree"
		if a.Inst.N > 0 {
			name = of(a.Inst, a.For)
		}
		text := fmt.Sprintf("run-hook %s %s hook=%d reason=%q", name, a.Kind, a.Hook, a.Told.Reason)
		if a.Told.PID != 0 {
			text += fmt.Sprintf(" pid=%d", a.Told.PID)
		}
		if a.Told.Exit != nil {
			text += fmt.Sprintf(" exit=%q", a.Told.Exit.String())
		}
		return text
	case StopHook:
		return fmt.Sprintf("stop-hook %d", a.Hook)
	case Sweep:
		return fmt.Sprintf("sweep %d", int(a.Signal))
	case Say:
		return "- " + reportText(a.Report)
	case Finish:
		return fmt.Sprintf("finish %+v", a.Outcome)
	}
	panic(fmt.Sprintf("unknown action %T", a))
}

// reportText shows every field that is set.
func reportText(r Report) string {
	var b strings.Builder
	b.WriteString(string(r.Kind))
	add := func(set bool, format string, args ...any) {
		if set {
			fmt.Fprintf(&b, " "+format, args...)
		}
	}
	add(r.Instance == "" && r.Process != "", "process=%s", r.Process)
	add(r.Instance != "", "%s#%d", r.Instance, r.Run)
	add(r.State != "", "%s->%s", r.From, r.State)
	add(r.Phase != "", "%s", r.Phase)
	add(r.Level != 0, "%v", r.Level)
	add(r.PID != 0, "pid=%d", r.PID)
	add(r.Signal != 0, "signal=%d", int(r.Signal))
	add(r.Scope != 0, "rest")
	add(r.Hook != "", "%s", r.Hook)
	add(r.HookRun != 0, "hook=%d", r.HookRun)
	add(r.Step != 0, "step=%d", r.Step)
	add(r.Exit != nil, "exit=%q", fmt.Sprint(r.Exit))
	add(r.Asked, "asked")
	add(r.Left != 0, "left=%d", r.Left)
	add(r.Attempt != 0, "attempt=%d", r.Attempt)
	add(len(r.After) > 0, "after=%s", strings.Join(r.After, ","))
	if r.Bound == Forever {
		add(true, "bound=forever")
	} else {
		add(r.Bound != 0, "bound=%v", r.Bound)
	}
	add(r.Cause != "", "cause=%q", r.Cause)
	add(r.Outcome != nil, "code=%d", code(r.Outcome))
	return b.String()
}

func code(o *Outcome) int {
	if o == nil {
		return 0
	}
	return o.Code
}

// parseTree reads the lines of a tree.
func parseTree(t *testing.T, text string) (*ordering.Graph, []Spec, Options) {
	t.Helper()
	options := Options{Timeout: 30 * time.Second, Reserve: 2 * time.Second, KillTimeout: 5 * time.Second, Seed: 1}
	var nodes []ordering.Node
	var specs []Spec
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "tree":
			for _, w := range words[1:] {
				setOption(t, &options, w)
			}
		default:
			node, spec := parseProcess(t, words)
			nodes, specs = append(nodes, node), append(specs, spec)
		}
	}
	graph, err := ordering.New(nodes)
	if err != nil {
		t.Fatal(err)
	}
	return graph, specs, options
}

func setOption(t *testing.T, o *Options, word string) {
	t.Helper()
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "timeout":
		o.Timeout = span(t, value)
	case "reserve":
		o.Reserve = span(t, value)
	case "delay":
		o.Delay = span(t, value)
	case "kill":
		o.KillTimeout = span(t, value)
	case "before":
		o.Before = span(t, value)
	case "after":
		o.After = span(t, value)
	case "class":
		o.ClassOnly = true
	case "stay":
		o.Stay = true
	default:
		t.Fatalf("unknown option %q", word)
	}
}

func parseProcess(t *testing.T, words []string) (ordering.Node, Spec) {
	t.Helper()
	role, ok := ordering.ParseRole(words[1])
	if !ok {
		t.Fatalf("unknown role %q", words[1])
	}
	node := ordering.Node{Name: words[0], Role: role}
	spec := Spec{
		Name: words[0], Role: role, Enabled: true, Instances: 1, Hooks: make(map[HookKind]time.Duration),
		Backoff: Backoff{Min: 100 * time.Millisecond, Max: 30 * time.Second, ResetAfter: time.Minute, Limit: 10},
		Stop:    []StopStep{{Signal: syscall.SIGTERM, Timeout: 10 * time.Second}},
	}
	if role == ordering.Task {
		spec.Ready.Kind, spec.Restart = ReadyExit, RestartNever
	}
	for _, w := range words[2:] {
		setKey(t, &node, &spec, w)
	}
	return node, spec
}

func setKey(t *testing.T, node *ordering.Node, spec *Spec, word string) {
	t.Helper()
	key, value, _ := strings.Cut(word, "=")
	parts := strings.Split(value, ",")
	switch key {
	case "needs":
		node.DependsOn = parts
	case "fronts":
		node.Fronts = parts
	case "outlives":
		node.Outlives = parts
	case "disabled":
		spec.Enabled = false
	case "instances":
		spec.Instances = number(t, value)
	case "restart":
		spec.Restart = map[string]Restart{"always": RestartAlways, "never": RestartNever}[value]
	case "limit":
		spec.Backoff.Limit = number(t, value)
	case "on_exit":
		spec.OnExit = map[string]OnExit{"shutdown": Shutdown, "failure": ShutdownOnFailure}[value]
	case "ready":
		spec.Ready = readiness(t, value)
	case "stop":
		spec.Stop = stopSteps(t, parts)
	case "hooks":
		for _, p := range parts {
			kind, bound, _ := strings.Cut(p, ":")
			spec.Hooks[HookKind(kind)] = span(t, bound)
		}
	default:
		t.Fatalf("unknown key %q", word)
	}
}

func readiness(t *testing.T, value string) Readiness {
	t.Helper()
	kind, bound, _ := strings.Cut(value, ":")
	switch kind {
	case "delay":
		return Readiness{Kind: ReadyDelay, Delay: span(t, bound)}
	case "probe":
		return Readiness{Kind: ReadyProbe, Timeout: span(t, bound)}
	case "hope":
		return Readiness{Kind: ReadyProbe, Timeout: span(t, bound), Continue: true}
	}
	t.Fatalf("unknown readiness %q", value)
	return Readiness{}
}

func stopSteps(t *testing.T, parts []string) (steps []StopStep) {
	t.Helper()
	for _, p := range parts {
		what, bound, _ := strings.Cut(p, ":")
		switch what {
		case "none":
			return nil
		case "command":
			steps = append(steps, StopStep{Command: true, Timeout: span(t, bound)})
		default:
			steps = append(steps, StopStep{Signal: syscall.Signal(number(t, what)), Timeout: span(t, bound)})
		}
	}
	return steps
}

func span(t *testing.T, s string) time.Duration {
	t.Helper()
	if s == "none" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
