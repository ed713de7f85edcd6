package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"lastout/supervisor"
	"lastout/supervisor/control"
)

// sec is a duration for a status.
func sec(s control.Seconds) *control.Seconds { return &s }

// shop is a tree with something of everything.
func shop() *control.Status {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	one := func(name string, state supervisor.State, since control.Seconds, pid int) control.InstanceStatus {
		x := control.InstanceStatus{
			Name: name, State: state, For: since, PID: pid, Run: uint64(pid), Ready: state == supervisor.Ready, Wanted: true,
		}
		if pid > 0 {
			x.Usage = &control.Usage{Processes: 3, Memory: int64(pid) << 15, CPU: since / 7}
		}
		return x
	}
	db := one("db", supervisor.Ready, 200000, 4712)
	api1, api2, api3 := one("api.1", supervisor.Ready, 86399, 4801), one("api.2", supervisor.InBackoff, 1.2, 0),
		one("api.3", supervisor.Running, 4, 4803)
	api1.Restarts, api1.Exit = 1, &control.ExitStatus{Code: 1}
	api2.Restarts, api2.Exit, api2.Left = 12, &control.ExitStatus{Signal: "SIGSEGV"}, sec(2.83)
	api3.Why, api3.Left = "dial tcp 127.0.0.1:9002: connect: connection refused", sec(56)
	edge := one("edge", supervisor.Ready, 3725, 4900)
	edge.Connections = &control.Connections{Busy: 3, Idle: 1204, Queued: 2}
	seed := one("seed", supervisor.Done, 3725, 0)
	seed.Ready, seed.Exit = true, &control.ExitStatus{}
	long := one("a-process-with-a-rather-long-name", supervisor.Waiting, 59, 0)
	long.WaitsFor = []control.Wait{{Name: "api.2", Left: sec(2.83)}, {Name: "api.3"}}
	mail := one("mail", supervisor.Failed, 7200, 0)
	mail.Exit = &control.ExitStatus{Code: 78}
	process := func(name, role string, xs ...control.InstanceStatus) control.ProcessStatus {
		return control.ProcessStatus{Name: name, Role: role, Instances: xs}
	}
	return &control.Status{
		About: control.About{Name: "shop", PID: 4711, File: "/srv/shop/lastout.toml", Began: now.Add(-200001 * time.Second)},
		Now:   now, Phase: supervisor.Up,
		Processes: []control.ProcessStatus{
			process("db", "service", db), process("api", "worker", api1, api2, api3), process("edge", "gateway", edge),
			process("seed", "task", seed), process("a-process-with-a-rather-long-name", "worker", long), process("mail", "worker", mail),
			process("batch", "worker"),
			{Name: "debug", Role: "worker", Disabled: true},
		},
	}
}

// stoppingShop is the same while it leaves.
func stoppingShop() *control.Status {
	s := shop()
	s.Phase, s.Left = supervisor.Walking, sec(21.34)
	api := s.Processes[1].Instances
	for i := range api {
		api[i].Why, api[i].Exit, api[i].Ready = "", nil, false
	}
	api[0].State, api[1].State, api[2].State = supervisor.Stopped, supervisor.Stopping, supervisor.Killing
	api[0].PID, api[0].Usage, api[1].Left, api[2].Left = 0, nil, sec(7.31), sec(0.4)
	s.Processes[2].Instances[0].State = supervisor.Drained
	s.Processes[2].Instances[0].WaitsFor = []control.Wait{{Name: "api.2", Left: sec(7.31)}, {Name: "api.3", Left: sec(0.4)}}
	s.Processes[0].Instances[0].WaitsFor = []control.Wait{{Name: "edge"}, {Name: "api.2", Left: sec(7.31)}, {Name: "api.3"}}
	return s
}

// The tree as it is shown in a narrow terminal, in a wide one, and to a pipe.
func TestStatusText(t *testing.T) {
	for name, test := range map[string]struct {
		s     *control.Status
		width int
	}{
		"up-80": {shop(), 80}, "up-200": {shop(), 200}, "up-pipe": {shop(), 0}, "up-40": {shop(), 40},
		"stopping-80": {stoppingShop(), 80}, "stopping-200": {stoppingShop(), 200},
	} {
		text := statusView{width: test.width}.text(test.s, nil)
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); test.width > 0 && n > test.width {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
		file := filepath.Join("..", "..", "testdata", "status", name+".golden")
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), text); diff != "" {
			t.Errorf("%s is shown otherwise (-want +got):\n%s", name, diff)
		}
	}
}

// A page fits the screen, clears what stood there, and shows the use of the processor since the page before.
func TestStatusPage(t *testing.T) {
	last, s := shop(), shop()
	last.Now = s.Now.Add(-2 * time.Second)
	last.Processes[0].Instances[0].Usage.CPU = s.Processes[0].Instances[0].Usage.CPU - 1
	page := statusView{width: 200}.page(s, last, 7)
	lines := strings.Split(page, "\r\n")
	if len(lines) != 7 || !strings.HasPrefix(lines[6], "... and 7 lines") {
		t.Errorf("%d lines: %q", len(lines), page)
	}
	for _, line := range lines {
		if !strings.HasSuffix(line, clearLine) {
			t.Errorf("%q leaves something behind", line)
		}
	}
	if !strings.Contains(lines[2], " 50%") {
		t.Errorf("db used half a processor: %q", lines[2])
	}
}

func TestElapsed(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", time.Minute: "1m00s", time.Hour - 1: "59m59s", 25 * time.Hour: "1d1h",
		90 * time.Minute: "1h30m",
	} {
		if got := elapsed(d); got != want {
			t.Errorf("elapsed(%v) = %s, want %s", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0.0KiB", 9 << 10: "9.0KiB", 999 << 10: "999KiB", 1000 << 10: "1.0MiB", 3 << 40: "3.0TiB", 5000 << 40: "5000TiB"} {
		if got := memoryText(n); got != want {
			t.Errorf("memoryText(%d) = %s, want %s", n, got, want)
		}
	}
}
