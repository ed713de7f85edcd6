package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// builds are two lastouts that tell different versions, and one that writes and reads states of another format.
var builds = sync.OnceValues(func() (paths [3]string, err error) {
	dir := filepath.Dir(childBin)
	estate, err := filepath.Abs("../lastout/estate.go")
	if err != nil {
		return paths, err
	}
	text, err := os.ReadFile(estate)
	if err != nil {
		return paths, err
	}
	const format = "const estateFormat = "
	other := strings.Replace(string(text), format, format+"1000 + ", 1)
	if other == string(text) {
		return paths, fmt.Errorf("there is no %q in %s", format, estate)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{estate: filepath.Join(dir, "estate.go")}})
	if err != nil {
		return paths, err
	}
	if err := os.WriteFile(filepath.Join(dir, "estate.go"), []byte(other), 0o644); err != nil {
		return paths, err
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644); err != nil {
		return paths, err
	}
	for i, name := range []string{"one", "two", "other"} {
		paths[i] = filepath.Join(dir, "lastout-"+name)
		variables := []string{"VERSION=" + name, "BIN=" + paths[i]}
		if name == "other" {
			variables = append(variables, "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+filepath.Join(dir, "overlay.json"))
		}
		if err := build(variables...); err != nil {
			return paths, err
		}
	}
	return paths, nil
})

// theBuilds fails the test where there are none.
func theBuilds(t testing.TB) [3]string {
	t.Helper()
	paths, err := builds()
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// upgrade runs the verb and returns what it says.
func (x *tree) upgrade(args ...string) (string, error) {
	cmd := exec.Command(lastoutBin, append([]string{"upgrade", "--socket", filepath.Join(x.dir, "c.sock")}, args...)...)
	cmd.Dir = x.dir
	if a := x.cmd.SysProcAttr; a != nil && a.Credential != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.Credential}
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// busy is a tree in which much goes on: eight writers to stdout, eight to files that rotate, one that crashes and comes back
// with a hook, one that never becomes ready, one whose family has fled, and a victim.
const busy = `
[control]
socket = "$DIR/c.sock"
[process.out]
command = ["$CHILD", "-count", "3ms"]
instances = 8
[process.file]
command = ["$CHILD", "-count", "3ms"]
instances = 8
log = { stdout = "file", file = "$DIR/file.{instance}", max_size = "10KiB", max_files = 1000 }
[process.crash]
command = ["$CHILD", "-record", "$DIR/crash", "-life", "150ms", "-code", "3"]
restart = "always"
backoff = { min = "10ms", max = "20ms", limit = 0 }
hooks.post_start = { shell = "sleep 0.05" }
[process.never]
command = ["$CHILD"]
essential = false
ready = { exec = ["/bin/sh", "-c", "sleep 0.02; exit 1"], interval = "10ms", timeout = "1h" }
[process.flees]
shell = "setsid sleep 1000 & exec sleep 1000"
[process.victim]
command = ["$CHILD", "-ready", "3"]
ready = { fd = 3 }
restart = "always"
backoff = { min = "10ms", max = "10ms", limit = 0 }
`

// steady are the instances of busy that are to live from its begin to its end.
const steady = 8 + 8 + 1

// ready waits until an instance has had n lives that were ready, and returns the pid of the last.
func (x *tree) ready(instance string, n int) (pid int) {
	x.t.Helper()
	x.until(fmt.Sprintf("life %d of %s", n, instance), func(es []entry) bool {
		ready, at := 0, 0
		for _, e := range es {
			if e.Instance != instance || e.Kind != "state" {
				continue
			}
			if e.PID != 0 {
				at = e.PID
			}
			if e.State == "ready" {
				if ready++; ready == n {
					pid = at
				}
			}
		}
		return ready >= n
	})
	return pid
}

// TestUpgradeUnderLoad upgrades a busy tree again and again, and kills somebody each time just then.
func TestUpgradeUnderLoad(t *testing.T) {
	times := 50
	if testing.Short() {
		times = 10
	}
	for name, args := range map[string][]string{"cgroups": nil, "marks": {"--no-cgroup"}} {
		t.Run(name, func(t *testing.T) {
			paths := theBuilds(t)
			x := launch(t, busy, args...)
			for i := range 8 {
				x.ready(fmt.Sprintf("out.%d", i+1), 1)
				x.ready(fmt.Sprintf("file.%d", i+1), 1)
			}
			for i := range times {
				victim := x.ready("victim", i+1)
				killed := make(chan error, 1)
				go func() {
					<-time.After(time.Duration(i%20) * time.Millisecond)
					killed <- syscall.Kill(victim, syscall.SIGKILL)
				}()
				out, err := x.upgrade("--binary", paths[i%2])
				if err != nil {
					t.Fatalf("upgrade %d: %v\n%s", i+1, err, out)
				}
				if err := <-killed; err != nil {
					t.Fatalf("the victim of upgrade %d had gone before: %v", i+1, err)
				}
				if i%10 == 0 {
					t.Log(strings.TrimSpace(out))
				}
			}
			x.ready("victim", times+1)
			x.noZombies()
			if code, _ := x.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit code %d", code)
			}
			x.verify()
			x.steadyPIDs()
			x.wholeLines()
			x.crashed()
		})
	}
}

