package onecmd

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// state is the state of a process as /proc tells it: R, S, T, Z.
func state(t testing.TB, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return rest[:1]
}

// TestSuspends stops lastout by the signals of job control: the command stops as well, and both go on together.
func TestSuspends(t *testing.T) {
	for _, args := range [][]string{{"init"}, {"init", "-g"}, {"tini", "-s"}, {"dumb-init"}, {"dumb-init", "-c"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			l := (world{}).start(t, append(args, "sh", "-c", `trap 'echo on' CONT; sleep 1000 & echo ready $$; while :; do wait; done`)...)
			pid := l.number()
			for _, s := range jobControl {
				l.send(s)
				l.untilStopped()
				if got := state(t, pid); got != "T" && args[0] != "dumb-init" {
					t.Errorf("%v: the command is in state %s", s, got)
				}
				l.send(syscall.SIGCONT)
				l.says("on")
				l.untilContinued()
				if got := state(t, l.Process.Pid) + state(t, pid); strings.Contains(got, "T") {
					t.Errorf("%v: they are in the states %s", s, got)
				}
			}
		})
	}
}

// TestSuspendsThough stops dumb-init when a signal of job control comes, whatever it is rewritten to.
func TestSuspendsThough(t *testing.T) {
	l := (world{}).start(t, append([]string{"dumb-init", "-r", "21:15", "-r", "22:2", "-r", "20:1"}, printer()...)...)
	l.number()
	for s, want := range map[syscall.Signal]string{syscall.SIGTTIN: "15", syscall.SIGTTOU: "2", syscall.SIGTSTP: "1"} {
		l.send(s)
		l.says(want)
		l.untilStopped()
		l.send(syscall.SIGCONT)
		l.says("18")
	}
}
