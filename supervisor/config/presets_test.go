package config

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// steps makes stop steps of signals and seconds.
func steps(pairs ...any) []supervisor.StopStep {
	var made []supervisor.StopStep
	for i := 0; i < len(pairs); i += 2 {
		made = append(made, supervisor.StopStep{
			Signal: pairs[i].(syscall.Signal), Timeout: time.Duration(pairs[i+1].(int)) * time.Second,
		})
	}
	return made
}

const (
	term, intr, quit = syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT
	usr1, winch      = syscall.SIGUSR1, syscall.SIGWINCH
)

// wantPresets is what each preset makes of a process that says nothing else. invite is of a gateway: 0, and until no
// exit, is a watch without a signal.
var wantPresets = []struct {
	name   string
	role   ordering.Role
	stop   []supervisor.StopStep
	until  supervisor.Until
	invite syscall.Signal
}{
	{"nginx", ordering.Worker, steps(quit, 10, term, 2), supervisor.UntilExit, quit},
	{"haproxy", ordering.Worker, steps(usr1, 10, term, 2), supervisor.UntilExit, usr1},
	{"envoy", ordering.Worker, steps(term, 10), supervisor.UntilQuiet, 0},
	{"caddy", ordering.Worker, steps(term, 10), supervisor.UntilExit, term},
	{"traefik", ordering.Worker, steps(term, 12), supervisor.UntilExit, term},
	{"apache", ordering.Worker, steps(winch, 10, term, 2), supervisor.UntilExit, winch},
	{"uwsgi", ordering.Worker, steps(term, 65, intr, 2), supervisor.UntilQuiet, 0},
	{"uwsgi-router", ordering.Worker, steps(term, 10, intr, 2), supervisor.UntilQuiet, 0},
	{"gunicorn", ordering.Worker, steps(term, 35), supervisor.UntilQuiet, 0},
	{"uvicorn", ordering.Worker, steps(term, 10), supervisor.UntilQuiet, 0},
	{"puma", ordering.Worker, steps(term, 35), supervisor.UntilQuiet, 0},
	{"unicorn", ordering.Worker, steps(quit, 65, term, 2), supervisor.UntilQuiet, 0},
	{"php-fpm", ordering.Worker, steps(quit, 10, term, 2), supervisor.UntilQuiet, 0},
	{"node", ordering.Worker, steps(term, 10), supervisor.UntilQuiet, 0},
	{"go-http", ordering.Worker, steps(term, 10), supervisor.UntilQuiet, 0},
	{"celery", ordering.Worker, steps(term, 60, quit, 5), supervisor.UntilNothing, 0},
	{"sidekiq", ordering.Worker, steps(term, 30), supervisor.UntilExit, syscall.SIGTSTP},
	{"postgresql", ordering.Service, steps(intr, 60, quit, 5), supervisor.UntilNothing, 0},
	{"mysql", ordering.Service, steps(term, 60), supervisor.UntilNothing, 0},
	{"redis", ordering.Service, steps(term, 60), supervisor.UntilNothing, 0},
	{"memcached", ordering.Service, steps(term, 5), supervisor.UntilNothing, 0},
	{"rabbitmq", ordering.Service, steps(term, 60), supervisor.UntilNothing, 0},
}

// TestPresets makes of each preset a process as it is, and a gateway.
func TestPresets(t *testing.T) {
	for _, want := range wantPresets {
		t.Run(want.name, func(t *testing.T) {
			c := loadGood(t, fmt.Sprintf(`
[process.plain]
command = ["./a"]
preset = %[1]q
[process.edge]
command = ["./a"]
role = "gateway"
fronts = []
preset = %[1]q
`, want.name), LoadOptions{})
			plain, edge := c.Specs[0], c.Specs[1]
			same(t, "role", want.role, plain.Role)
			same(t, "stop", want.stop, plain.Stop)
			same(t, "who is no gateway is not drained unasked", supervisor.Drain{}, plain.Drain)
			same(t, "a gateway's stop", want.stop, edge.Stop)
			until, invited := want.until, want.until != supervisor.UntilNothing
			if !invited {
				until = supervisor.UntilQuiet // as any gateway for which nothing is written
			}
			same(t, "a gateway's end", until, edge.Drain.Until)
			same(t, "a gateway's invitation", supervisor.Invite{Signal: want.invite}, edge.Drain.Invite)
			same(t, "a gateway drains only if it listens", !invited, edge.Drain.Listens)
		})
	}
	var names, known []string
	for _, want := range wantPresets {
		known = append(known, want.name)
	}
	for _, preset := range Presets() {
		names = append(names, preset.Name)
	}
	slices.Sort(names)
	slices.Sort(known)
	same(t, "presets", known, names)
}

