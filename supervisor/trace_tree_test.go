package supervisor

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"lastout/ordering"
)

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
	case "linger":
		o.Linger = span(t, value)
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
	case "health":
		spec.Health.Failures = number(t, value)
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
	case "held":
		spec.Held = true
	case "drain":
		spec.Drain = drainOf(t, parts)
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

func drainOf(t *testing.T, parts []string) (d Drain) {
	t.Helper()
	for _, p := range parts {
		switch what, value, _ := strings.Cut(p, ":"); what {
		case "quiesce":
			d.Quiesce = true
		case "listens":
			d.Listens = true
		case "command":
			d.Invite.Command = 5 * time.Second
			if value != "" {
				d.Invite.Command = span(t, value)
			}
		case "signal":
			d.Invite.Signal = syscall.Signal(number(t, value))
		case "timeout":
			d.Timeout = span(t, value)
		case "settle":
			d.Settle = span(t, value)
		case "exit", "quiet", "connections", "probe":
			d.Until = map[string]Until{
				"exit": UntilExit, "quiet": UntilQuiet, "connections": UntilConnections, "probe": UntilProbe,
			}[what]
		default:
			t.Fatalf("unknown part of a drain %q", p)
		}
	}
	return d
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
