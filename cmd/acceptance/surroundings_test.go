package acceptance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// surroundings are what PID 1 may find, made with a shell in namespaces of its own.
type surroundings struct {
	name   string
	script string // shell, as root
	as     string // arguments of setpriv(1)
	env    []string
	warns  []string // patterns of all lines that warn
	code   int
}

const (
	readOnly = `mount -o remount,bind,ro /; mount -t tmpfs -o ro none /run; mount -t tmpfs -o ro none /tmp
mount -t tmpfs -o ro none /var;`
	noCgroups  = `if [ -d /sys/fs/cgroup ]; then mount -t tmpfs -o ro none /sys/fs/cgroup; fi;`
	noProc     = `umount -l /proc;` // the last, for mount(8) reads it
	unknownUID = "--reuid 12345 --regid 12345 --clear-groups --no-new-privs"
	noSysAdmin = "--bounding-set -sys_admin"

	noSocket = `cannot make the folder of the control socket: mkdir /\S+: read-only file system; this tree has no control socket`
	blind    = `cannot use /proc: nothing is mounted there; cannot mount one: operation not permitted: a descendant that `
	noEnds   = `edge: cannot end connections that never carried a byte: its sockets cannot be found: there is no /proc`
	tmp      = `mount -t tmpfs -o mode=1777 none /tmp;`
)

// noState has the journals where they usually are.
var noState = []string{"XDG_STATE_HOME="}

// hidden is what is said of a gateway without /proc, before and in its drain.
var hidden = []string{
	`edge: cannot turn new connections away from a listener: .*: there is no /proc`,
	`edge: cannot see its connections: there is no /proc`, `edge: cannot see the descriptors of process \d+: there is no /proc`,
}

var worlds = []surroundings{
	{name: "whole", script: `mount -t proc proc /proc; mount -t tmpfs none /run;`},
	{name: "read-only", script: `mount -t proc proc /proc;` + readOnly, env: noState, warns: []string{noSocket}},
	{name: "no run", script: `mount -t proc proc /proc; mount -t tmpfs -o ro none /run;`},
	{name: "no cgroup", script: `mount -t proc proc /proc; mount -t tmpfs none /run;` + noCgroups},
	{name: "no new privileges", script: `mount -t proc proc /proc; mount -t tmpfs none /run;`, as: "--no-new-privs"},
	{name: "unknown uid", script: `mount -t proc proc /proc;` + tmp, as: unknownUID},
	{name: "no home", script: `mount -t proc proc /proc;` + tmp, as: unknownUID, env: []string{"HOME=/"}},
	{name: "a proc that may be mounted", script: `mount -t tmpfs none /run;` + noProc, warns: hidden},
	{
		name: "no proc", script: `mount -t tmpfs none /run;` + noProc, as: noSysAdmin,
		warns: append([]string{blind}, hidden...),
	},
	{name: "another's proc", script: `mount -t tmpfs none /run;`, as: noSysAdmin, warns: []string{
		`cannot use /proc: it shows another PID namespace; `, `edge: .*: /proc shows another PID namespace`,
	}},
	{
		name: "nothing", script: readOnly + noCgroups + noProc, as: unknownUID, env: noState,
		warns: append([]string{noSocket, blind, noEnds}, hidden...),
	},
	{
		name: "too short a grace", script: `mount -t proc proc /proc; mount -t tmpfs none /run;`, env: []string{"LASTOUT_GRACE=3s"},
		warns: []string{
			`a grace of 3\.00s is too short for a shutdown, which may take 30\.0s \(critical path: edge's drain \S+, then api ` +
				`\S+, then edge .*: it is kept to 2\.50s, and who is slow is killed early`,
		},
	},
}

// TestSurroundings has PID 1 find poor surroundings: the tree comes up, what costs something is said once, and SIGTERM takes
// the tree down in order, with whom the worker's main process leaves behind.
func TestSurroundings(t *testing.T) {
	needsRoot(t)
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			x := w.launch(t, `
name = "poor"
[process.db]
role = "service"
command = ["/mnt/child", "-record", "/mnt/db", "-ready", "3"]
ready = { fd = 3 }
umask = "022"
[process.api]
shell = "/mnt/child -record /mnt/beside -leave 200ms -ready 3 & exec /mnt/child -record /mnt/api"
ready = { fd = 3 }
depends_on = ["db"]
[process.edge]
role = "gateway"
command = ["/mnt/web", "gateway", "-listen", "127.0.0.1:0", "-to", "127.0.0.1:1"]
depends_on = ["api"]
ready = { log = "listening on" }
drain = { quiet = "100ms", timeout = "300ms" }
`)
			x.untilReady(3)
			x.until("its outlook", func(es []entry) bool {
				for _, e := range es {
					if e.Kind == "outlook" || e.Kind == "note" && strings.HasPrefix(e.Cause, "edge: ") {
						return true
					}
				}
				return false
			})
			code, took := x.stop(syscall.SIGTERM)
			if code != w.code || took > 5*time.Second {
				t.Errorf("exit code %d after %v", code, took)
			}
			x.verify()
			api, beside, db := x.lives("api"), x.lives("beside"), x.lives("db")
			if len(api) != 1 || len(beside) != 1 || len(db) != 1 {
				t.Fatalf("api %v, beside %v, db %v", api, beside, db)
			}
			if api[0].exit == 0 || beside[0].exit < api[0].exit || db[0].term < beside[0].exit {
				t.Errorf("out of order: api %v, beside %v, db %v", api, beside, db)
			}
			w.judge(t, x.stderr.String())
		})
	}
}

