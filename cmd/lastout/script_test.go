package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"lastout/cmd/lastout/demo"
)

// hangs is when something that should have happened counts as never: far above every bound that a script configures.
const hangs = 60 * time.Second

var update = flag.Bool("update", false, "write what scripts compare with anew")

// TestScripts runs the black-box scripts. Their own commands:
//
//	up NAME ARG...             start `lastout run ARG...`; its output goes to NAME.out and NAME.err
//	up -blocked NAME ARG...    the same with a stdout that nobody reads
//	up -mute NAME ARG...       the same with a stderr that nobody reads
//	up -pid1 NAME ARG...       the same as PID 1 of a namespace
//	sig NAME SIGNAL            send lastout a signal
//	ends NAME CODE [ATMOST]    wait for its end; ATMOST counts from the first signal
//	exits CODE PROGRAM ARG...  run a program and demand its exit code
//	seen FILE REGEXP [N]       wait until the file has N lines that match
//	order FILE REGEXP...       these lines of a child's record come one after another, by their clocks
//	span FILE A B MIN MAX      so long it is from the line A to the line B
//	precede FILE REGEXP...     no line of one comes before one of the former, in the file
//	pause                      longer than two presses of a key may be apart to count as one
//	fetch FILE [PATH CODE]     get a page of the server whose output this is; it must have that code, 200
//	empty DIR                  no file is in it, or it is not there
//	manager FILE               be the service manager of those that are started next: what it is told goes to the file
//	manager -deaf              the same of one that reads nothing, with a queue that is full
//	nobody                     no process of this script is alive any more
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("..", "..", "testdata", "script"),
		Setup: func(env *testscript.Env) error {
			// The race detector makes each program sleep for a second at its end, unless it is told not to.
			env.Vars = append(env.Vars, "TEST_TOKEN="+env.WorkDir, "EXAMPLE="+abs(t, "../../config.example.toml"),
				"GORACE=atexit_sleep_ms=0", "XDG_STATE_HOME="+filepath.Join(env.WorkDir, ".state"),
				"XDG_RUNTIME_DIR="+filepath.Join(env.WorkDir, ".run"))
			if err := os.Mkdir(filepath.Join(env.WorkDir, ".run"), 0o700); err != nil {
				return err
			}
			env.Values["lives"] = map[string]*life{}
			address, release, err := demo.Reserve()
			if err != nil {
				return err
			}
			env.Defer(release)
			env.Setenv("ADDRESS", address) // nobody listens there yet
			return nil
		},
		Condition: condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"up": up, "sig": sig, "ends": ends, "exits": exits, "seen": seen, "order": order, "span": span, "nobody": nobody,
			"precede": precede, "pause": pause, "fetch": fetch, "empty": empty,
			"manager": manager,
		},
		RequireExplicitExec: true,
		UpdateScripts:       *update,
	})
}

