package acceptance

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestGuardianRescue kills lastout: its tree leaves in order all the same. Signals that come just then change nothing.
func TestGuardianRescue(t *testing.T) {
	const sigkill = 128 + int(syscall.SIGKILL)
	for name, attr := range places(t) {
		for how, c := range map[string]struct {
			kill, then syscall.Signal
			storm      bool // of SIGTERM, which changes nothing: service managers repeat it
			upgrades   int
			code       int
		}{
			"killed":                   {syscall.SIGKILL, 0, false, 0, sigkill},
			"killed, and told to stop": {syscall.SIGKILL, syscall.SIGTERM, false, 0, sigkill},
			"killed, and hung up":      {syscall.SIGKILL, syscall.SIGHUP, false, 0, sigkill},
			"killed after upgrades":    {syscall.SIGKILL, 0, false, 2, sigkill},
			"crashed":                  {syscall.SIGSEGV, 0, false, 0, 1},
			"killed in a storm":        {syscall.SIGKILL, 0, true, 0, sigkill},
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				nodes, conf := guardedForest(6, 12, name != "pid 1")
				x := launchWith(t, attr, conf)
				x.untilReady(len(nodes))
				for i := range c.upgrades {
					if out, err := x.upgrade("--binary", theBuilds(t)[i%2]); err != nil {
						t.Fatalf("%v\n%s", err, out)
					}
				}
				master, killed := x.master(), monotonic()
				if c.storm {
					x.storm(syscall.SIGTERM)
				}
				x.signal(master, c.kill)
				if c.then != 0 {
					x.signal(x.cmd.Process.Pid, c.then)
				}
				if code := x.wait(); code != c.code {
					t.Errorf("exit %d, want %d", code, c.code)
				}
				if told := fmt.Sprintf("exit %d\n", c.code); !strings.Contains(x.stderr.String(), told) {
					t.Errorf("the report does not end with %q", told)
				}
				first := int64(0)
				for _, l := range x.judgeOrder(nodes, leavesBefore(nodes)) {
					if l.term != 0 && (first == 0 || l.term < first) {
						first = l.term
					}
				}
				t.Logf("the first was told to leave %v after the death", time.Duration(first-killed))
				x.verify()
			})
		}
	}
}

// storm sends a signal again and again, from now until the end.
func (x *tree) storm(sig syscall.Signal) {
	pause := time.NewTicker(time.Millisecond)
	x.t.Cleanup(pause.Stop)
	go func() {
		for {
			select {
			case <-x.exited:
				return
			case <-pause.C:
				_ = x.cmd.Process.Signal(sig)
			}
		}
	}()
}

// TestGuardianRescueOutput kills lastout while its children write all the time: none of them is ended by SIGPIPE before
// its turn.
func TestGuardianRescueOutput(t *testing.T) {
	x := launch(t, guarded+`
[process.store]
role = "service"
command = ["$CHILD", "-record", "$DIR/store", "-count", "1ms"]
[process.api]
command = ["$CHILD", "-record", "$DIR/api.{instance}", "-count", "1ms", "-leave", "300ms"]
depends_on = ["store"]
instances = 3
`)
	x.untilReady(4)
	x.untilWritten(100)
	x.signal(x.master(), syscall.SIGKILL)
	if code := x.wait(); code != 128+int(syscall.SIGKILL) {
		t.Errorf("exit %d", code)
	}
	store := x.lives("store")
	if len(store) != 1 || store[0].term == 0 || store[0].exit == 0 {
		t.Fatalf("store: %+v", store)
	}
	for n := range 3 {
		api := x.lives(fmt.Sprintf("api.%d", n+1))
		if len(api) != 1 || api[0].exit == 0 || store[0].term < api[0].exit {
			t.Errorf("store: %+v, api.%d: %+v", store, n+1, api)
		}
	}
}

// untilWritten waits until lastout has written so many lines to its stdout.
func (x *tree) untilWritten(lines int) {
	x.t.Helper()
	for late := time.Now().Add(hangs); time.Now().Before(late); {
		if text, err := os.ReadFile(filepath.Join(x.dir, "stdout")); err != nil || bytes.Count(text, []byte("\n")) >= lines {
			return
		}
	}
	x.t.Fatalf("it does not write %d lines", lines)
}

// TestGuardianBinaryGone kills a lastout that was upgraded to a binary which is there no more: the guardian does by itself
// what it can, which is all of it where the two are of one format.
func TestGuardianBinaryGone(t *testing.T) {
	nodes, conf := guardedForest(7, 8, true)
	x := launch(t, conf)
	x.untilReady(len(nodes))
	copied := filepath.Join(x.dir, "lastout")
	text, err := os.ReadFile(theBuilds(t)[0])
	if err == nil {
		err = os.WriteFile(copied, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := x.upgrade("--binary", copied); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Remove(copied); err != nil {
		t.Fatal(err)
	}
	x.signal(x.master(), syscall.SIGKILL)
	if code := x.wait(); code != 128+int(syscall.SIGKILL) {
		t.Errorf("exit %d", code)
	}
	if want := "lastout: guardian: cannot execute " + copied; !strings.Contains(x.stderr.String(), want) {
		t.Errorf("it does not say %q\n%s", want, x.stderr.String())
	}
	x.judgeOrder(nodes, leavesBefore(nodes))
	x.verify()
}

// TestGuardianNoRegister kills a lastout that could note nobody, because no file may grow: nobody lives on all the same.
func TestGuardianNoRegister(t *testing.T) {
	bounded := []string{"sh", "-c", `ulimit -f 0 && exec "$0" "$@"`, lastoutBin}
	const conf = guarded + "[process.p]\ncommand = [\"$CHILD\", \"-ready\", \"3\"]\nready.fd = 3\n"
	// Without control groups: nobody knows of them then, either.
	x := launchBy(t, bounded, t.TempDir(), &syscall.SysProcAttr{}, conf, "--no-cgroup")
	x.untilReady(1)
	if said := "nobody will know what it has left"; !strings.Contains(x.stderr.String(), said) {
		t.Errorf("it does not say %q", said)
	}
	x.signal(x.master(), syscall.SIGKILL)
	if code := x.wait(); code != 128+int(syscall.SIGKILL) {
		t.Errorf("exit %d", code)
	}
}
