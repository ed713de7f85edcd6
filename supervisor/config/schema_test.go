package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// documented is every key of the documentation's table, and those of the circumstances of a child and of cgroup v2.
var documented = strings.Fields(`
	version name include x-note
	shutdown.timeout shutdown.reserve shutdown.delay shutdown.kill_timeout shutdown.linger shutdown.exit_code
	shutdown.when_done control.socket control.listen control.allow_users log.level log.format hooks.before_shutdown
	hooks.after_shutdown guardian.enabled socket.N.listen socket.N.backlog socket.N.reuseport socket.N.mode socket.N.user
	socket.N.group
	process.P.x-note process.P.role process.P.enabled process.P.profiles process.P.essential process.P.command
	process.P.shell process.P.instances process.P.port process.P.depends_on process.P.fronts process.P.outlives
	process.P.sockets process.P.preset process.P.env process.P.env.A process.P.env_file process.P.clear_env process.P.cwd
	process.P.user process.P.group process.P.umask process.P.limits process.P.limits.nofile process.P.restart
	process.P.backoff.min process.P.backoff.max process.P.backoff.reset_after process.P.backoff.limit process.P.on_exit
	process.P.ready.tcp process.P.ready.http process.P.ready.exec process.P.ready.notify process.P.ready.fd
	process.P.ready.log process.P.ready.delay process.P.ready.timeout process.P.ready.interval
	process.P.ready.on_timeout
	process.P.health.http process.P.health.tcp process.P.health.exec process.P.health.watchdog process.P.health.interval
	process.P.health.timeout process.P.health.failures process.P.health.grace
	process.P.drain.signal process.P.drain.command process.P.drain.until process.P.drain.probe process.P.drain.quiet
	process.P.drain.timeout process.P.drain.settle process.P.drain.quiesce process.P.drain.preconnects
	process.P.drain.ports
	process.P.stop.signal process.P.stop.command process.P.stop.timeout process.P.stop.then process.P.stop.then.signal
	process.P.stop.then.command process.P.stop.then.timeout
	process.P.hooks.pre_start process.P.hooks.post_start process.P.hooks.pre_drain process.P.hooks.pre_stop
	process.P.hooks.post_stop process.P.hooks.pre_stop.command process.P.hooks.pre_stop.shell
	process.P.hooks.pre_stop.timeout
	process.P.log.stdout process.P.log.stderr process.P.log.file process.P.log.max_size process.P.log.max_files
	process.P.log.timestamps
	process.P.groups process.P.nice process.P.oom_score_adj process.P.capabilities process.P.no_new_privs process.P.stdin
	process.P.memory_max process.P.pids_max process.P.cpu_weight
	defaults.role defaults.enabled defaults.profiles defaults.essential defaults.env defaults.env_file defaults.clear_env
	defaults.cwd defaults.user defaults.group defaults.umask defaults.limits defaults.restart defaults.backoff
	defaults.on_exit defaults.ready defaults.health defaults.stop defaults.hooks defaults.log`)

// TestSchemaIsComplete looks each documented key up.
func TestSchemaIsComplete(t *testing.T) {
	for _, key := range documented {
		r := rules()
		for _, name := range strings.Split(key, ".") {
			if r = r.find(name); r == nil {
				t.Errorf("%s is not known", key)
				break
			}
		}
	}
	for _, key := range strings.Fields(`command shell instances port depends_on fronts outlives sockets
	preset drain x-note`) {
		if rules().keys["defaults"].find(key) != nil {
			t.Errorf("%s can stand in [defaults]", key)
		}
	}
}

