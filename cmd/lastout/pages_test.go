package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"lastout/cmd/lastout/help"
	"lastout/supervisor/config"
)

// pages are all that a person reads: the topics of the help, and the README.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, topic := range help.Topics() {
		all[topic], _ = help.Text(topic)
	}
	for _, file := range []string{"README.md", "testdata/deploy/README.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		all[file] = string(text)
	}
	return all
}

// setting is the beginning of one, wherever it stands in a text.
var setting = regexp.MustCompile(`(?:^|[\s({,;:])([a-z][a-z_]*(?:\.[a-z][a-z_]*)*) = ((?:["\[{]|\d|true\b|false\b).*)`)

// places are where a page may mean a setting that it shows by itself, with what such a setting may need beside it.
var places = []string{
	"%s\n" + self, "[shutdown]\n%s\n" + self, "[control]\n%s\n" + self, "[log]\n%s\n" + self, "[hooks]\n%s\n" + self,
	"[guardian]\n%s\n" + self, "[socket.web]\n%s\n" + self, "[socket.web]\nlisten = \"unix:/run/x\"\n%s\n" + self,
	self + "%s", self + "port = 8000\n%s", "[process.self]\nport = 8000\n%s", self + "role = \"gateway\"\n%s",
	self + "port = 8000\nready.%s", self + "ready = { tcp = \"127.0.0.1:1\" }\nready.%s",
	self + "[process.self.ready]\ntcp = \"127.0.0.1:1\"\n%s",
	self + "port = 8000\nhealth.%s", self + "[process.self.health]\ntcp = \"127.0.0.1:1\"\n%s",
	self + "[process.self.log]\n%s", self + "[process.self.log]\nstdout = \"file\"\n%s", self + "[process.self.log]\nfile = \"x\"\n%s",
	self + "role = \"gateway\"\ndrain.%s", self + "role = \"gateway\"\n[process.self.drain]\nprobe = { command = [\"true\"] }\n%s",
	self + "stop.%s", self + "hooks.%s", self + "backoff.%s", self + "limits.%s",
}

const self = "[process.self]\ncommand = [\"true\"]\n"

// strangers are the faults of a setting that names what is not there: a process, a socket, a user, a file.
var strangers = regexp.MustCompile(`: unknown process|there is no (\[socket\.|user|group)|cannot read`)

// TestPagesSettings holds that each setting in a page is one: that its key is known somewhere, and its value taken there.
func TestPagesSettings(t *testing.T) {
	for key, value := range map[string]string{"restart": `"sometimes"`, "restrat": `"always"`, "limits": `{ nofiles = 3 }`} {
		if nowhere(t, key, value) == nil {
			t.Errorf("%s = %s counts as one", key, value)
		}
	}
	for page, text := range pages(t) {
		found := 0
		for n, line := range strings.Split(text, "\n") {
			for rest := line; ; {
				m := setting.FindStringSubmatch(rest)
				if m == nil {
					break
				}
				rest = m[2]
				value := oneValue(m[2])
				if value == "" {
					continue // it goes on in the next line: TestPagesExamples
				}
				found++
				if why := nowhere(t, m[1], value); why != nil {
					t.Errorf("%s:%d: %s = %s: %v", page, n+1, m[1], value, why)
				}
			}
		}
		if page == "configuration" && found < 30 {
			t.Errorf("only %d settings are found in %s", found, page)
		}
	}
}

// oneValue is the value of TOML that a text begins with; nothing: it is not whole.
func oneValue(text string) string {
	for end := 1; end <= len(text); end++ {
		if end < len(text) && !strings.ContainsRune(" ,;.:)}", rune(text[end])) {
			continue
		}
		dir := text[:end]
		if strings.Count(dir, `"`)%2 == 0 && strings.Count(dir, "{") == strings.Count(dir, "}") && strings.Count(dir, "[") == strings.Count(dir, "]") {
			return dir
		}
	}
	return ""
}

// nowhere says why a setting is none in any place; nil: it is one in some.
func nowhere(t *testing.T, key, value string) (why error) {
	t.Helper()
	for _, place := range places {
		err := loads(t, fmt.Sprintf(place, key+" = "+value))
		if err == nil {
			return nil
		}
		if why == nil {
			why = err
		}
	}
	return why
}

// loads says what is wrong with a configuration, but for what it names and does not have.
func loads(t *testing.T, text string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "lastout.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(file, config.LoadOptions{Env: []string{"PATH=/bin", "HOME=/", "VAR=x"}})
	var bad *config.Error
	if !errors.As(err, &bad) {
		return err
	}
	var left []error
	for _, f := range bad.Faults {
		if !strangers.MatchString(f.Text) {
			left = append(left, errors.New(f.Text))
		}
	}
	return errors.Join(left...)
}