// TestPresetsAreWhole demands of each what people shall be told, and that it leaves the program its own time.
func TestPresetsAreWhole(t *testing.T) {
	owner := map[string]string{}
	for _, preset := range Presets() {
		if preset.Source == "" || preset.graceful() == "" || len(preset.Pitfalls) == 0 {
			t.Errorf("%s lacks its source, its stop signal or its pitfalls", preset.Name)
		}
		if slices.Contains(preset.abrupt, preset.graceful()) || len(preset.abrupt) > 0 && preset.does == "" {
			t.Errorf("%s: %s is %v, which %q", preset.Name, preset.graceful(), preset.abrupt, preset.does)
		}
		for _, program := range preset.programs {
			if first, taken := owner[program]; taken {
				t.Errorf("%s is a program of %s and %s", program, first, preset.Name)
			}
			owner[program] = preset.Name
		}
		c := loadGood(t, fmt.Sprintf("[process.a]\ncommand = [\"./a\"]\npreset = %q\n", preset.Name), LoadOptions{})
		if granted := c.Specs[0].Stop[0].Timeout; granted < preset.own {
			t.Errorf("%s takes %v of its own, and is granted %v", preset.Name, preset.own, granted)
		}
	}
	Presets()[0].Name = "other"
	if Presets()[0].Name == "other" {
		t.Error("the list is not the caller's own")
	}
}

// TestPresetLayers is the order of what is written: a process's own keys, its preset, [defaults].
func TestPresetLayers(t *testing.T) {
	c := loadGood(t, `
[defaults]
role = "gateway"
restart = "always"
stop = { command = ["./stop"], timeout = "3s", then = [{ signal = "USR2", timeout = "1s" }] }

[process.store]
command = ["./a"]
preset = "postgresql"

[process.worker]
role = "worker"
command = ["./a"]
preset = "gunicorn"

[process.own]
command = ["./a"]
fronts = []
preset = "nginx"
stop = { timeout = "4s" }
drain = { until = "connections", command = { command = ["./leave"] } }

[process.asked]
role = "worker"
command = ["./a"]
preset = "sidekiq"
drain = { until = "probe", probe = { command = ["./idle"] } }

[process.plain]
role = "worker"
command = ["./a"]
`, LoadOptions{})
	_, store := find(t, c, "store")
	same(t, "a preset's role is above that of [defaults]", ordering.Service, store.Role)
	same(t, "a preset's stop is above that of [defaults]", steps(intr, 60, quit, 5), store.Stop)
	same(t, "of what a preset does not say, [defaults] are asked", supervisor.RestartAlways, store.Restart)
	_, worker := find(t, c, "worker")
	same(t, "tables merge key by key", steps(term, 35, syscall.SIGUSR2, 1), worker.Stop)
	_, own := find(t, c, "own")
	same(t, "own keys are above the preset's", steps(quit, 4, term, 2), own.Stop)
	same(t, "an own command takes the place of the preset's signal", supervisor.Drain{
		Quiesce: true, Invite: supervisor.Invite{Command: 5 * time.Second}, Until: supervisor.UntilConnections,
		Timeout: 10 * time.Second, Settle: time.Second,
	}, own.Drain)
	_, asked := find(t, c, "asked")
	same(t, "who has a drain table of its own has the preset's below it", supervisor.Drain{
		Invite: supervisor.Invite{Signal: syscall.SIGTSTP}, Until: supervisor.UntilProbe, Timeout: 10 * time.Second,
	}, asked.Drain)
	_, plain := find(t, c, "plain")
	same(t, "without a preset", 2, len(plain.Stop))
}

// TestPresetAtOnce takes a timeout of 0s, though further steps are known.
func TestPresetAtOnce(t *testing.T) {
	c := loadGood(t, "[process.a]\ncommand = [\"./a\"]\npreset = \"nginx\"\nstop.timeout = \"0s\"\n", LoadOptions{})
	same(t, "stop", []supervisor.StopStep(nil), c.Specs[0].Stop)
}

