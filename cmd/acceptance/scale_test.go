package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sleepers is n children that do nothing; one process with n instances.
func sleepers(n int) string {
	return fmt.Sprintf("[process.c]\ncommand = [\"sleep\", \"infinity\"]\ninstances = %d\n", n)
}

// upDown is how long it takes n sleepers to come up and to go down.
func upDown(t testing.TB, n int) (up, down time.Duration) {
	x := launch(t, sleepers(n))
	x.untilReady(n)
	up = time.Since(x.started)
	code, down := x.stop(syscall.SIGTERM)
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	return up, down
}

// TestScale holds that ten times the children cost not much more than ten times the processor time: lastout's own, and
// theirs, which are all alike.
func TestScale(t *testing.T) {
	spent := func(n int) time.Duration {
		x := launch(t, sleepers(n))
		x.untilReady(n)
		if code, _ := x.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit %d", code)
		}
		return x.cmd.ProcessState.UserTime() + x.cmd.ProcessState.SystemTime()
	}
	few, many := spent(100), spent(1000)
	t.Logf("up and down: 100 in %v, 1000 in %v", few, many)
	if many > 15*few {
		t.Errorf("1000 children cost %v, 100 %v", many, few)
	}
}

// TestIdle holds that a tree in which nothing happens costs nothing: no timer, no poll.
func TestIdle(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	x := launch(t, sleepers(1000))
	x.untilReady(1000)
	// The garbage collector's last work after the start is not idleness yet.
	<-time.After(3 * time.Second)
	before := voluntarySwitches(t, x.cmd.Process.Pid)
	<-time.After(30 * time.Second)
	if n := voluntarySwitches(t, x.cmd.Process.Pid) - before; n > 2 {
		t.Errorf("%d voluntary context switches in 30 idle seconds", n)
	}
	if code, _ := x.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// voluntarySwitches adds up the voluntary context switches of all threads (proc_pid_status(5)).
func voluntarySwitches(t testing.TB, pid int) int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("no threads of %d: %v", pid, err)
	}
	sum := 0
	for _, f := range tasks {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, ok := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		if !ok {
			t.Fatalf("%s has no voluntary_ctxt_switches", f)
		}
		line, _, _ := strings.Cut(rest, "\n")
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}