// example is a whole configuration in a page: indented below its name, or between fences.
var example = regexp.MustCompile("(?m)(?:^    # lastout.toml\n(?:^(?:    .*)?\n)+|^```toml\n(?s:.*?)\n```)")

// TestPagesExamples loads each whole configuration in a page: it has no fault, and nothing to be warned of.
func TestPagesExamples(t *testing.T) {
	seen := map[string]int{}
	for page, text := range pages(t) {
		for _, block := range example.FindAllString(text, -1) {
			seen[page]++
			block = strings.Trim(strings.TrimPrefix(block, "```toml"), "`")
			dir := t.TempDir()
			file := filepath.Join(dir, "lastout.toml")
			if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
			o := config.LoadOptions{Env: os.Environ()}
			if strings.Contains(block, "profiles =") {
				o.Profiles = []string{"dev"}
			}
			c, err := config.Load(file, o)
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			for _, w := range c.Warnings {
				t.Errorf("%s: %v", page, w)
			}
		}
	}
	for _, page := range []string{"vm", "development", "README.md"} {
		if seen[page] == 0 {
			t.Errorf("%s has no example", page)
		}
	}
}

var (
	called    = regexp.MustCompile(`(?m)(?:^    |` + "`" + `)(?:docker exec \w+ )?/?lastout ([a-z].*)$`)
	beside    = regexp.MustCompile(`(?:   |, |; )lastout ([a-z][^,;]*)`)
	topics    = regexp.MustCompile(`lastout help\s+([a-z][a-z-]*)`)
	dockerRun = regexp.MustCompile(`(?m)^ *ENTRYPOINT (\[.*\])$`)
)

// TestPagesCommands holds that each call of lastout in a page is of a verb that there is, with flags that it has.
func TestPagesCommands(t *testing.T) {
	app := (&program{}).app()
	for _, wrong := range [][]string{{"rnu"}, {"run", "--grase", "3s"}, {"help", "dreams"}, {"export", "nomad"}} {
		if knows(app.Commands, wrong) == nil {
			t.Errorf("there is said to be %q", wrong)
		}
	}
	for page, text := range pages(t) {
		var calls [][]string
		lines := called.FindAllStringSubmatch(text, -1)
		if page == "coming-from" {
			lines = beside.FindAllStringSubmatch(text, -1)
		}
		for _, m := range lines {
			line, _, _ := strings.Cut(m[1], "  ")
			line, _, _ = strings.Cut(line, "`")
			calls = append(calls, strings.Fields(line))
		}
		for _, m := range topics.FindAllStringSubmatch(text, -1) {
			calls = append(calls, []string{"help", m[1]})
		}
		for _, m := range dockerRun.FindAllStringSubmatch(text, -1) {
			var args []string
			if err := json.Unmarshal([]byte(m[1]), &args); err != nil || len(args) < 2 {
				t.Errorf("%s: %s: %v", page, m[0], err)
				continue
			}
			calls = append(calls, args[1:])
		}
		for _, args := range calls {
			if err := knows(app.Commands, args); err != nil {
				t.Errorf("%s: lastout %s: %v", page, strings.Join(args, " "), err)
			}
		}
	}
}

// knows says what of a call there is not.
func knows(commands []*cli.Command, args []string) error {
	i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(strings.TrimRight(args[0], ",:;.")) })
	if i < 0 {
		return fmt.Errorf("no verb %q", args[0])
	}
	c := commands[i]
	if c.Name == "help" && len(args) > 1 {
		topic := strings.TrimRight(args[1], ",:;.)")
		if _, ok := help.Text(topic); !ok && !slices.ContainsFunc(commands, func(c *cli.Command) bool { return c.HasName(topic) }) {
			return fmt.Errorf("no topic %q", topic)
		}
		return nil
	}
	if len(args) > 1 && len(c.Subcommands) > 0 && !strings.HasPrefix(args[1], "-") {
		return knows(c.Subcommands, args[1:])
	}
	for _, a := range args[1:] {
		switch name := strings.Trim(a, "-[],;:.)"); {
		case a == "--", strings.ContainsAny(a, "|&>#;(") || strings.HasSuffix(a, ","):
			return nil
		case !strings.HasPrefix(a, "-") || name == "":
		case !slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }) && name != "help" && name != "h":
			return fmt.Errorf("no flag %s", a)
		}
	}
	return nil
}

