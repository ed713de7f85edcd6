package config

import (
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"lastout/supervisor/image"
)

const grown = `
name = "tree"
[process.api]
command = ["sleep", "1"]
port = 9000
instances = 2
env = { A = "${WHAT}{instance}" }
profiles = ["day"]
[process.edge]
role = "gateway"
command = ["sleep", "2"]
port = 9005
depends_on = ["api"]
`

// handedOver is a configuration as a successor gets it.
func handedOver(t *testing.T, c *Config) *Config {
	t.Helper()
	text, err := image.Encode(1, c)
	if err != nil {
		t.Fatal(err)
	}
	later := new(Config)
	if err := image.Decode(1, text, later); err != nil {
		t.Fatal(err)
	}
	return later
}

// TestGrowHandedOver makes more instances of a configuration that was handed over, once and again: they are those which
// there would have been without that.
func TestGrowHandedOver(t *testing.T) {
	c := loadGood(t, grown, LoadOptions{Env: []string{"PATH=/bin", "WHAT=x"}, Profiles: []string{"day"}})
	later := handedOver(t, c)
	id, _ := c.Graph.Lookup("api")
	for _, count := range []int{3, 1, 5} {
		for _, c := range []*Config{c, later} {
			if err := c.Grow(id, count); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(c.Processes, later.Processes) {
			t.Errorf("%d: %+v, want %+v", count, later.Processes[id].Instances, c.Processes[id].Instances)
		}
		later = handedOver(t, later)
	}
	if n := len(later.Processes[id].Instances); n != 5 {
		t.Errorf("there are %d", n)
	}
	for _, c := range []*Config{c, later} {
		if err := c.Grow(id, 6); err == nil || !strings.Contains(err.Error(), "9000 to 9005 overlaps with 9005") &&
			!strings.Contains(err.Error(), "9005 overlaps with 9000 to 9005") {
			t.Errorf("another's port: %v", err)
		}
	}
}

// TestGrowHandedOverChanged believes a file only while it says what is in force.
func TestGrowHandedOverChanged(t *testing.T) {
	write := func(text string) func(string) error {
		return func(file string) error { return os.WriteFile(file, []byte(text), 0o600) }
	}
	replace := func(old, text string) func(string) error { return write(strings.Replace(grown, old, text, 1)) }
	api, edge := strings.Index(grown, "[process.api]"), strings.Index(grown, "[process.edge]")
	turned := grown[:api] + grown[edge:] + grown[api:edge]
	for name, c := range map[string]struct {
		change func(file string) error
		want   string
	}{
		"not":                  {replace("", ""), ""},
		"other lines":          {replace("[process.api]", "\n# more\n[process.api]"), ""},
		"another order":        {write(turned), ""},
		"its command":          {replace(`"1"`, `"3"`), "the configuration has changed"},
		"its count":            {replace("instances = 2", "instances = 3"), "the configuration has changed"},
		"another's command":    {replace(`"2"`, `"3"`), "the configuration has changed"},
		"another is there":     {replace("[process.api]", "[process.db]\ncommand=[\"x\"]\n[process.api]"), "the configuration has changed"},
		"another is gone":      {replace(grown[edge:], ""), "the configuration has changed"},
		"a fault":              {replace("instances = 2", "instances = -2"), "instances"},
		"there is no file":     {os.Remove, "no such file"},
		"it is a pipe by then": {func(f string) error { _ = os.Remove(f); return syscall.Mkfifo(f, 0o600) }, "is no plain file"},
	} {
		t.Run(name, func(t *testing.T) {
			before := loadGood(t, grown, LoadOptions{Env: []string{"PATH=/bin", "WHAT=x"}, Profiles: []string{"day"}})
			later := handedOver(t, before)
			if err := c.change(before.File); err != nil {
				t.Fatal(err)
			}
			id, _ := before.Graph.Lookup("api")
			err := later.Grow(id, 3)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				if len(later.Processes[id].Instances) != 2 {
					t.Error("there are more")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := before.Grow(id, 3); err != nil {
				t.Fatal(err)
			}
			want, got := before.Processes[id].Instances[2], later.Processes[id].Instances[2]
			want.Command.Line, got.Command.Line = 0, 0
			if !reflect.DeepEqual(want, got) {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}