// samples are right values where their type alone does not say one.
var samples = map[string]string{
	"version": "1", "name": `"shop"`, "include": `["none/*.toml"]`, "shutdown.delay": `"1s"`,
	"shutdown": `{ timeout = "10s" }`, "log": `{ level = "warn" }`, "control": `{}`, "guardian": `{}`, "defaults": `{}`,
	"socket": `{}`, "socket.*": `{ listen = "127.0.0.1:80" }`, "socket.*.listen": `["127.0.0.1:80", "udp:[::1]:53"]`,
	"socket.*.mode": `"600"`, "process.*.sockets": "[]", "hooks": `{}`, "process": `{ p = { command = ["./p"] } }`,
	"process.*": `{ command = ["./p"] }`, "process.*.depends_on": `["other"]`, "process.*.fronts": `["other"]`,
	"process.*.outlives": `["other"]`, "process.*.cwd": `"."`, "process.*.env_file": `["?none.env"]`,
	"process.*.ready": `{ delay = "1s" }`, "process.*.ready.tcp": `"127.0.0.1:80"`,
	"process.*.ready.http": `"http://127.0.0.1/"`, "process.*.ready.fd": "3", "process.*.ready.notify": "true",
	"process.*.backoff": `{ limit = 3 }`, "process.*.stop": `{ timeout = "3s" }`, "process.*.hooks": `{}`,
	"process.*.env": `{ A = "1" }`, "process.*.limits": `{}`, "process.*.user": "0",
	"process.*.group": `"root"`, "process.*.groups": `["root"]`, "process.*.umask": `"022"`,
	"process.*.capabilities": `["CAP_KILL"]`, "process.*.log": `{}`, "process.*.health": `{ tcp = "127.0.0.1:80" }`,
	"process.*.health.tcp": `"127.0.0.1:80"`, "process.*.health.http": `"http://127.0.0.1/"`,
	"process.*.drain": `{ quiet = "1s" }`, "control.listen": `"127.0.0.1:9180"`, "control.allow_users": `["0", "7:read"]`,
	"process.*.pdeathsig": `"KILL"`, "process.*.stop.then": `[{ signal = "QUIT" }]`,
}

// company is what a key needs beside it to make sense.
var company = map[string]string{
	"process.*.fronts": `role = "gateway"`, "process.*.hooks.pre_drain": `role = "gateway"`,
	"process.*.hooks.pre_drain.command": `role = "gateway"`, "process.*.hooks.pre_drain.shell": `role = "gateway"`,
	"process.*.health.interval": `health.tcp = "127.0.0.1:80"`, "process.*.health.timeout": `health.tcp = "127.0.0.1:80"`,
	"process.*.health.failures": `health.tcp = "127.0.0.1:80"`, "process.*.health.grace": `health.tcp = "127.0.0.1:80"`,
	"process.*.ready.timeout": `ready.delay = "1s"`, "process.*.ready.interval": `ready.delay = "1s"`,
	"process.*.ready.on_timeout": `ready.delay = "1s"`, "process.*.log.file": `log.stdout = "file"`,
	"process.*.stop.then.timeout":       `signal = "QUIT"`,
	"process.*.hooks.pre_drain.timeout": `role = "gateway"`,
	"socket.*.backlog":                  `socket.p.listen = "unix:x"`, "socket.*.reuseport": `socket.p.listen = "unix:x"`,
	"socket.*.mode": `socket.p.listen = "unix:x"`, "socket.*.user": `socket.p.listen = "unix:x"`,
	"socket.*.group": `socket.p.listen = "unix:x"`,
}

// sample is a right value for a key.
func sample(k Key) string {
	if s, ok := samples[k.Path]; ok {
		return s
	}
	switch {
	case k.Type&Strings != 0:
		return `["./x", "y"]`
	case k.Type&Word != 0:
		return fmt.Sprintf("%q", k.Words[0])
	case k.Type&Integer != 0:
		return fmt.Sprint(max(k.Range[0], 1))
	case k.Type&Bool != 0:
		return "false"
	case k.Type&Duration != 0:
		return `"3s"`
	case k.Type&Signal != 0:
		return `"QUIT"`
	case k.Type&Size != 0:
		return `"1MiB"`
	case k.Type&Integers != 0:
		return "[80]"
	case k.Type&Table != 0: // the hooks
		return `{ command = ["./x"] }`
	default:
		return `"text"`
	}
}

// besideDrain is what a key of a drain table needs beside it.
func besideDrain(names []string) string {
	beside := "role = \"gateway\"\n"
	switch {
	case len(names) == 0:
	case names[0] == "probe":
		beside += "drain.until = \"probe\"\n"
	case names[0] != "signal" && names[0] != "command":
		beside += "drain.signal = \"QUIT\"\n"
	}
	return beside
}

// hookTables are the tables of a process that hooks stand in.
var hookTables = []string{"hooks", "drain"}

