package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"

	"lastout/cmd/lastout/help"
	"lastout/process/output"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

func TestWithinGrace(t *testing.T) {
	const s, none = time.Second, time.Duration(0)
	for _, test := range []struct{ timeout, grace, want time.Duration }{
		{30 * s, 30 * s, 28500 * time.Millisecond}, // 5 %
		{30 * s, 10 * s, 9500 * time.Millisecond},  // both are the same
		{30 * s, 4 * s, 3500 * time.Millisecond},   // 500 ms
		{5 * s, 30 * s, 5 * s},                     // shorter as it is
		{none, 10 * s, 9500 * time.Millisecond},
		{30 * s, 600 * time.Millisecond, 300 * time.Millisecond}, // never less than half
	} {
		if got := withinGrace(test.timeout, test.grace); got != test.want {
			t.Errorf("withinGrace(%v, %v) = %v, want %v", test.timeout, test.grace, got, test.want)
		}
	}
}

func TestFlagsFirst(t *testing.T) {
	app := (&program{}).app()
	for in, want := range map[string]string{
		"verify j -o json":           "verify -o json j",
		"verify -o json j":           "verify -o json j",
		"verify j --output=json":     "verify --output=json j",
		"demo worker --listen :0":    "demo worker --listen :0",
		"demo task a --takes 1s b":   "demo task --takes 1s a b",
		"demo task a -- --takes 1s":  "demo task a -- --takes 1s",
		"run x --no-cgroup -c f y":   "run --no-cgroup -c f x y",
		"chek --output":              "chek --output",
		"":                           "",
		"completion bash":            "completion bash",
		"verify - -o":                "verify -o -",
		"demo --load 1s -v gateway":  "demo --load 1s -v gateway",
		"demo gateway --to a --load": "demo gateway --to a --load",
	} {
		got := flagsFirst(app, append([]string{"lastout"}, strings.Fields(in)...))
		if diff := cmp.Diff(append([]string{"lastout"}, strings.Fields(want)...), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
}

// Each flag has an environment variable of its own, LASTOUT_ and its name.
func TestEveryFlagHasAVariable(t *testing.T) {
	var look func(commands []*cli.Command)
	look = func(commands []*cli.Command) {
		for _, c := range commands {
			for _, f := range c.Flags {
				want := "LASTOUT_" + strings.ToUpper(strings.ReplaceAll(f.Names()[0], "-", "_"))
				doc, ok := f.(cli.DocGenerationFlag)
				if !ok || !slices.Equal(doc.GetEnvVars(), []string{want}) {
					t.Errorf("%s --%s: no %s", c.Name, f.Names()[0], want)
				}
				if doc.GetUsage() == "" {
					t.Errorf("%s --%s says nothing of itself", c.Name, f.Names()[0])
				}
			}
			if c.Usage == "" {
				t.Errorf("%s says nothing of itself", c.Name)
			}
			look(c.Subcommands)
		}
	}
	look((&program{}).app().Commands)
}

func TestHelpTopics(t *testing.T) {
	all, _ := help.Text("lastout")
	for _, topic := range help.Topics() {
		text, ok := help.Text(topic)
		if !ok || !strings.HasPrefix(text, topic+": ") {
			t.Errorf("topic %s has no text that begins with its name", topic)
		}
		if help.Title(topic) == "" || !strings.Contains(all, topic) {
			t.Errorf("topic %s is not announced", topic)
		}
		for line := range strings.Lines(text) {
			if len(strings.TrimRight(line, "\n")) > 120 {
				t.Errorf("topic %s: a line of %d columns: %s", topic, len(line), line)
			}
		}
	}
}

// Whatever the machine may report has a line of its own, and none of them is the fallback.
func TestDescribe(t *testing.T) {
	type r = supervisor.Report
	exit := &supervisor.Exit{Code: 3}
	for _, test := range []struct {
		report supervisor.Report
		level  zerolog.Level
		want   string
	}{
		{
			r{Kind: supervisor.KindState, From: supervisor.Running, State: supervisor.Ready},
			zerolog.InfoLevel, "api.1 is ready",
		},
		{
			r{Kind: supervisor.KindState, From: supervisor.InBackoff, State: supervisor.Failed, Cause: "exit code 3"},
			zerolog.ErrorLevel, "api.1 failed: exit code 3",
		},
		{
			r{Kind: supervisor.KindState, From: supervisor.Stopping, State: supervisor.Stopped},
			zerolog.InfoLevel, "api.1 has left",
		},
		{
			r{Kind: supervisor.KindState, From: supervisor.Waiting, State: supervisor.Stopped},
			zerolog.DebugLevel, "api.1 is not started any more",
		},
		{
			r{Kind: supervisor.KindSignal, Signal: 15, Bound: 10 * time.Second},
			zerolog.InfoLevel, "api.1 gets SIGTERM, 10.0s at most",
		},
		{
			r{Kind: supervisor.KindSignal, Signal: 15, Scope: supervisor.Rest, Bound: supervisor.Forever},
			zerolog.InfoLevel, "what api.1 left behind gets SIGTERM",
		},
		{
			r{Kind: supervisor.KindCommand, Bound: time.Second},
			zerolog.InfoLevel, "api.1 is told to leave by its stop command, 1.00s at most",
		},
		{
			r{Kind: supervisor.KindKill, Cause: "too slow"},
			zerolog.WarnLevel, "api.1 gets SIGKILL: too slow",
		},
		{
			r{Kind: supervisor.KindExit, Exit: exit},
			zerolog.WarnLevel, "api.1 ended: exit 3",
		},
		{
			r{Kind: supervisor.KindExit, Exit: &supervisor.Exit{Signal: 9, OOM: "memory_max 64MiB"}},
			zerolog.WarnLevel, "api.1 ended: killed by the kernel: out of memory (memory_max 64MiB)",
		},
		{
			r{Kind: supervisor.KindExit, Exit: exit, Asked: true, Left: 2},
			zerolog.InfoLevel, "api.1 ended: exit 3; 2 descendants of it still live",
		},
		{
			r{Kind: supervisor.KindGone},
			zerolog.DebugLevel, "api.1 is gone with all its descendants",
		},
		{
			r{Kind: supervisor.KindLost},
			zerolog.ErrorLevel, "api.1 is lost: it outlived SIGKILL",
		},
		{
			r{Kind: supervisor.KindHook, Hook: supervisor.PreStop, Step: 1, Cause: "exit code 1"},
			zerolog.WarnLevel, "hook pre_stop of api.1 failed: exit code 1",
		},
		{
			r{Kind: supervisor.KindRetry, Attempt: 2, Bound: 200 * time.Millisecond},
			zerolog.WarnLevel, "api.1 is started again in 200ms (attempt 2)",
		},
		{
			r{Kind: supervisor.KindFree, Cause: "leave", After: []string{"edge"}},
			zerolog.DebugLevel, "api may leave now, after edge",
		},
		{
			r{Kind: supervisor.KindWaiting, After: []string{"a", "b"}, Bound: 3 * time.Second},
			zerolog.InfoLevel, "waiting for a, b, for 3.00s more at most",
		},
		{
			r{
				Kind: supervisor.KindWaiting, After: []string{"api.1"}, Bound: 3 * time.Second,
				Cause: "api.1 drains: waits for its connections",
			},
			zerolog.InfoLevel, "api.1 drains: waits for its connections, for 3.00s more at most",
		},
		{
			r{Kind: supervisor.KindQuiesce, Step: 1, Cause: "SYN filter on 2 listeners"},
			zerolog.InfoLevel, "new connections to api.1: SYN filter on 2 listeners",
		},
		{
			r{Kind: supervisor.KindInvite, Signal: 3, Bound: time.Second},
			zerolog.InfoLevel, "api.1 is invited to finish by SIGQUIT, 1.00s at most",
		},
		{
			r{Kind: supervisor.KindInvite, HookRun: 7},
			zerolog.InfoLevel, "api.1 is invited to finish by its drain command",
		},
		{
			r{Kind: supervisor.KindCut, Cause: "SIGKILL", Connections: []supervisor.Connection{{Peer: "192.0.2.1:4711"}}},
			zerolog.WarnLevel, "1 connection of api.1 cut off (SIGKILL): 192.0.2.1:4711",
		},
		{
			r{Kind: supervisor.KindUnanswered, Connections: []supervisor.Connection{{Peer: "192.0.2.1:4711"}}},
			zerolog.WarnLevel, "1 connection of api.1 not answered by the end of its drain: 192.0.2.1:4711",
		},
		{
			r{Kind: supervisor.KindState, From: supervisor.Drained, State: supervisor.Settling, Bound: time.Second},
			zerolog.InfoLevel, "api.1 settles, 1.00s at most",
		},
		{
			r{Kind: supervisor.KindPhase, Phase: supervisor.Announcing, Cause: "SIGTERM", Bound: supervisor.Forever},
			zerolog.InfoLevel, "shutting down (SIGTERM)",
		},
		{
			r{Kind: supervisor.KindStrays, After: []string{"pid 7 (x)"}, Signal: 9},
			zerolog.WarnLevel, "SIGKILL to descendants of nobody that lives: pid 7 (x)",
		},
		{
			r{Kind: supervisor.KindNote, Cause: "look"},
			zerolog.WarnLevel, "api.1: look",
		},
		{
			r{Kind: supervisor.KindFinish, Outcome: &supervisor.Outcome{Code: 3}},
			zerolog.DebugLevel, "exit code 3",
		},
	} {
		test.report.Process, test.report.Instance = "api", "api.1"
		level, text := describe(test.report)
		if level != test.level || text != test.want {
			t.Errorf("%s: %v %q, want %v %q", test.report.Kind, level, text, test.level, test.want)
		}
	}
	for _, level := range []supervisor.Level{supervisor.Urgent, supervisor.Forced} {
		_, text := describe(r{Kind: supervisor.KindLevel, Level: level, Cause: "SIGINT"})
		if !strings.HasPrefix(text, "SIGINT ") {
			t.Errorf("level %d: %q", level, text)
		}
	}
}

// stuck is a stderr that takes nothing until it is let go.
type stuck chan struct{}

func (s stuck) Write(p []byte) (int, error) { <-s; return len(p), nil }

// A stderr that nobody reads holds up nobody who logs.
func TestLogNeverBlocks(t *testing.T) {
	blocked := make(stuck)
	defer close(blocked)
	l := newLogger(output.NewSink(blocked), config.LogSettings{Level: "debug", Format: "text"}, false)
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		for range 200_000 { // some 20 MB
			l.report(supervisor.Report{Kind: supervisor.KindGone, Process: "api", Instance: "api.1"})
		}
	}()
	select {
	case <-logged:
	case <-time.After(hangs):
		t.Fatal("the log blocks")
	}
	if lines, _ := l.queue.Dropped(); lines == 0 {
		t.Error("nothing was dropped: the test did not block anything")
	}
	l.flush(time.Millisecond) // gives up
}
