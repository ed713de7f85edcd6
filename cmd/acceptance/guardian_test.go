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
		t.Log("as PID 1 and unprivileged: only root can have both")
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
			<-time.After(time.Duration(i)*60*time.Millisecond/time.Duration(times) - time.Since(x.started))
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

// TestGuardianRescue kills lastout: its tree leaves in order all the same. Signals that come just then change nothing.
func TestGuardianRescue(t *testing.T) {
	const sigkill = 128 + int(syscall.SIGKILL)
	for name, attr := range places(t) {
		for how, c := range map[string]struct {
			kill, then syscall.Signal
			upgrades   int
			code       int
		}{
			"killed":                   {syscall.SIGKILL, 0, 0, sigkill},
			"killed, and told to stop": {syscall.SIGKILL, syscall.SIGTERM, 0, sigkill},
			"killed, and interrupted":  {syscall.SIGKILL, syscall.SIGINT, 0, sigkill},
			"killed after upgrades":    {syscall.SIGKILL, 0, 2, sigkill},
			"crashed":                  {syscall.SIGSEGV, 0, 0, 1},
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
				x.signal(x.master(), c.kill)
				if c.then != 0 {
					x.signal(x.cmd.Process.Pid, c.then)
				}
				if code := x.wait(); code != c.code {
					t.Errorf("exit %d, want %d", code, c.code)
				}
				x.judgeOrder(nodes, leavesBefore(nodes))
				x.verify()
			})
		}
	}
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

// TestGuardianNotifies has the service manager hear of a tree that has a guardian, and the other way round: what was
// meant for the process it started reaches lastout.
func TestGuardianNotifies(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	path := filepath.Join(dir, "notify")
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 60}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	x := launch(t, guarded+"[process.p]\ncommand = [\"$CHILD\"]\n")
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		for {
			text, oob := make([]byte, 4096), make([]byte, 128)
			n, more, _, _, err := unix.Recvmsg(fd, text, oob, 0)
			if err != nil {
				t.Fatalf("no %s: %v\n%s", want, err, x.stderr.String())
			}
			if pid := senderOf(t, oob[:more]); pid != x.cmd.Process.Pid {
				t.Fatalf("the manager started %d, and %d talks to it", x.cmd.Process.Pid, pid)
			}
			if strings.Contains(string(text[:n]), want) {
				break
			}
		}
		if want == "READY=1" {
			x.signal(x.cmd.Process.Pid, syscall.SIGTERM)
		}
	}
	if code := x.wait(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// senderOf is who sent a datagram (SCM_CREDENTIALS of unix(7)).
func senderOf(t *testing.T, oob []byte) int {
	t.Helper()
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) == 0 {
		t.Fatal("nobody is said to have sent it", err)
	}
	who, err := unix.ParseUnixCredentials(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	return int(who.Pid)
}
