package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"lastout/ordering"
	"lastout/supervisor"
)

// FuzzLoad loads whatever text: it never panics, tells faults that point into the file, or gives a model that the
// machine takes.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(testdata, "*.toml"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no corpus: %v", err)
	}
	for _, file := range append(files, filepath.Join(testdata, "good", "lastout.toml")) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") && strings.ContainsAny(text, "*?[") && strings.Contains(text, "/") {
			t.Skip("it might search the whole file system")
		}
		file := filepath.Join(t.TempDir(), "lastout.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(file, LoadOptions{Env: []string{"HOME=/home/me"}, Profiles: []string{"dev"}})
		if err == nil {
			consistent(t, c)
			return
		}
		var faults *Error
		if !errors.As(err, &faults) || len(faults.Faults) == 0 || c != nil {
			t.Fatalf("Load gives %v and %v", c, err)
		}
		for _, fault := range faults.Faults {
			pointsInto(t, fault, file, text)
		}
	})
}

// pointsInto demands that a fault is one line about a line of the file.
func pointsInto(t *testing.T, f Fault, file, text string) {
	t.Helper()
	if strings.ContainsFunc(f.Text, unicode.IsControl) {
		t.Errorf("%q is not one plain line", f.Text)
	}
	last := strings.Count(text, "\n") + 1
	if f.File == file && (f.Line < 0 || f.Line > last) || f.File == "" || f.Text == "" {
		t.Errorf("%q points nowhere: the file has %d lines", f, last)
	}
}

// consistent demands that the parts of a model fit together.
func consistent(t *testing.T, c *Config) {
	t.Helper()
	n := c.Graph.Len()
	if n == 0 || len(c.Nodes) != n || len(c.Specs) != n || len(c.Processes) != n {
		t.Fatalf("%d in the graph, %d nodes, %d specs, %d processes", n, len(c.Nodes), len(c.Specs), len(c.Processes))
	}
	for id, spec := range c.Specs {
		p := c.Processes[id]
		if c.Graph.Node(ordering.ID(id)).Name != spec.Name || p.Name != spec.Name {
			t.Errorf("process %d has several names", id)
		}
		want := spec.Instances
		if !spec.Enabled {
			want = 0
		}
		if len(p.Instances) != want {
			t.Errorf("%s has %d instances, want %d", p.Name, len(p.Instances), want)
		}
		for i, instance := range p.Instances {
			consistentInstance(t, spec, p, instance, i+1)
		}
	}
	supervisor.MakePlan(c.Graph, c.Specs, c.Options)
	m := supervisor.New(c.Graph, c.Specs, c.Options)
	m.Step(0, supervisor.Begin{})
	m.Step(1, supervisor.Stop{Cause: "the test"})
	if err := m.Check(); err != nil {
		t.Errorf("the machine is at odds with itself: %v", err)
	}
}

func consistentInstance(t *testing.T, spec supervisor.Spec, p Process, i Instance, n int) {
	t.Helper()
	commands := []Command{i.Command}
	for kind := range spec.Hooks {
		commands = append(commands, i.Hooks[kind])
	}
	for step, s := range spec.Stop {
		if s.Command {
			commands = append(commands, i.Stop[step])
		} else if s.Signal == 0 {
			t.Errorf("%s: stop step %d is neither signal nor command", i.Name, step)
		}
	}
	for _, c := range []*Command{i.Probe.Exec, i.Drain.Command, i.Drain.Probe} {
		if c != nil {
			commands = append(commands, *c)
		}
	}
	consistentDrain(t, spec, i)
	for _, c := range commands {
		whole := len(c.Argv) > 0 && c.Argv[0] != "" && filepath.IsAbs(c.Dir) && c.Line > 0
		if !whole || !slices.Contains(c.Env, "LASTOUT_PROCESS="+p.Name) {
			t.Errorf("%s: a command is not whole: %+v", i.Name, c)
		}
	}
	if i.N != n || len(i.Hooks) != len(spec.Hooks) || len(i.Stop) != len(spec.Stop) {
		t.Errorf("%s: instance %d has %d hooks and %d stop commands", i.Name, i.N, len(i.Hooks), len(i.Stop))
	}
	file := p.Log.Stdout == LogFile || p.Log.Stderr == LogFile
	if file != filepath.IsAbs(i.LogFile) {
		t.Errorf("%s: logs into %q", i.Name, i.LogFile)
	}
	probed := i.Probe.TCP != "" || i.Probe.HTTP != "" || i.Probe.Exec != nil || i.Probe.Notify || i.Probe.FD > 2 ||
		i.Probe.Log != nil
	if probed != (spec.Ready.Kind == supervisor.ReadyProbe) {
		t.Errorf("%s: the probe is %+v, and the machine is told %d", i.Name, i.Probe, spec.Ready.Kind)
	}
}

// consistentDrain demands that the machine and the engine mean the same drain.
func consistentDrain(t *testing.T, spec supervisor.Spec, i Instance) {
	t.Helper()
	d, known := spec.Drain, i.Drain
	if !d.Wanted() {
		if d != (supervisor.Drain{}) || known.Quiet != 0 || known.Command != nil || known.Probe != nil {
			t.Errorf("%s is not drained, and yet %+v and %+v", i.Name, d, known)
		}
		return
	}
	gateway := spec.Role == ordering.Gateway
	if d.Until == supervisor.UntilNothing || d.Timeout <= 0 || known.Quiet <= 0 || spec.Role == ordering.Task ||
		!gateway && (d.Quiesce || d.Settle > 0) || d.Quiesce != (known.Quiesce != "none") ||
		(d.Invite.Command > 0) != (known.Command != nil) || d.Invite.Command > 0 && d.Invite.Signal != 0 ||
		d.Until == supervisor.UntilProbe && (known.Probe == nil || known.ProbeTimeout <= 0) {
		t.Errorf("%s: the drain %+v is none with %+v", i.Name, d, known)
	}
}