// foreign are the options of others that have a line in coming-from.
var foreign = map[string]string{
	"tini":      "-g -s -e -p -w -v -h -l --version TINI_SUBREAPER TINI_KILL_PROCESS_GROUP TINI_VERBOSITY",
	"dumb-init": "-c --single-child -r --rewrite -v --verbose -h --help -V --version DUMB_INIT_DEBUG DUMB_INIT_SETSID",
	"catatonit": "-g -h -L -P -V",
	"s6-overlay": "S6_KEEP_ENV S6_LOGGING S6_BEHAVIOUR_IF_STAGE2_FAILS S6_KILL_FINISH_MAXTIME S6_KILL_GRACETIME " +
		"S6_SERVICES_GRACETIME S6_CMD_WAIT_FOR_SERVICES S6_CMD_WAIT_FOR_SERVICES_MAXTIME S6_READ_ONLY_ROOT S6_SYNC_DISKS " +
		"S6_STAGE2_HOOK S6_VERBOSITY S6_CMD_RECEIVE_SIGNALS cont-init.d cont-finish.d fix-attrs.d with-contenv type run up finish " +
		"dependencies.d contents.d notification-fd timeout-up timeout-down timeout-kill timeout-finish down-signal " +
		"max-death-tally flag-essential producer-for consumer-for S6_LOGGING_SCRIPT S6_CATCHALL_USER S6_CMD_ARG0 " +
		"S6_CMD_USE_TERMINAL S6_FIX_ATTRS_HIDDEN S6_SERVICES_READYTIME S6_RUNTIME_PROFILE S6_RUNTIME_BUNDLEDIR " +
		"S6_WAIT_FOR_CLOSING_FD S6_YES_I_WANT_A_WORLD_WRITABLE_RUN_ services.d s6-permafailon",
	"supervisord": "command process_name numprocs numprocs_start priority autostart startsecs startretries autorestart " +
		"exitcodes stopsignal stopwaitsecs stopasgroup killasgroup user redirect_stderr stdout_logfile stdout_logfile_maxbytes " +
		"stdout_logfile_backups stdout_capture_maxbytes stdout_events_enabled stdout_syslog stderr_ environment directory umask " +
		"serverurl nodaemon loglevel minfds minprocs logfile silent childlogdir nocleanup pidfile identifier strip_ansi chmod " +
		"chown username password socket_owner socket_mode socket_backlog [include] [group:x] [fcgi-program:x] " +
		"[eventlistener:x] [rpcinterface:x] [supervisorctl]",
	"systemd": "ExecStart= ExecStartPre= ExecStartPost= ExecCondition= ExecReload= ExecStop= ExecStopPost= KillMode= KillSignal= " +
		"RestartKillSignal= SendSIGHUP= SendSIGKILL= FinalKillSignal= WatchdogSignal= Restart= RestartSec= RestartSteps= " +
		"RestartMaxDelaySec= RestartMode= RestartPreventExitStatus= RestartForceExitStatus= SuccessExitStatus= TimeoutStartSec= " +
		"TimeoutStopSec= TimeoutAbortSec= TimeoutSec= TimeoutStartFailureMode= TimeoutStopFailureMode= RuntimeMaxSec= WatchdogSec= " +
		"StartLimitBurst= StartLimitIntervalSec= Type= PIDFile= RemainAfterExit= NotifyAccess= User= Group= UMask= Nice= " +
		"Environment= EnvironmentFile= WorkingDirectory= MemoryMax= TasksMax= " +
		"ExitType= GuessMainPID= BusName= OOMPolicy= ReloadSignal= Sockets= FileDescriptorStoreMax= SupplementaryGroups= " +
		"LimitNOFILE= OOMScoreAdjust= AmbientCapabilities= CapabilityBoundingSet= NoNewPrivileges= PassEnvironment= " +
		"UnsetEnvironment= StandardInput= StandardOutput= StandardError= SyslogIdentifier= CPUWeight= MemoryHigh= CPUQuota= " +
		"IOWeight= CPUSchedulingPolicy= CPUAffinity= IOSchedulingClass= IgnoreSIGPIPE= RuntimeDirectory= StateDirectory= " +
		"DynamicUser= LoadCredential= SystemCallFilter= Delegate= Slice= StartLimitAction= FailureAction= SuccessAction= " +
		"After= Before= Requires= Wants= PartOf= BindsTo= Conflicts= Requisite= Upholds= WantedBy= ListenStream= Backlog= " +
		"SocketMode= SocketUser= SocketGroup=",
}

// TestComingFrom holds that nobody looks for one of his options in vain.
func TestComingFrom(t *testing.T) {
	text, _ := help.Text("coming-from")
	for _, program := range slices.Sorted(maps.Keys(foreign)) {
		at := strings.Index(text, "\n"+program)
		if at < 0 {
			t.Errorf("nothing on %s", program)
			continue
		}
		part := regexp.MustCompile(`\n\n[a-z]`).Split(text[at+1:], 2)[0]
		for option := range strings.FieldsSeq(foreign[program]) {
			if !regexp.MustCompile(`(?:^|[\s,;/])` + regexp.QuoteMeta(option)).MatchString(part) {
				t.Errorf("%s: nothing on %s", program, option)
			}
		}
	}
}
