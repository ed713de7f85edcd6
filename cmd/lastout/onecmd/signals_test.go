package onecmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"lastout/process/signame"

	"lastout/cmd/lastout/bare"
)

// all lists the signals that can be caught.
func all() (list []syscall.Signal) {
	for s := syscall.Signal(1); s <= signame.RTMax; s++ {
		if s != syscall.SIGKILL && s != syscall.SIGSTOP {
			list = append(list, s)
		}
	}
	return list
}

// TestPassesOn sends every signal that can be caught, one after another: each reaches the command, those too that Go
// hands to nobody (URG, PROF, STKFLT, 32, 33, 34), and those that a fault would send.
func TestPassesOn(t *testing.T) {
	for _, args := range [][]string{{"init"}, {"init", "-g"}, {"init", "--single-child"}, {"tini", "-s"}, {"dumb-init"}, {"dumb-init", "-c"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			inBothWorlds(t, func(t *testing.T, w world) {
				l := w.start(t, append(args, printer()...)...)
				l.number()
				for _, s := range all() {
					if args[0] == "dumb-init" && (s == syscall.SIGTSTP || s == syscall.SIGTTIN || s == syscall.SIGTTOU) {
						continue // TestSuspends
					}
					l.send(s)
					l.says(fmt.Sprint(int(s)))
				}
			})
		})
	}
}

// TestPassesEachOn sends a real-time signal many times, which the kernel queues: none is merged with another.
func TestPassesEachOn(t *testing.T) {
	l := (world{}).start(t, append([]string{"init"}, printer()...)...)
	l.number()
	const times = 500
	for range times {
		l.send(signame.RTMin + 6)
	}
	for range times {
		l.says("40")
	}
}

// TestFlood sends more of one signal than the pipe has room for, and another one behind them: that is passed on, too.
func TestFlood(t *testing.T) {
	l := (world{}).start(t, append([]string{"init"}, printer()...)...)
	l.number()
	l.send(syscall.SIGSTOP)
	l.untilStopped()
	const times = 5000
	for range times {
		l.send(signame.RTMin + 6)
	}
	l.send(signame.RTMax)
	l.send(syscall.SIGCONT)
	got := ""
	for heard := 0; got != fmt.Sprint(int(signame.RTMax)); heard++ {
		if heard > times+1 {
			t.Fatal("it passes on more than came")
		}
		got = l.line()
	}
}

// TestRewrites passes on another signal than came, or none.
func TestRewrites(t *testing.T) {
	type signals = []syscall.Signal
	for _, c := range []struct {
		args       []string
		sent, come signals
	}{
		{[]string{"init"}, signals{15, 3, 18, 2}, signals{15, 3, 18, 2}},
		{[]string{"init", "--rewrite", "15:2"}, signals{15, 3, 18, 2}, signals{2, 3, 18, 2}},
		{[]string{"init", "--rewrite=TERM:INT", "--rewrite=SIGINT:TERM", "--rewrite=3:3"}, signals{15, 3, 18, 2}, signals{2, 3, 18, 15}},
		{[]string{"init", "--rewrite", "1:63", "--rewrite", "RTMAX-1:HUP"}, signals{1, 63}, signals{63, 1}},
		{[]string{"init", "--rewrite", "TERM:0", "--rewrite", "28:0"}, signals{15, 28, 1}, signals{0, 0, 1}},
		{[]string{"init", "--rewrite", "20:15", "--rewrite", "TTIN:0", "--rewrite", "TTOU:INT"}, signals{20, 21, 22}, signals{15, 0, 2}},
		{[]string{"dumb-init", "-r", "15:2", "-r2:15", "--rewrite=3:3"}, signals{15, 3, 18, 2}, signals{2, 3, 18, 15}},
		{[]string{"dumb-init", "-r", "1:31", "-r", "31:1"}, signals{1, 31}, signals{31, 1}},
		{[]string{"dumb-init", "-r", "15:3", "-r", "2:0", "-r", "28:0"}, signals{15, 2, 28, 1}, signals{3, 0, 0, 1}},
		{[]string{"dumb-init", "-c", "-r", "15:2", "-r2:0"}, signals{15, 2, 18}, signals{2, 0, 18}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			l := (world{}).start(t, append(c.args, printer()...)...)
			l.number()
			for i, s := range c.sent {
				l.send(s)
				if c.come[i] != 0 {
					l.says(fmt.Sprint(int(c.come[i])))
				}
			}
			l.send(64) // and nothing else comes, before this or behind
			l.says("64")
		})
	}
}

