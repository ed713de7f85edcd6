package acceptance

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// guarded begins the configuration of a tree that has a guardian, which is the process that the harness started.
const guarded = "guardian.enabled = true\ncontrol.socket = \"$DIR/c.sock\"\n"

// master is the pid of the guardian's child, which is lastout itself.
func (x *tree) master() int {
	x.t.Helper()
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", x.cmd.Process.Pid))
	for _, file := range tasks {
		text, _ := os.ReadFile(file)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return pid
		}
	}
	x.t.Fatalf("the guardian has no child, or several\n%s", x.stderr.String())
	return 0
}

// places are where a guardian may live.
func places(t *testing.T) map[string]*syscall.SysProcAttr {
	all := map[string]*syscall.SysProcAttr{"own": {}}
	if os.Geteuid() == 0 {
		all["pid 1"] = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
		all["unprivileged"] = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	} else {
		t.Log("not as PID 1, and not as somebody else: that wants root")
	}
	return all
}

// guardedForest is a random tree with a guardian. Without gateways it does not look at sockets, which it cannot find in a
// PID namespace without a /proc of its own.
func guardedForest(seed uint64, n int, gateways bool) ([]node, string) {
	nodes := randomTree(rand.New(rand.NewPCG(seed, uint64(n))), n)
	var conf strings.Builder
	conf.WriteString(guarded)
	for i := range nodes {
		if nodes[i].role == "gateway" && !gateways {
			nodes[i].role = "worker"
		}
	}
	for _, n := range nodes {
		conf.WriteString(n.toml(nodes))
	}
	return nodes, conf.String()
}

// TestGuardianOrder stops a tree that has a guardian, by each of the two processes: all is as without one.
func TestGuardianOrder(t *testing.T) {
	for name, attr := range places(t) {
		for _, to := range []string{"guardian", "master", "down"} {
			t.Run(name+"/"+to, func(t *testing.T) {
				nodes, conf := guardedForest(4, 12, name != "pid 1")
				x := launchWith(t, attr, conf)
				x.untilReady(len(nodes))
				switch to {
				case "guardian":
					x.signal(x.cmd.Process.Pid, syscall.SIGTERM)
				case "master":
					x.signal(x.master(), syscall.SIGTERM)
				case "down":
					if out, err := x.ask("down"); err != nil {
						t.Fatalf("%v\n%s", err, out)
					}
				}
				if code := x.wait(); code != 0 {
					t.Errorf("exit %d", code)
				}
				x.judgeOrder(nodes, leavesBefore(nodes))
				x.verify()
			})
		}
	}
}

func (x *tree) signal(pid int, sig syscall.Signal) {
	x.t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		x.t.Fatal(err)
	}
}

// ask runs a verb that asks the control socket.
func (x *tree) ask(verb string, args ...string) (string, error) {
	cmd := exec.Command(lastoutBin, append([]string{verb, "--socket", filepath.Join(x.dir, "c.sock")}, args...)...)
	if a := x.cmd.SysProcAttr; a != nil && a.Credential != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.Credential}
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestGuardianCodes ends trees in many ways: the guardian has the master's exit code.
func TestGuardianCodes(t *testing.T) {
	for name, c := range map[string]struct {
		conf string
		stop bool
		code int
	}{
		"by itself":        {"[process.p]\nrole = \"task\"\ncommand = [\"true\"]\n", false, 0},
		"a process's own":  {"[process.p]\ncommand = [\"sh\", \"-c\", \"exit 7\"]\nrestart = \"never\"\n", false, 7},
		"of its signal":    {"[process.p]\nshell = \"kill -USR1 $$\"\nrestart = \"never\"\n", false, 128 + 10},
		"somebody killed":  {"[process.p]\ncommand = [\"$CHILD\", \"-ignore\", \"-ready\", \"3\"]\nready.fd = 3\nstop.timeout = \"100ms\"\n", true, 3},
		"cannot be read":   {"[process.p]\nshell = \"x\"\ncomand = [\"x\"]\n", false, 2},
		"nothing to start": {"[process.p]\ncommand = [\"/nowhere\"]\nrestart = \"never\"\n", false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			x := launch(t, guarded+c.conf)
			if c.stop {
				x.untilReady(1)
				x.signal(x.cmd.Process.Pid, syscall.SIGTERM)
			}
			if code := x.wait(); code != c.code {
				t.Errorf("exit %d, want %d\n%s", code, c.code, x.stderr.String())
			}
		})
	}
}

