package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"lastout/supervisor"
	"lastout/supervisor/config"
)

// deployed are the examples of testdata/deploy: a configuration, and the files that say how long its container has.
var deployed = map[string][]string{
	"scratch/lastout.toml": {"scratch/Dockerfile"},
	"nginx/lastout.toml":   {"nginx/Dockerfile", "compose.yaml", "kubernetes.yaml"},
}

// allowed is where such a file says how long the shutdown may take; a bare number is seconds.
var allowed = regexp.MustCompile(
	`(?:LASTOUT_GRACE[=:] ?|LASTOUT_GRACE, value: |stop_grace_period: |terminationGracePeriodSeconds: )(\d+)(?:s\b|\n|})`)

// TestDeployExamples holds that the examples are right, and that each number that must fit another one does.
func TestDeployExamples(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata", "deploy")
	for file, besides := range deployed {
		c, err := config.Load(filepath.Join(dir, file), config.LoadOptions{Env: os.Environ()})
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, beside := range besides {
			text, err := os.ReadFile(filepath.Join(dir, beside))
			if err != nil {
				t.Fatal(err)
			}
			found := allowed.FindAllStringSubmatch(string(text), -1)
			if len(found) == 0 {
				t.Errorf("%s does not say how long a shutdown may take", beside)
			}
			for _, number := range found {
				grace, err := time.ParseDuration(number[1] + "s")
				if err != nil {
					t.Fatal(err)
				}
				if kept := withinGrace(c.Options.Timeout, grace); kept != c.Options.Timeout {
					t.Errorf("%s allows %v in %q: of the %v of %s that leaves %v", beside, grace, number[0], c.Options.Timeout, file, kept)
				}
				if plan := supervisor.MakePlan(c.Graph, c.Specs, c.Options); plan.Bound > grace {
					t.Errorf("%s allows %v, and the shutdown of %s may take %v", beside, grace, file, plan.Bound)
				}
			}
		}
	}
}

// TestDeployExported holds that what the engines are told is what lastout itself says that they need.
func TestDeployExported(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata", "deploy")
	for engine, file := range map[string]string{"kubernetes": "kubernetes.yaml", "compose": "compose.yaml"} {
		said := printed(t, "export", engine, "-c", filepath.Join(dir, "nginx", "lastout.toml"))
		want := allowed.FindSubmatch(said)
		if want == nil {
			t.Fatalf("export %s does not say how long a shutdown may take:\n%s", engine, said)
		}
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range allowed.FindAllSubmatch(text, -1) {
			if !bytes.Equal(got[1], want[1]) {
				t.Errorf("%s says %q, and lastout export %s says %q", file, got[0], engine, want[0])
			}
		}
	}
}

// printed is what a verb answers.
func printed(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p := &program{stdout: out, stderr: os.Stderr}
	if err := p.app().Run(append([]string{"lastout"}, args...)); err != nil {
		t.Fatalf("lastout %q: %v", args, err)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return text
}