func abs(t *testing.T, path string) string {
	full, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// condition knows [pidns]: PID namespaces can be made here; [systemd]: its tools are there; and [root]. Where the
// environment is known to be complete, a script is not skipped in silence.
func condition(cond string) (bool, error) {
	var out []byte
	var err error
	switch cond {
	case "root":
		if os.Geteuid() != 0 {
			err = errors.New("not root")
		}
	case "pidns":
		out, err = exec.Command("unshare", "-pf", "--mount-proc", "true").CombinedOutput()
	case "systemd":
		out, err = exec.Command("systemd-analyze", "--version").CombinedOutput()
	default:
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	if err != nil && os.Getenv("LASTOUT_CI") == "1" {
		return false, fmt.Errorf("no %s: %v: %s", cond, err, out)
	}
	return err == nil, nil
}

// life is one lastout that a script started.
type life struct {
	cmd    *exec.Cmd
	pid    func() (int, error) // of lastout itself
	told   time.Time           // of the first signal
	exited chan struct{}
	err    error
}

func lives(ts *testscript.TestScript) map[string]*life { return ts.Value("lives").(map[string]*life) }

func lifeOf(ts *testscript.TestScript, name string) *life {
	l := lives(ts)[name]
	if l == nil {
		ts.Fatalf("there is no %q: use up", name)
	}
	return l
}

func up(ts *testscript.TestScript, neg bool, args []string) {
	mode := ""
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		mode, args = args[0], args[1:]
	}
	if neg || len(args) == 0 {
		ts.Fatalf("usage: up [-blocked|-mute|-pid1] NAME ARG...")
	}
	name := args[0]
	argv := append([]string{"lastout", "run"}, args[1:]...)
	if mode == "-pid1" {
		argv = append([]string{"unshare", "-pf", "--kill-child", "--mount-proc"}, argv...)
	}
	program, err := lookPath(ts.Getenv("PATH"), argv[0])
	ts.Check(err)
	l := &life{exited: make(chan struct{})}
	l.cmd = &exec.Cmd{
		Path: program, Args: argv, Dir: ts.MkAbs("."), Env: environ(ts), SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	l.pid = func() (int, error) { return l.cmd.Process.Pid, nil }
	if mode == "-pid1" {
		l.pid = func() (int, error) { return onlyChild(l.cmd.Process.Pid) }
	}
	var pipe *os.File
	out, err := os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	defer out.Close()
	errs, err := os.Create(ts.MkAbs(name + ".err"))
	ts.Check(err)
	defer errs.Close()
	l.cmd.Stdout, l.cmd.Stderr = out, errs
	if mode == "-blocked" || mode == "-mute" {
		r, w, err := os.Pipe()
		ts.Check(err)
		defer w.Close()
		if pipe = r; mode == "-mute" {
			l.cmd.Stderr = w
		} else {
			l.cmd.Stdout = w
		}
	}
	ts.Check(l.cmd.Start())
	go func() {
		l.err = l.cmd.Wait()
		close(l.exited)
	}()
	lives(ts)[name] = l
	ts.Defer(func() { clear(l, pipe) })
}

// clear leaves nobody behind, whatever a script did: lastout takes its tree down; if it does not, it is killed.
func clear(l *life, pipe *os.File) {
	defer pipe.Close()
	if pid, err := l.pid(); err == nil {
		syscall.Kill(pid, syscall.SIGTERM)
	}
	select {
	case <-l.exited:
	case <-time.After(hangs):
		l.cmd.Process.Kill()
		<-l.exited
	}
}

// environ is the script's environment.
func environ(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{
		"PATH", "HOME", "WORK", "TMPDIR", "TEST_TOKEN", "GORACE", "DEMO_PORT", "DEMO_NAME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR",
		"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
	} {
		if value := ts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func lookPath(path, name string) (string, error) {
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if unix.Access(file, unix.X_OK) == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("no %s in %s", name, path)
}

// onlyChild is the one child of a process.
func onlyChild(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func sig(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sig NAME SIGNAL")
	}
	l := lifeOf(ts, args[0])
	number := unix.SignalNum("SIG" + args[1])
	if args[1] == "RTMIN+3" {
		number = 37
	}
	if number == 0 {
		ts.Fatalf("unknown signal %q", args[1])
	}
	pid, err := l.pid()
	ts.Check(err)
	if l.told.IsZero() {
		l.told = time.Now()
	}
	ts.Check(syscall.Kill(pid, number))
}

func ends(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: ends NAME CODE [ATMOST]")
	}
	l := lifeOf(ts, args[0])
	select {
	case <-l.exited:
	case <-time.After(hangs):
		ts.Fatalf("%s did not end:\n%s", args[0], ts.ReadFile(args[0]+".err"))
	}
	took := time.Since(l.told)
	if code := strconv.Itoa(exitCode(l.err)); code != args[1] {
		ts.Fatalf("%s ended with %s, want %s:\n%s", args[0], code, args[1], ts.ReadFile(args[0]+".err"))
	}
	if len(args) == 3 && took > duration(ts, args[2]) {
		ts.Fatalf("%s took %v to end, want %s at most:\n%s", args[0], took, args[2], ts.ReadFile(args[0]+".err"))
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	err := ts.Exec(args[1], args[2:]...)
	if code := strconv.Itoa(exitCode(err)); code != args[0] {
		ts.Fatalf("%s ended with %s, want %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// exitCode is the code that a program ended with, 128+n for signal n.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		return -1
	}
	if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

// pause is the one wait whose length is what is tested.
func pause(*testscript.TestScript, bool, []string) { <-time.After(300 * time.Millisecond) }

func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 && len(args) != 3 {
		ts.Fatalf("usage: fetch FILE [PATH CODE]")
	}
	url, code := regexp.MustCompile(`http://\S+`).FindString(ts.ReadFile(args[0])), "200"
	if len(args) == 3 {
		url, code = url+args[1], args[2]
	}
	client := &http.Client{Timeout: hangs}
	resp, err := client.Get(url)
	ts.Check(err)
	defer resp.Body.Close()
	if strconv.Itoa(resp.StatusCode) != code {
		ts.Fatalf("%s answers %s, want %s", url, resp.Status, code)
	}
	client.CloseIdleConnections()
}

// manager listens where NOTIFY_SOCKET says. A deaf one has its queue filled before, by datagrams that nobody reads.
func manager(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: manager FILE|-deaf")
	}
	path := ts.MkAbs("notify.sock")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
	ts.Setenv("NOTIFY_SOCKET", path)
	if args[0] == "-deaf" {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		ts.Check(err)
		defer unix.Close(fd)
		for err == nil {
			err = unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrUnix{Name: path})
		}
		if !errors.Is(err, unix.EAGAIN) {
			ts.Fatalf("the queue is not full: %v", err)
		}
		return
	}
	heard, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	go func() {
		defer heard.Close()
		for buf := make([]byte, 8192); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return // the script is over
			}
			heard.Write(append(buf[:n:n], '\n'))
		}
	}()
}

// nobody looks for the script's token in every environment: children inherit it, and so do theirs.
func nobody(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: nobody")
	}
	token := []byte("TEST_TOKEN=" + ts.Getenv("TEST_TOKEN") + "\x00") // whole: one script's folder may begin like another's
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil && bytes.Contains(text, token) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
			ts.Fatalf("%s is still there: %q", filepath.Dir(file), line)
		}
	}
}

// empty shows what is left.
func empty(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: empty DIR")
	}
	if files, _ := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*")); len(files) > 0 {
		ts.Fatalf("left behind: %s", strings.Join(files, " "))
	}
}

func duration(ts *testscript.TestScript, s string) time.Duration {
	d, err := time.ParseDuration(s)
	ts.Check(err)
	return d
}

// notifyReady says READY=1 as sd_notify(3) does.
func notifyReady(path string) error {
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "unixgram", path)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte("READY=1"))
	return err
}
