package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastout/ordering"
	"lastout/supervisor"
)

// good loads testdata/config/good and gives its folder too.
func good(t *testing.T, profiles ...string) (*Config, string) {
	t.Helper()
	file := filepath.Join(testdata, "good", "lastout.toml")
	c, err := Load(file, LoadOptions{Profiles: profiles, Env: []string{
		"HOME=/home/me", "PATH=/bin:/usr/bin", "LEVEL=none", "NOTIFY_SOCKET=/run/n", "LISTEN_FDS=3", "LISTEN_PID=1",
		"LASTOUT_GRACE=10s", "LASTOUT_PROCESS=outer", "no entry", "=C:=x",
	}})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs(filepath.Join(testdata, "good"))
	if err != nil {
		t.Fatal(err)
	}
	return c, dir
}

// find gives a process's parts.
func find(t *testing.T, c *Config, name string) (Process, supervisor.Spec) {
	t.Helper()
	id, ok := c.Graph.Lookup(name)
	if !ok {
		t.Fatalf("%s is not in the graph", name)
	}
	return c.Processes[id], c.Specs[id]
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestTree(t *testing.T) {
	c, dir := good(t)
	same(t, "file", filepath.Join(dir, "lastout.toml"), c.File)
	same(t, "name", "shop", c.Name)
	same(t, "log", LogSettings{Level: "debug", Format: "json"}, c.Log)
	same(t, "options", supervisor.Options{
		Timeout: 25 * time.Second, Reserve: 1500 * time.Millisecond, Delay: 2 * time.Second, KillTimeout: 3 * time.Second,
		Before: 4 * time.Second, After: 5 * time.Second, ClassOnly: true, Stay: true,
	}, c.Options)
	env := []string{"HOME=/home/me", "PATH=/bin:/usr/bin", "LEVEL=none"}
	same(t, "before", &Command{Argv: []string{"./announce", "none"}, Dir: dir, Env: env, Line: 20, DeathSignal: syscall.SIGTERM}, c.Before)
	same(t, "after", &Command{
		Argv: []string{"/bin/sh", "-c", "echo $HOME ${x}"}, Dir: dir, Env: env, Line: 21, DeathSignal: syscall.SIGTERM,
	}, c.After)
	var names []string
	for _, n := range c.Nodes {
		names = append(names, n.Name)
	}
	same(t, "order of the file", []string{"db", "migrate", "api", "edge", "spare", "worker", "watch"}, names)
	same(t, "node", ordering.Node{
		Name: "edge", Role: ordering.Gateway, DependsOn: []string{"api"}, Fronts: []string{"api", "worker"},
		Outlives: []string{"spare"},
	}, c.Nodes[3])
	for id, n := range c.Nodes {
		if c.Specs[id].Name != n.Name || c.Processes[id].Name != n.Name || c.Specs[id].Role != n.Role {
			t.Errorf("process %d is %q, %q and %q", id, n.Name, c.Specs[id].Name, c.Processes[id].Name)
		}
	}
}

func TestSpecs(t *testing.T) {
	c, _ := good(t)
	_, api := find(t, c, "api")
	same(t, "api", supervisor.Spec{
		Name: "api", Role: ordering.Worker, Enabled: true, Instances: 3, Restart: supervisor.RestartOnFailure,
		Backoff: supervisor.Backoff{Min: time.Second, Max: 5 * time.Second, ResetAfter: time.Minute},
		OnExit:  supervisor.Ignore,
		Ready:   supervisor.Readiness{Kind: supervisor.ReadyProbe, Timeout: 20 * time.Second, Continue: true},
		Stop:    []supervisor.StopStep{{Signal: syscall.SIGINT, Timeout: 15 * time.Second}},
		Hooks: map[supervisor.HookKind]time.Duration{
			supervisor.PreStop: 3 * time.Second, supervisor.PostStart: 5 * time.Second,
			supervisor.PreDrain: 2 * time.Second,
		},
	}, api)
	_, db := find(t, c, "db")
	same(t, "a command takes the place of the signal in [defaults]", []supervisor.StopStep{
		{Command: true, Timeout: 7 * time.Second},
		{Signal: syscall.SIGQUIT, Timeout: 2 * time.Second},
		{Command: true, Timeout: 10 * time.Second},
	}, db.Stop)
	same(t, "restart of [defaults]", supervisor.RestartAlways, db.Restart)
	_, edge := find(t, c, "edge")
	same(t, "timeout 0s: killed at once", []supervisor.StopStep(nil), edge.Stop)
	same(t, "hooks of a gateway", map[supervisor.HookKind]time.Duration{
		supervisor.PreStop: 5 * time.Second, supervisor.PreDrain: 2 * time.Second,
	}, edge.Hooks)
	_, migrate := find(t, c, "migrate")
	same(t, "a task is ready when it has exited", supervisor.Readiness{Kind: supervisor.ReadyExit}, migrate.Ready)
	_, spare := find(t, c, "spare")
	same(t, "without its profile", false, spare.Enabled)
	_, watch := find(t, c, "watch")
	same(t, "instances", 0, watch.Instances)
	same(t, "essential", true, !migrate.Optional)
	same(t, "not essential", true, watch.Optional)
}

func TestInstances(t *testing.T) {
	c, dir := good(t)
	api, _ := find(t, c, "api")
	same(t, "instances", 3, len(api.Instances))
	second := api.Instances[1]
	parts := filepath.Join(dir, "parts")
	env := []string{
		"HOME=/home/me", "PATH=/opt/bin:/bin:/usr/bin", "LEVEL=debug", "FROM_FILE=a file", "NESTED=a file!", "PORT=9001",
		"BOTH=a file//home/me", "ME=api-2", "LASTOUT_PROCESS=api", "LASTOUT_INSTANCE=2",
	}
	hook := func(line int, argv ...string) Command {
		return Command{Argv: argv, Dir: parts, Env: env, Line: line, DeathSignal: syscall.SIGTERM}
	}
	same(t, "api.2", Instance{
		Name: "api.2", N: 2,
		Command: Command{
			Argv: []string{"gunicorn", "-b", "127.0.0.1:9001", "--name", "api.2", "cost: 5$", "{other}"}, Dir: parts, Env: env,
			Line: 53, DeathSignal: syscall.SIGINT,
		},
		Hooks: map[supervisor.HookKind]Command{
			supervisor.PreStop:   hook(66, "/bin/sh", "-c", "./deregister $PORT"),
			supervisor.PreDrain:  hook(30, "/bin/sh", "-c", "./away"),
			supervisor.PostStart: hook(67, "./register", "9001"),
		},
		Stop:    []Command{{}},
		Probe:   Probe{HTTP: "http://127.0.0.1:9001/healthz", Interval: 100 * time.Millisecond},
		LogFile: filepath.Join(dir, "log", "api.2.log"),
	}, second)
	same(t, "log", Log{
		Stdout: LogFile, Stderr: LogPrefix, File: filepath.Join(dir, "log", "api.1.log"), MaxSize: 1 << 20, MaxFiles: 2,
	}, api.Log)
}

func TestSingleInstances(t *testing.T) {
	c, dir := good(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	migrate, _ := find(t, c, "migrate")
	same(t, "the command lastout is the running program", Command{
		Argv: []string{self, "demo"}, Dir: dir, Line: 46, DeathSignal: syscall.SIGINT,
		Env: []string{"HOME=/home/me", "LEVEL=info", "PATH=/bin", "LASTOUT_PROCESS=migrate", "LASTOUT_INSTANCE=1"},
	}, migrate.Instances[0].Command)
	same(t, "name", "migrate", migrate.Instances[0].Name)
	same(t, "log", Log{Stdout: LogInherit, MaxSize: 1 << 20, MaxFiles: 5}, migrate.Log)

	db, _ := find(t, c, "db")
	i := db.Instances[0]
	same(t, "default of a variable", "/srv/db", i.Command.Argv[2])
	same(t, "probe", []string{"/bin/sh", "-c", "pg_isready -q"}, i.Probe.Exec.Argv)
	same(t, "interval", 250*time.Millisecond, i.Probe.Interval)
	same(t, "stop commands", [][]string{{"pg_ctl", "stop", "-m", "fast"}, nil, {"/bin/sh", "-c", "./force"}},
		[][]string{i.Stop[0].Argv, i.Stop[1].Argv, i.Stop[2].Argv})
	same(t, "log", Log{Stderr: LogNull, MaxSize: 1 << 20, MaxFiles: 5, Timestamps: true}, db.Log)

	worker, _ := find(t, c, "worker")
	same(t, "folder", filepath.Join(dir, "parts", "data"), worker.Instances[0].Command.Dir)
	same(t, "log file", filepath.Join(dir, "parts", "data", "worker.log"), worker.Instances[0].LogFile)
	same(t, "ready", Probe{FD: 7, Interval: 100 * time.Millisecond}, worker.Instances[0].Probe)
	edge, _ := find(t, c, "edge")
	same(t, "ready", Probe{TCP: "127.0.0.1:8080", Interval: 100 * time.Millisecond}, edge.Instances[0].Probe)
	spare, _ := find(t, c, "spare")
	same(t, "instances of what is not enabled", 0, len(spare.Instances))
}

// TestProfile makes a profile active: its process is wanted then, with all that belongs to it.
func TestProfile(t *testing.T) {
	text := `[process.spare]
shell = 'exec ./spare --pid $$ ${X} {name}'
profiles = ["night", "day"]
ready = { log = 'ready in \d{2}ms' }`
	for _, profile := range []string{"day", "night"} {
		c := loadGood(t, text, LoadOptions{Profiles: []string{"other", profile}})
		if !c.Specs[0].Enabled {
			t.Fatalf("profile %q does not enable the process", profile)
		}
		i := c.Processes[0].Instances[0]
		same(t, "a shell's line is not expanded", "exec ./spare --pid $$ ${X} {name}", i.Command.Argv[2])
		same(t, "a pattern is not expanded", `ready in \d{2}ms`, i.Probe.Log.String())
	}
	if c := loadGood(t, text, LoadOptions{Profiles: []string{"Day"}}); c.Specs[0].Enabled {
		t.Error("another profile enables the process")
	}
	if c := loadGood(t, text+"\nenabled = false", LoadOptions{Profiles: []string{"day"}}); c.Specs[0].Enabled {
		t.Error("a profile enables what is not enabled")
	}
	file := filepath.Join(testdata, "good", "lastout.toml")
	if _, err := Load(file, LoadOptions{Env: []string{"HOME=/", "PATH=/"}, Profiles: []string{"day"}}); err == nil ||
		!strings.Contains(err.Error(), `process "spare": cwd: cannot use "no/such/folder"`) {
		t.Errorf("an enabled process runs in no such folder: %v", err)
	}
}

func loadGood(t *testing.T, text string, o LoadOptions) *Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "lastout.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRestart is the rule of each role, without and with [defaults].
func TestRestart(t *testing.T) {
	const processes = `
[process.worker]
command = ["./a"]
[process.task]
role = "task"
command = ["./a"]
[process.own]
role = "task"
command = ["./a"]
restart = "on-failure"
`
	for defaults, want := range map[string][3]supervisor.Restart{
		"":           {supervisor.RestartOnFailure, supervisor.RestartNever, supervisor.RestartOnFailure},
		"always":     {supervisor.RestartAlways, supervisor.RestartNever, supervisor.RestartOnFailure},
		"on-failure": {supervisor.RestartOnFailure, supervisor.RestartOnFailure, supervisor.RestartOnFailure},
		"never":      {supervisor.RestartNever, supervisor.RestartNever, supervisor.RestartOnFailure},
	} {
		text := processes
		if defaults != "" {
			text = "defaults.restart = \"" + defaults + "\"\n" + text
		}
		c := loadGood(t, text, LoadOptions{})
		got := [3]supervisor.Restart{c.Specs[0].Restart, c.Specs[1].Restart, c.Specs[2].Restart}
		same(t, "restart with "+defaults, want, got)
	}
}

// TestNoFault is what looks odd and is right.
func TestNoFault(t *testing.T) {
	c := loadGood(t, `
[defaults]
ready = { timeout = "5s" }
log = { file = "unused.log" }
backoff = { min = "1s", max = "1s" }

[process.a]
command = ["./a"]

[process.many]
command = ["./many"]
instances = 2
log = { stdout = "file", file = "many.log" }
stop = { signal = "RTMIN+3", timeout = "1ns" }
`, LoadOptions{})
	same(t, "a bound on readiness, and no way to find it out", supervisor.ReadyExec, c.Specs[0].Ready.Kind)
	many := c.Processes[1].Instances
	same(t, "copies share a file", many[0].LogFile, many[1].LogFile)
	same(t, "stop", []supervisor.StopStep{{Signal: 37, Timeout: 1}}, c.Specs[1].Stop)
}

// TestTreeName is made of the folder's where the file gives none.
func TestTreeName(t *testing.T) {
	for folder, want := range map[string]string{"shop": "shop", "My Shop.v2": "my-shop-v2", "ö": "lastout", "_a": "_a"} {
		dir := filepath.Join(t.TempDir(), folder)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "x.toml")
		if err := os.WriteFile(file, []byte("[process.a]\ncommand = [\"./a\"]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(file, LoadOptions{})
		if err != nil || c.Name != want || c.File != file {
			t.Errorf("%q is called %v, %v, want %q", folder, c, err, want)
		}
	}
}

// TestUnreadable is a file that is not there, or is none.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	for file, want := range map[string]string{
		filepath.Join(dir, "none.toml"): "none.toml: cannot read it: no such file or directory",
		dir:                             ": cannot read it: is a directory",
	} {
		if _, err := Load(file, LoadOptions{}); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "lastout.toml")
	text := "include = [\"pipe\"]\n[process.a]\ncommand = [\"./a\"]\nenv_file = [\"pipe\", \"/dev/null\"]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(file, LoadOptions{})
	if err == nil || strings.Count(err.Error(), "it is no plain file") != 2 {
		t.Errorf("a named pipe would be waited for: %v", err)
	}
}

// TestSecretsStaySecret demands that a broken file of variables is not shown.
func TestSecretsStaySecret(t *testing.T) {
	dir := t.TempDir()
	for _, secret := range []string{"A='hunter2", "A=1\nhunter2$=x", "A=\"hunter2\nB=hunter2"} {
		if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "lastout.toml")
		text := "[process.a]\ncommand = [\"./a\"]\nenv_file = \".env\"\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(file, LoadOptions{}); err == nil || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

// TestInherited keeps from children what a service manager says to lastout alone.
func TestInherited(t *testing.T) {
	c := loadGood(t, "[process.a]\ncommand = [\"./a\", \"${LASTOUT_X}\"]\n", LoadOptions{Env: []string{
		"A=1", "B=1", "A=2", "LASTOUT_X=x", "LISTEN_FDNAMES=x", "LISTENER=kept", "NOTIFY_SOCKET=x", "NOTIFY=kept", "E=",
		"WATCHDOG_USEC=1", "WATCHDOG_PID=1",
	}})
	command := c.Processes[0].Instances[0].Command
	want := []string{"A=2", "B=1", "LISTENER=kept", "NOTIFY=kept", "E=", "LASTOUT_PROCESS=a", "LASTOUT_INSTANCE=1"}
	same(t, "environment", want, command.Env)
	same(t, "a variable that is not inherited can be named", []string{"./a", "x"}, command.Argv)
	if slices.ContainsFunc(command.Env, func(s string) bool { return !strings.Contains(s, "=") }) {
		t.Error("an entry is no variable")
	}
}
