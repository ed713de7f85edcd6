package supervisor

import (
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
)

var update = flag.Bool("update", false, "write the golden traces anew")

// TestTrace plays the events of testdata/trace/*.txtar and compares every action with the trace that is kept there.
// Between two events it ticks at each deadline, as the engine does. The section "tree" has a line for each process,
// and one for the options that begins with "tree"; "events" has lines such as
//
//	@1.5s exited api 1 0      main process ended: code or -SIGNAL, others of its tree that live
//	@1.5s left api            exited with 0, and gone
//	@2s hook api ok           the hook or command of api ended; "hook tree" is one of the whole tree
//	@2s drained edge quiet    a watch was answered, and why
//	@2s gone api#3            a run that is not the present one
//	@0s adopt api=7 code=137  in the place of begin: these runs live
//	@3s reload 1 restart=api  section "later" is the tree; restart and register name who changed
//	@3s op 1 stop api web     an operation; behind the names may stand no-deps, timeout=1s, count=3, signal=1
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
			got := play(t, section(t, archive, "tree"), section(t, archive, "later"), section(t, archive, "events"))
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
	if name == "trace" || name == "later" {
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
	later string // the tree of a reload
	out   strings.Builder
	runs  map[string]Run // present run, by instance
	hooks map[string]Run // hook that runs, by instance; "tree": of the whole tree
	pid   int
}

func play(t *testing.T, tree, later, events string) string {
	t.Helper()
	graph, specs, options := parseTree(t, tree)
	tr := &tracer{t: t, later: later, m: New(graph, specs, options), runs: make(map[string]Run), hooks: make(map[string]Run), pid: 100}
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
	case DrainCommand:
		tr.hooks[tr.m.InstanceName(a.Inst)] = a.Hook
	case Reloaded, Send, Unquiesce, Cancel, Probe, StopProbe, CheckHealth, StopHealth, Signal, Kill, Forget, StopHook, Survey, Quiesce, Watch, Settle, StopWatch, Linger, Sweep, Say,
		Finish:
	}
}

// parse makes the events of a line.
func (tr *tracer) parse(words []string) (events []Event) {
	args := words[1:]
	switch words[0] {
	case "begin":
		return []Event{Begin{}}
	case "adopt":
		return []Event{tr.adopt(args)}
	case "tick":
		return []Event{Tick{}}
	case "stop":
		return []Event{Stop{Cause: strings.Join(args, " ")}}
	case "hurry":
		return []Event{Hurry{Cause: strings.Join(args, " ")}}
	case "interrupt":
		return []Event{Interrupt{Cause: strings.Join(args, " ")}}
	case "surveyed":
		ev := Surveyed{}
		for _, name := range args {
			_, run := tr.inst(name)
			ev.Silent = append(ev.Silent, run)
		}
		return []Event{ev}
	case "reload":
		return []Event{tr.reload(args)}
	case "op":
		return []Event{tr.operation(args)}
	case "quiesced":
		inst, run := tr.inst(args[0])
		return []Event{Quiesced{Inst: inst, Run: run, How: strings.Join(args[1:], " ")}}
	case "drained":
		inst, run := tr.inst(args[0])
		return []Event{BecameDrained{Inst: inst, Run: run, Why: strings.Join(args[1:], " ")}}
	case "ill":
		inst, run := tr.inst(args[0])
		return []Event{HealthFailed{Inst: inst, Run: run, Why: strings.Join(args[1:], " "), Final: args[1] == "final"}}
	case "cut":
		inst, run := tr.inst(args[0])
		return []Event{Cut{Inst: inst, Run: run, Connections: []Connection{{Peer: args[1], Port: 80, In: 7}}}}
	case "unanswered":
		inst, run := tr.inst(args[0])
		return []Event{Unanswered{Inst: inst, Run: run, Connections: []Connection{{Peer: args[1], Port: 80, In: 7}}}}
	case "lingered":
		return []Event{Lingered{Left: args}}
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
		case "well":
			events = append(events, HealthWorks{Inst: inst, Run: run})
		case "settled":
			events = append(events, Settled{Inst: inst, Run: run})
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

// adopt names runs that another supervisor began.
func (tr *tracer) adopt(words []string) Event {
	ev := Adopt{Cause: "lastout died"}
	for _, w := range words {
		name, run, _ := strings.Cut(w, "=")
		if name == "code" {
			ev.Code = int(number(tr.t, run))
			continue
		}
		inst, _ := tr.inst(name)
		tr.runs[name] = Run(number(tr.t, run))
		tr.pid++
		ev.Runs = append(ev.Runs, Adopted{Inst: inst, Name: name, Run: tr.runs[name], PID: tr.pid})
	}
	return ev
}

// reload is to the tree of the section "later".
func (tr *tracer) reload(words []string) Event {
	ev := Reload{Op: Op(number(tr.t, words[0]))}
	ev.Graph, ev.Specs, ev.Options = parseTree(tr.t, tr.later)
	ev.Changes = make([]Change, len(ev.Specs))
	for id, s := range ev.Specs {
		if _, known := tr.m.graph.Lookup(s.Name); !known {
			ev.Changes[id] = Added
		}
	}
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		id, ok := ev.Graph.Lookup(value)
		if !ok {
			tr.t.Fatalf("no process %q", value)
		}
		ev.Changes[id] = map[string]Change{"restart": Restarts, "register": Registers}[key]
	}
	return ev
}

// operation reads what a user asks for.
func (tr *tracer) operation(words []string) Operate {
	ev := Operate{Op: Op(number(tr.t, words[0]))}
	ev.Verb = Verb(words[1])
	for _, w := range words[2:] {
		switch key, value, _ := strings.Cut(w, "="); key {
		case "no-deps":
			ev.NoDeps = true
		case "timeout":
			ev.Timeout = span(tr.t, value)
		case "count":
			ev.Count = number(tr.t, value)
		case "signal":
			ev.Signal = syscall.Signal(number(tr.t, value))
		default:
			ev.Names = append(ev.Names, w)
		}
	}
	return ev
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