// TestGuardianEarly sends SIGTERM from the very begin on: whoever has listened once ends by it, in order.
func TestGuardianEarly(t *testing.T) {
	times := 60
	if testing.Short() {
		times = 20
	}
	early := 0
	for i := range times {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			x := launch(t, guarded+crashing)
			<-time.After(time.Duration(i)*30*time.Millisecond/time.Duration(times) - time.Since(x.started))
			switch code, _ := x.stop(syscall.SIGTERM); {
			case code == -1: // before the handler was in: the kernel's default
				early++
				if n := len(x.lives("db")) + len(x.lives("crash")); n > 0 {
					t.Errorf("somebody was started")
				}
			case code != 0:
				t.Errorf("exit %d", code)
			}
		})
	}
	t.Logf("%d of %d came before the first act", early, times)
}

// TestGuardianEarlyFirst does so where it is PID 1, whose signals the kernel drops while nobody catches them (signal(7)):
// from the moment that one is caught for the first time, none is.
func TestGuardianEarlyFirst(t *testing.T) {
	attr := places(t)["pid 1"]
	if attr == nil {
		unable(t, "only root makes PID namespaces")
	}
	times := 100
	if testing.Short() {
		times = 20
	}
	early := 0
	for i := range times {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			x := launchWith(t, attr, guarded+"[process.p]\ncommand = [\"$CHILD\", \"-record\", \"$DIR/p\"]\n")
			x.untilCatches(syscall.SIGTERM)
			<-time.After(time.Duration(i) * 15 * time.Millisecond / time.Duration(times))
			switch code, _ := x.stop(syscall.SIGTERM); {
			case code == 2: // before the first act: Go's runtime
				early++
				if n := len(x.lives("p")); n > 0 {
					t.Errorf("somebody was started")
				}
			case code != 0:
				t.Errorf("exit %d", code)
			}
		})
	}
	t.Logf("%d of %d came before the first act", early, times)
}

// untilCatches waits until lastout catches a signal.
func (x *tree) untilCatches(sig syscall.Signal) {
	x.t.Helper()
	for late := time.Now().Add(hangs); ; {
		// What is between fork and exec has the harness's handlers.
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", x.cmd.Process.Pid))
		if text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", x.cmd.Process.Pid)); exe == lastoutBin {
			_, rest, _ := strings.Cut(string(text), "\nSigCgt:\t")
			if mask, err := strconv.ParseUint(rest[:min(16, len(rest))], 16, 64); err == nil && mask&(1<<(sig-1)) != 0 {
				return
			}
		}
		if time.Now().After(late) {
			x.t.Fatalf("it does not catch %v", sig)
		}
	}
}

// pending says whether a signal is on its way to a process and was not taken yet.
func pending(t *testing.T, pid int, sig syscall.Signal) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nShdPnd:\t")
	mask, err := strconv.ParseUint(rest[:16], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return mask&(1<<(sig-1)) != 0
}

// TestGuardianUpgrades upgrades a busy tree and sends a signal that can be counted the whole time, each when the one
// before was taken, for the kernel merges equal ones: every one is heard.
func TestGuardianUpgrades(t *testing.T) {
	times := 50
	if testing.Short() {
		times = 10
	}
	paths := theBuilds(t)
	x := launch(t, strings.Replace("guardian.enabled = true\n"+busy, "[process.flees]", "[process.flees]\npdeathsig = \"none\"", 1))
	for i := range 8 {
		x.ready(fmt.Sprintf("out.%d", i+1), 1)
		x.ready(fmt.Sprintf("file.%d", i+1), 1)
	}
	guardian, sent := x.cmd.Process.Pid, 0
	for i := range times {
		upgraded := make(chan error, 1)
		go func() {
			out, err := x.upgrade("--binary", paths[i%2])
			if err != nil {
				err = fmt.Errorf("upgrade %d: %w\n%s", i+1, err, out)
			}
			upgraded <- err
		}()
		pause := time.NewTicker(time.Millisecond)
		for going := true; going; {
			select {
			case err := <-upgraded:
				if going = false; err != nil {
					t.Fatal(err)
				}
			case <-pause.C:
				if !pending(t, guardian, syscall.SIGUSR2) {
					x.signal(guardian, syscall.SIGUSR2)
					sent++
				}
			}
		}
		pause.Stop()
	}
	x.ready("crash", times/10)
	for late := time.Now().Add(hangs); pending(t, guardian, syscall.SIGUSR2); {
		if time.Now().After(late) {
			t.Fatal("the guardian takes no signal")
		}
	}
	if code, _ := x.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	x.verify()
	x.steadyPIDs()
	x.wholeLines()
	heard := strings.Count(x.stderr.String(), "SIGUSR2: log files are opened anew")
	t.Logf("%d signals in %d upgrades", sent, times)
	if heard != sent {
		t.Errorf("%d signals were sent, and %d heard", sent, heard)
	}
}