// TestGroup signals the whole process group where that is wanted, and the command alone where not.
func TestGroup(t *testing.T) {
	for _, c := range []struct {
		args  []string
		env   string
		group bool
	}{
		{args: []string{"init"}},
		{args: []string{"init", "-g"}, group: true},
		{args: []string{"init", "--group"}, group: true},
		{args: []string{"init"}, env: "LASTOUT_GROUP=1", group: true},
		{args: []string{"init", "--single-child"}},
		{args: []string{"tini", "-s"}},
		{args: []string{"tini", "-sg"}, group: true},
		{args: []string{"tini", "-s"}, env: "TINI_KILL_PROCESS_GROUP=", group: true},
		{args: []string{"dumb-init"}, group: true},
		{args: []string{"dumb-init", "-c"}},
		{args: []string{"dumb-init"}, env: "DUMB_INIT_SETSID=0"},
	} {
		t.Run(c.env+" "+strings.Join(c.args, " "), func(t *testing.T) {
			if name, value, ok := strings.Cut(c.env, "="); ok {
				t.Setenv(name, value)
			}
			// Two that print: the command, and one beside it in its group.
			script := fmt.Sprintf("%s -helper print & exec %s -helper print", self(), self())
			l := (world{}).start(t, append(c.args, "sh", "-c", script)...)
			l.number()
			l.number()
			l.send(syscall.SIGUSR1)
			l.says("10")
			if c.group {
				l.says("10")
			}
			l.send(syscall.SIGUSR2)
			l.says("12")
		})
	}
}

// TestInherits starts the command with the signal mask, the ignored signals and the limit of open files that lastout was
// started with; without its entry as far as Go's runtime leaves them alone.
func TestInherits(t *testing.T) {
	for _, args := range [][]string{{"lastout", "init"}, {"lastout", "init", "--single-child"}, {"tini", "-s"}, {"dumb-init"}} {
		for name := range twists {
			t.Run(strings.Join(args, " ")+" "+name, func(t *testing.T) {
				if !bare.Entered() && name != "nothing" && name != "what stays" {
					skip(t, "this test binary was linked without -ldflags '-E lastout_entry'")
				}
				inherits(t, name, args)
			})
		}
	}
}

func inherits(t *testing.T, name string, lastout []string) {
	args := append([]string{"helper", "-helper", "twist", name, self()}, lastout...)
	text, err := (world{}).command(append(args, "cat", "/proc/self/status", "/proc/self/limits")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		got[name] = strings.TrimSpace(value)
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			got["files"] = strings.Fields(rest)[0]
		}
	}
	want := twists[name]
	for key, value := range map[string]string{
		"SigBlk": fmt.Sprintf("%016x", maskOf(want.blocked)),
		"SigIgn": fmt.Sprintf("%016x", maskOf(want.ignored)),
		"files":  fmt.Sprint(twistFiles),
	} {
		if got[key] != value {
			t.Errorf("%s: %s, want %s", key, got[key], value)
		}
	}
}

// TestPassesOnWhatWasIgnored passes a signal on to a command that was started with it ignored or blocked, and listens to
// it now.
func TestPassesOnWhatWasIgnored(t *testing.T) {
	for name := range twists {
		t.Run(name, func(t *testing.T) {
			l := (world{}).start(t, append([]string{"helper", "-helper", "twist", name, self(), "lastout", "init"}, printer()...)...)
			l.number()
			for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, 34} {
				l.send(s)
				l.says(fmt.Sprint(int(s)))
			}
		})
	}
}

// TestParentDeath ends the parent of lastout.
func TestParentDeath(t *testing.T) {
	start := func(t *testing.T, args ...string) *life {
		return (world{}).start(t, append([]string{"helper", "-helper", "start", self()}, args...)...)
	}
	for _, args := range [][]string{{"lastout", "init", "-p", "USR1"}, {"tini", "-s", "-p", "SIGUSR1"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			l := start(t, append(args, printer()...)...)
			pid := l.number()
			l.send(syscall.SIGKILL)
			l.says("10")
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			l.over("10")
		})
	}
	t.Run("KILL takes the command along", func(t *testing.T) {
		l := start(t, append([]string{"lastout", "init", "-p", "KILL"}, printer()...)...)
		l.number()
		l.send(syscall.SIGKILL)
		l.over()
	})
}

// over demands that everybody who had the pipe is gone, without another line, but for those that may be said again: of a
// parent with several threads the signal comes with the death of each that the process was handed to (prctl(2)).
func (l *life) over(again ...string) {
	l.Helper()
	text, err := io.ReadAll(l.out)
	for line := range strings.Lines(string(text)) {
		if !slices.Contains(again, strings.TrimSpace(line)) {
			err = errors.Join(err, fmt.Errorf("it says %q", line))
		}
	}
	if err != nil {
		l.Fatalf("%v, and everybody was to be gone", err)
	}
}

// TestHoldsNothing gives the command descriptors and a working directory, which lastout itself lets go.
func TestHoldsNothing(t *testing.T) {
	w := world{}
	cmd := w.command("init", "sh", "-c", "pwd; echo told >&3; exec 3>&-; read x")
	cmd.Dir = t.TempDir()
	r, three, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.ExtraFiles = []*os.File{three}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	three.Close()
	if text, err := io.ReadAll(r); err != nil || string(text) != "told\n" { // to its end: nobody else has it
		t.Errorf("%q, %v", text, err)
	}
	if dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", cmd.Process.Pid)); err != nil || dir != "/" {
		t.Errorf("works in %s, %v", dir, err)
	}
	in.Close()
	_ = cmd.Wait()
	if strings.TrimSpace(out.String()) != cmd.Dir {
		t.Errorf("the command began in %q, want %q", out.String(), cmd.Dir)
	}
}