// noZombies demands that every child of lastout lives, once those that have just ended are reaped.
func (x *tree) noZombies() {
	x.t.Helper()
	late := time.Now().Add(hangs)
	for {
		var dead []string
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", x.cmd.Process.Pid))
		for _, f := range files {
			text, _ := os.ReadFile(f)
			for _, pid := range strings.Fields(string(text)) {
				if stat, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && strings.Contains(string(stat), ") Z ") {
					dead = append(dead, pid)
				}
			}
		}
		if len(dead) == 0 {
			return
		}
		if time.Now().After(late) {
			x.t.Fatalf("%v are not reaped", dead)
		}
	}
}

// steadyPIDs demands that whoever was not to end had one pid from his begin to his end.
func (x *tree) steadyPIDs() {
	x.t.Helper()
	pids := map[string]map[int]bool{}
	for _, e := range x.entries {
		if e.Kind == "state" && e.PID != 0 {
			if pids[e.Instance] == nil {
				pids[e.Instance] = map[int]bool{}
			}
			pids[e.Instance][e.PID] = true
		}
	}
	n := 0
	for name, of := range pids {
		if strings.HasPrefix(name, "out.") || strings.HasPrefix(name, "file.") || name == "flees" {
			if n++; len(of) != 1 {
				x.t.Errorf("%s had %d pids", name, len(of))
			}
		}
	}
	if n != steady {
		x.t.Errorf("%d of %d were seen", n, steady)
	}
}

// wholeLines demands that what each writer wrote came out: each line once, whole, in its order.
func (x *tree) wholeLines() {
	x.t.Helper()
	stdout, err := os.ReadFile(filepath.Join(x.dir, "stdout"))
	if err != nil {
		x.t.Fatal(err)
	}
	by := map[string][]string{}
	for line := range strings.Lines(string(stdout)) {
		name, text, ok := strings.Cut(line, " | ")
		if !ok {
			x.t.Errorf("a line of nobody: %q", line)
		}
		by[name] = append(by[name], text)
	}
	for i := range 8 {
		name := fmt.Sprintf("file.%d", i+1)
		for _, f := range rotated(x.t, filepath.Join(x.dir, name)) {
			text, err := os.ReadFile(f)
			if err != nil {
				x.t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				by[name] = append(by[name], line)
			}
		}
		for _, name := range []string{name, fmt.Sprintf("out.%d", i+1)} {
			lines := by[name]
			for n, line := range lines {
				want := fmt.Sprintf("number %d\n", n+1)
				if n == len(lines)-1 {
					want = fmt.Sprintf("last %d\n", n)
				}
				if line != want {
					x.t.Errorf("%s: %q, want %q", name, line, want)
					break
				}
			}
			if len(lines) < 100 {
				x.t.Errorf("%s wrote %d lines", name, len(lines))
			}
		}
	}
}