// TestGuardianStopInUpgrade sends one SIGTERM each time in or about the moment of an upgrade: it always ends the tree, in
// order.
func TestGuardianStopInUpgrade(t *testing.T) {
	times := 50
	if testing.Short() {
		times = 10
	}
	paths := theBuilds(t)
	for i := range times {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			x := launch(t, guarded+crashing)
			x.ready("edge", 1)
			upgraded := make(chan struct{})
			go func() {
				defer close(upgraded)
				x.upgrade("--binary", paths[0]) // refused if the signal was first
			}()
			<-time.After(time.Duration(i) * 40 * time.Millisecond / time.Duration(times))
			if code, _ := x.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit %d", code)
			}
			<-upgraded
			x.verify()
		})
	}
}

// TestGuardianLastMoment sends signals up to the very end: what the master leaves unread does not make its end another.
func TestGuardianLastMoment(t *testing.T) {
	times := 20
	if testing.Short() {
		times = 5
	}
	for i := range times {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			x := launch(t, guarded+"[process.p]\ncommand = [\"$CHILD\", \"-ready\", \"3\"]\nready.fd = 3\n")
			x.untilReady(1)
			x.signal(x.cmd.Process.Pid, syscall.SIGTERM)
			x.storm(syscall.SIGUSR2)
			if code := x.wait(); code != 0 {
				t.Errorf("exit %d", code)
			}
		})
	}
}

// TestGuardianDies kills the guardian: the master takes the tree down, for nobody watches over it any more.
func TestGuardianDies(t *testing.T) {
	nodes, conf := guardedForest(5, 12, true)
	x := launch(t, conf)
	x.untilReady(len(nodes))
	master := x.master()
	x.signal(x.cmd.Process.Pid, syscall.SIGKILL)
	x.wait()
	awaitEnd(t, master)
	x.judgeOrder(nodes, leavesBefore(nodes))
	x.verify()
}

// TestGuardianIdle holds that a guardian costs next to nothing while nothing happens.
func TestGuardianIdle(t *testing.T) {
	x := launch(t, guarded+"[process.p]\ncommand = [\"$CHILD\"]\ninstances = 20\n")
	x.untilReady(20)
	pid := x.cmd.Process.Pid
	smaps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(smaps) {
		if field, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.Contains([]byte("Rss Pss Private_Dirty Anonymous"), field) {
			t.Logf("%s: %s", field, bytes.TrimSpace(value))
		}
	}
	if testing.Short() {
		t.Skip("its half a minute of idleness")
	}
	before := voluntarySwitches(t, pid)
	<-time.After(30 * time.Second)
	n := voluntarySwitches(t, pid) - before
	t.Logf("%d voluntary context switches in 30 idle seconds", n)
	if n > 2 {
		t.Errorf("it wakes up")
	}
	if code, _ := x.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// TestGuardianReaps has an orphan reach a guardian that is PID 1: somebody came in from outside, and left a child there.
func TestGuardianReaps(t *testing.T) {
	if os.Geteuid() != 0 {
		unable(t, "only root makes PID namespaces")
	}
	x := launchWith(t, places(t)["pid 1"], guarded+"[process.p]\ncommand = [\"$CHILD\"]\n")
	x.untilReady(1)
	pid := strconv.Itoa(x.cmd.Process.Pid)
	script := `sh -c 'read end' <"$0" >/dev/null 2>&1 & true`
	fifo := filepath.Join(x.dir, "end")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	end, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	if out, err := exec.Command("nsenter", "-t", pid, "-p", "sh", "-c", script, fifo).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if n := x.children(); n != 2 {
		t.Fatalf("the guardian has %d children: lastout, and the orphan?", n)
	}
	if _, err := end.WriteString("now\n"); err != nil {
		t.Fatal(err)
	}
	for late := time.Now().Add(hangs); x.children() != 1; {
		if time.Now().After(late) {
			t.Fatal("the orphan is not reaped")
		}
	}
	if code, _ := x.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// children is how many of them the process has that the harness started, zombies included.
func (x *tree) children() (n int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", x.cmd.Process.Pid))
	for _, file := range tasks {
		text, _ := os.ReadFile(file)
		n += len(strings.Fields(string(text)))
	}
	return n
}