// written is a file in which the key has the value, and the value's line.
func written(k Key, value string) (text string, line int) {
	path := strings.ReplaceAll(strings.ReplaceAll(k.Path, "x-*", "x-note"), "limits.*", "limits.nofile")
	path = strings.ReplaceAll(path, "env.*", "env.A")
	before := "[process.other]\ncommand = [\"./other\"]\n"
	names := strings.Split(path, ".")
	beside := company[k.Path]
	switch {
	case names[0] == "process" && len(names) == 1:
		before = ""
	case names[0] == "process" && len(names) > 2:
		before += "[process.p]\n"
		if len(names) > 3 || names[2] != "command" && names[2] != "shell" {
			before += "command = [\"./p\"]\n"
		}
		path = strings.Join(names[2:], ".")
		if rest, ok := strings.CutPrefix(path, "stop.then."); ok {
			before += "[[process.p.stop.then]]\n"
			path = rest
		}
	default:
		path = strings.ReplaceAll(path, "*", "p")
		if hook, ok := strings.CutSuffix(path, ".timeout"); ok && names[0] == "hooks" {
			beside = hook + `.shell = "./x"`
		}
		return fmt.Sprintf("%s\n%s = %s\n%s", beside, path, value, before), 2
	}
	if len(names) < 3 {
		return before + path + " = " + value + "\n", strings.Count(before, "\n") + 1
	}
	if hook, ok := strings.CutSuffix(path, ".timeout"); ok && slices.Contains(hookTables, names[2]) && len(names) > 4 {
		before += hook + ".shell = \"./x\"\n"
	}
	if names[2] == "drain" {
		beside = besideDrain(names[3:])
	}
	before += beside + "\n"
	return before + path + " = " + value + "\n", strings.Count(before, "\n") + 1
}

// loadText loads a configuration that consists of one file.
func loadText(t *testing.T, text string) (*Config, []Fault) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "lastout.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, LoadOptions{Env: []string{"PATH=/bin:/usr/bin", "HOME=/home/me"}})
	var faults *Error
	if err != nil && !errors.As(err, &faults) {
		t.Fatalf("Load gives %v", err)
	}
	if faults == nil {
		return c, nil
	}
	return c, faults.Faults
}

// TestEveryKeyTakesItsType writes each key of the schema with a right value: it passes.
func TestEveryKeyTakesItsType(t *testing.T) {
	for _, k := range Schema() {
		t.Run(k.Path, func(t *testing.T) {
			text, _ := written(k, sample(k))
			if _, faults := loadText(t, text); len(faults) > 0 {
				t.Fatalf("refused: %v in\n%s", faults, text)
			}
		})
	}
}

// wrongs are values, with the types that they are right for.
var wrongs = []struct {
	value string
	right Type
}{
	{"-123456", 0},
	{"2.5", 0},
	{"1979-05-27", 0},
	{"true", Bool},
	{`"no such thing"`, String | Word | Duration | Signal | Size},
	{"[1.5]", 0},
	{"[{ zzz = 1 }]", Tables},
	{"{ zzz = 1 }", Table},
}

// TestEveryKeyRefusesOthers writes each key of the schema with values of other types: each is refused at its line.
func TestEveryKeyRefusesOthers(t *testing.T) {
	for _, k := range Schema() {
		if k.Type == Any {
			continue
		}
		for _, wrong := range wrongs {
			if k.Type&wrong.right != 0 || wrong.value == "-123456" && k.Type&Integer != 0 && k.Range == [2]int64{} {
				continue
			}
			text, line := written(k, wrong.value)
			_, faults := loadText(t, text)
			refused := func(f Fault) bool { return f.Line == line && !strings.Contains(f.Text, "not built") }
			if !slices.ContainsFunc(faults, refused) {
				t.Errorf("%s = %s is not refused at line %d: %v in\n%s", k.Path, wrong.value, line, faults, text)
			}
		}
	}
}

// TestDefaultsAreAsDocumented writes each key with the default that the schema tells: it changes nothing.
func TestDefaultsAreAsDocumented(t *testing.T) {
	tried := 0
	for _, k := range Schema() {
		if k.Default == "" || strings.Contains(k.Default, " ") || k.Default == "derived" {
			continue
		}
		value := fmt.Sprintf("%q", k.Default)
		if k.Type&(Integer|Bool) != 0 {
			value = k.Default
		}
		with, line := written(k, value)
		lines := strings.Split(with, "\n")
		lines[line-1] = ""
		got, faults := loadText(t, with)
		want, more := loadText(t, strings.Join(lines, "\n"))
		if got == nil || want == nil {
			t.Fatalf("%s: %v %v", k.Path, faults, more)
		}
		ignore := []cmp.Option{
			cmpopts.IgnoreFields(Config{}, "File", "Graph", "Name"),
			cmpopts.IgnoreUnexported(Config{}),
			cmpopts.IgnoreFields(Command{}, "Dir"),
			cmpopts.IgnoreFields(Fault{}, "File"),
			cmpopts.IgnoreFields(Socket{}, "Listen"), // its path is in another folder
		}
		if diff := cmp.Diff(want, got, ignore...); diff != "" {
			t.Errorf("%s = %s is not the default:\n%s", k.Path, value, diff)
		}
		tried++
	}
	if tried < 35 {
		t.Errorf("only %d defaults tried", tried)
	}
}