// rotated lists the files of a log, the oldest first.
func rotated(t testing.TB, path string) []string {
	t.Helper()
	var files []string
	for n := 1; ; n++ {
		old := fmt.Sprintf("%s.%d", path, n)
		if _, err := os.Stat(old); err != nil {
			break
		}
		files = append([]string{old}, files...)
	}
	return append(files, path)
}

// crashed demands that each end of who crashes was seen, and followed by a new begin.
func (x *tree) crashed() {
	x.t.Helper()
	exits := 0
	for _, e := range x.entries {
		if e.Kind == "exit" && e.Instance == "crash" {
			exits++
		}
	}
	lives := x.lives("crash")
	if len(lives) < 3 || exits != len(lives) {
		x.t.Errorf("it lived %d times, and %d ends were seen", len(lives), exits)
	}
	for i, l := range lives[:max(0, len(lives)-1)] {
		if l.exit == 0 {
			x.t.Errorf("life %d has no end", i+1)
		}
	}
}

// TestUpgradeRefused offers what cannot take over: the tree goes on as if nothing had happened.
func TestUpgradeRefused(t *testing.T) {
	paths := theBuilds(t)
	x := launch(t, busy)
	x.ready("victim", 1)
	script := func(name, text string) string {
		path := filepath.Join(x.dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct{ path, want string }{
		{"/bin/true", "it ended without an answer (exit code 0)"},
		{filepath.Join(x.dir, "none"), "no such file"},
		{filepath.Join(x.dir, "lastout.toml"), "permission denied"},
		{script("old", "echo unknown verb >&2; exit 2"), "it ended without an answer (exit code 2)"},
		{script("dies", "kill -SEGV $$"), "it ended without an answer (killed by SIGSEGV)"},
		{script("talks", "echo hello >&3; exec sleep 1000"), "answers in another way than a lastout"},
		{script("hangs", "exec sleep 1000"), "did not answer within 5s"},
		{paths[2], "its format is 1, and this build reads 1001"},
	} {
		for _, dry := range []string{"--dry-run=false", "--dry-run"} {
			if out, err := x.upgrade("--binary", c.path, dry); err == nil || !strings.Contains(out, c.want) {
				t.Errorf("%s: %v, %q, want %q", c.path, err, out, c.want)
			}
		}
	}
	if out, err := x.upgrade("--binary", paths[0], "--dry-run"); err != nil || !strings.HasPrefix(out, "one could take over") {
		t.Errorf("%v, %q", err, out)
	}
	for _, pid := range x.survivors() {
		if args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.Contains(string(args), "prove-successor") {
			t.Errorf("candidate %d is still there: %q", pid, args)
		}
	}
	if code, _ := x.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	x.verify()
	for _, e := range x.entries {
		if e.Kind == "upgrade" {
			t.Error("there was an upgrade")
		}
	}
	x.steadyPIDs()
	x.wholeLines()
	x.crashed()
}

// TestUpgradeElsewhere upgrades as PID 1 of a namespace, and as a user without privileges.
func TestUpgradeElsewhere(t *testing.T) {
	needsRoot(t)
	for name, attr := range map[string]*syscall.SysProcAttr{
		"pid 1":        {Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS},
		"unprivileged": {Credential: &syscall.Credential{Uid: 65534, Gid: 65534}},
	} {
		t.Run(name, func(t *testing.T) {
			paths := theBuilds(t)
			x := launchWith(t, attr, busy)
			x.ready("victim", 1)
			for i := range 6 {
				if out, err := x.upgrade("--binary", paths[i%2]); err != nil {
					t.Fatalf("upgrade %d: %v\n%s", i+1, err, out)
				}
			}
			x.ready("crash", 5)
			if code, _ := x.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit code %d", code)
			}
			x.verify()
			x.steadyPIDs()
			x.wholeLines()
		})
	}
}
