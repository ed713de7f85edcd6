package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lastout/supervisor"
)

const compared = `
name = "tree"
[socket.web]
listen = "unix:web.socket"
[process.api]
command = ["sleep", "1"]
port = 9000
env = { A = "1" }
stop = { timeout = "5s" }
ready = { log = "up" }
health = { exec = ["true"] }
hooks.pre_stop = { command = ["true"] }
[process.edge]
role = "gateway"
command = ["sleep", "2"]
depends_on = ["api"]
`

// TestCompare says of each change of a file what it means to the process "api".
func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		want     supervisor.Change
	}{
		"nothing":             {"", "", supervisor.Unchanged},
		"another line":        {"[process.api]", "\n\n[process.api]", supervisor.Unchanged},
		"its command":         {`"sleep", "1"`, `"sleep", "3"`, supervisor.Restarts},
		"its environment":     {`A = "1"`, `A = "2"`, supervisor.Restarts},
		"its port":            {"9000", "9100", supervisor.Restarts},
		"its readiness":       {`log = "up"`, `log = "ready"`, supervisor.Restarts},
		"its output":          {"port = 9000", "port = 9000\nlog = { stdout = \"null\" }", supervisor.Restarts},
		"its sockets":         {"port = 9000", "port = 9000\nsockets = [\"web\"]", supervisor.Restarts},
		"its role":            {"port = 9000", "port = 9000\nrole = \"service\"", supervisor.Restarts},
		"its stop":            {`"5s"`, `"6s"`, supervisor.Registers},
		"its stop signal":     {`"5s"`, `"5s", signal = "INT"`, supervisor.Registers},
		"its death's signal":  {"port = 9000", "port = 9000\npdeathsig = \"KILL\"", supervisor.Registers},
		"a hook's command":    {`{ command = ["true"]`, `{ command = ["false"]`, supervisor.Registers},
		"its health":          {`exec = ["true"]`, `exec = ["true"], failures = 5`, supervisor.Registers},
		"its health's look":   {`exec = ["true"]`, `exec = ["false"]`, supervisor.Registers},
		"its watchdog":        {`exec = ["true"]`, `watchdog = "5s"`, supervisor.Restarts},
		"how often it starts": {"port = 9000", "port = 9000\nrestart = \"always\"", supervisor.Registers},
		"its instances":       {"port = 9000", "port = 9000\ninstances = 3", supervisor.Registers},
		"what it needs":       {"port = 9000", "port = 9000\noutlives = [\"db\"]", supervisor.Registers},
		"another's":           {`"sleep", "2"`, `"sleep", "3"`, supervisor.Unchanged},
		"its name":            {"[process.api]", "[process.db]\ncommand=[\"x\"]\n[process.api2]", supervisor.Added},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			load := func(text string) *Config {
				text = strings.Replace(text, `depends_on = ["api"]`, "", 1)
				if strings.Contains(text, `"db"`) {
					text += "[process.db]\ncommand = [\"sleep\", \"4\"]\n"
				}
				file := filepath.Join(dir, "lastout.toml")
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				c, err := Load(file, LoadOptions{Env: []string{"PATH=/bin"}})
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			before, later := load(compared), load(strings.Replace(compared, c.old, c.new, 1))
			id, ok := later.Graph.Lookup("api")
			if !ok {
				id, _ = later.Graph.Lookup("api2")
			}
			if got := Compare(before, later)[id]; got != c.want {
				t.Errorf("it is %d, want %d", got, c.want)
			}
		})
	}
}