// TestPitfalls has for each pitfall that can be seen a process that falls in, and one beside it that does not.
func TestPitfalls(t *testing.T) {
	seen := map[string]bool{}
	for _, pair := range []struct{ preset, in, out string }{
		{"nginx", `command = ["nginx"]`, `command = ["nginx", "-g", "daemon off;"]`},
		{"nginx", `shell = "exec nginx"`, `shell = "exec nginx -c /etc/edge.conf"`},
		{"haproxy", `command = ["haproxy", "-D"]`, `command = ["haproxy", "-W"]`},
		{"caddy", `command = ["caddy", "start"]`, `command = ["caddy", "run"]`},
		{"apache", `command = ["httpd"]`, `command = ["httpd", "-DFOREGROUND"]`},
		{"apache", `command = ["apache2", "-k", "start"]`, `command = ["apache2", "-X"]`},
		{"uwsgi-router", `command = ["uwsgi", "--http", ":80"]`, `command = ["uwsgi", "--die-on-term"]`},
		{"uwsgi", `command = ["uwsgi"]`, `command = ["uwsgi", "--hook-master-start", "unix_signal:15 gracefully_kill_them_all"]`},
		{"uwsgi", `command = ["uwsgi", "--die-on-term", "--daemonize=/log"]`, `command = ["uwsgi", "--die-on-term"]`},
		{"uwsgi", `command = ["uwsgi"]`, "command = [\"uwsgi\"]\nstop.command = [\"./stop\"]"},
		{"uwsgi", `command = ["uwsgi"]`, "command = [\"uwsgi\"]\nstop.timeout = \"0s\""},
		{"gunicorn", `command = ["gunicorn", "-D", "app"]`, `command = ["gunicorn", "app"]`},
		{"unicorn", `command = ["unicorn", "-D"]`, `command = ["unicorn"]`},
		{"php-fpm", `command = ["php-fpm8.2", "-F"]`, ``},
		{"node", `command = ["npm", "start"]`, `command = ["node", "npm"]`},
		{"go-http", `command = ["go", "run", "."]`, `command = ["./server", "go"]`},
		{"celery", `command = ["celery", "multi", "start"]`, `command = ["celery", "worker"]`},
		{"sidekiq", "command = [\"sidekiq\"]\ndrain = {}", `command = ["sidekiq"]`},
		{
			"sidekiq", "command = [\"sidekiq\"]\ndrain.until = \"exit\"",
			"command = [\"sidekiq\"]\ndrain = { until = \"probe\", probe = { shell = \"exec ./idle\" } }",
		},
		{"postgresql", `command = ["pg_ctl", "start"]`, `command = ["postgres"]`},
		{"mysql", `command = ["/usr/bin/mysqld_safe"]`, `command = ["mysqld"]`},
		{"redis", `command = ["redis-server", "--daemonize", "yes"]`, `command = ["redis-server"]`},
		{"memcached", `command = ["memcached", "-d"]`, `command = ["memcached"]`},
		{"memcached", `command = ["memcached", "-e", "/tmpfs/m"]`, `command = ["memcached", "-m", "64"]`},
		{"rabbitmq", `command = ["rabbitmq-server", "-detached"]`, `command = ["rabbitmq-server"]`},
	} {
		preset := presetOf(&table{vals: map[string]value{"preset": {is: pair.preset}}})
		head := fmt.Sprintf("[process.a]\npreset = %q\n", pair.preset)
		fell := fallsInto(t, preset, head+pair.in)
		if len(fell) != 1 {
			t.Errorf("%s with %s falls into %q", pair.preset, pair.in, fell)
		}
		for _, text := range fell {
			seen[text] = true
		}
		if pair.out == "" {
			continue
		}
		if fell := fallsInto(t, preset, head+pair.out); len(fell) > 0 {
			t.Errorf("%s with %s falls into %q", pair.preset, pair.out, fell)
		}
	}
	for _, preset := range Presets() {
		for _, pitfall := range preset.Pitfalls {
			if pitfall.applies != nil && !seen[pitfall.Text] {
				t.Errorf("%s: nobody falls into %q", preset.Name, pitfall.Text)
			}
		}
	}
}

// fallsInto are the pitfalls of the preset that check warns of.
func fallsInto(t *testing.T, preset *Preset, text string) (fell []string) {
	t.Helper()
	for _, warning := range loadGood(t, text, LoadOptions{}).Warnings {
		for _, pitfall := range preset.Pitfalls {
			if strings.HasSuffix(warning.Text, pitfall.Text) {
				fell = append(fell, pitfall.Text)
			}
		}
	}
	return fell
}