// TestSurroundingsExitCode has the process that ends the tree give lastout its exit code, where there is nothing to help.
func TestSurroundingsExitCode(t *testing.T) {
	needsRoot(t)
	w := surroundings{script: readOnly + noCgroups + noProc, as: unknownUID}
	for _, c := range []struct {
		end  string
		code int
	}{{"exit 7", 7}, {"kill -9 $$", 137}} {
		x := w.launch(t, `
name = "poor"
[process.db]
command = ["/mnt/child", "-record", "/mnt/db"]
[process.main]
shell = "(trap '' TERM; sleep 1000) & `+c.end+`"
depends_on = ["db"]
restart = "never"
on_exit = "shutdown"
stop = { timeout = "200ms" }
`)
		if code := x.wait(); code != c.code {
			t.Errorf("%s: exit code %d", c.end, code)
		}
		x.verify()
	}
}

// TestSurroundingsStray has somebody at the end whom no mark tells and nobody waits for: PID 1 tells him to leave.
func TestSurroundingsStray(t *testing.T) {
	needsRoot(t)
	x := surroundings{script: noProc, as: unknownUID}.launch(t, `
name = "poor"
[process.main]
shell = "setsid /mnt/child -record /mnt/stray -ready 3 & exec /mnt/child -record /mnt/main"
ready = { fd = 3 }
`)
	x.untilReady(1)
	if code, took := x.stop(syscall.SIGTERM); code != 0 || took > 5*time.Second {
		t.Errorf("exit code %d after %v", code, took)
	}
	if stray, main := x.lives("stray"), x.lives("main"); len(stray) != 1 || stray[0].term < main[0].exit || stray[0].exit == 0 {
		t.Errorf("main %v, stray %v", main, stray)
	}
	x.verify()
}

// launch starts lastout there as PID 1. Its programs, and what they write, are in /mnt; its journal is a named pipe,
// which can be opened without /proc.
func (w surroundings) launch(t *testing.T, conf string) *tree {
	t.Helper()
	x := &tree{t: t, dir: t.TempDir(), fresh: make(chan struct{}), exited: make(chan struct{})}
	open(t, x.dir)
	if err := os.Chmod(x.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(x.dir, "lastout.toml"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(x.dir, "pipe")
	err := unix.Mkfifo(pipe, 0o666)
	if err == nil {
		err = os.Chmod(pipe, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	script := "set -e; mount --make-rprivate /; cd " + x.dir + "\n"
	for name, binary := range map[string]string{"lastout": lastoutBin, "child": childBin, "web": webBin} {
		script += fmt.Sprintf("touch %s; mount --bind %s %[1]s\n", name, binary)
	}
	script += "mount --rbind . /mnt; cd /mnt\n" + w.script + "\nexec setpriv " + w.as + ` /mnt/lastout run -c lastout.toml --journal pipe`
	x.cmd = exec.Command("sh", "-c", script)
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	x.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "TEST_TOKEN=" + x.dir, "XDG_STATE_HOME=/mnt/state",
	}, w.env...)
	x.cmd.Stderr = &x.stderr
	x.started = time.Now()
	if err := x.cmd.Start(); errors.Is(err, unix.EPERM) {
		unable(t, "namespaces cannot be made here: "+err.Error())
	} else if err != nil {
		t.Fatal(err)
	}
	go func() {
		x.err = x.cmd.Wait()
		close(x.exited)
	}()
	t.Cleanup(x.clear)
	x.readPipe(pipe)
	return x
}

// readPipe reads a journal that is a named pipe. Where lastout ends before it opens it, that is the end of the journal.
func (x *tree) readPipe(pipe string) {
	r, err := os.OpenFile(pipe, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		x.t.Fatal(err)
	}
	own, err := os.OpenFile(pipe, os.O_WRONLY, 0) // so that there is no end before it has begun
	if err != nil {
		x.t.Fatal(err)
	}
	go x.read(r)
	go func() {
		<-x.exited
		own.Close()
	}()
}

var warning = regexp.MustCompile(`(?m)^\S+ (?:WRN|ERR) (.*)$`)

// judge holds that all that is warned of is known, and is said once.
func (w surroundings) judge(t *testing.T, said string) {
	t.Helper()
	seen, found := map[string]bool{}, map[string]bool{}
	for _, line := range warning.FindAllStringSubmatch(said, -1) {
		known := false
		for _, pattern := range w.warns {
			if regexp.MustCompile(pattern).MatchString(line[1]) {
				known, found[pattern] = true, true
			}
		}
		if !known || seen[line[1]] {
			t.Errorf("warned: %s", line[1])
		}
		seen[line[1]] = true
	}
	for _, pattern := range w.warns {
		if !found[pattern] {
			t.Errorf("nobody says: %s", pattern)
		}
	}
}
