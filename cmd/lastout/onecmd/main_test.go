package onecmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastout/cmd/lastout/bare"
)

// bound is how long a test waits for what must come; it is no part of any measurement.
const bound = 60 * time.Second

// TestMain lets the test binary be the helpers that tests start. To be `lastout init` itself it needs no more than to
// be called so: that is over before TestMain.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "-helper" {
		syscall.Exit(helper(os.Args[2], os.Args[3:])) // os.Exit takes a second with the race detector
	}
	unignore()
	os.Exit(m.Run())
}

// helper is what the tests start.
func helper(name string, args []string) int {
	switch name {
	case "print":
		return helpPrint()
	case "polite":
		return helpPolite()
	case "twist":
		return helpTwist(args)
	case "start":
		return helpStart(args)
	case "proc":
		return helpProc(args)
	}
	fmt.Fprintf(os.Stderr, "no helper %q\n", name)
	return 99
}

// helpPrint says its pid and then, for each signal, its number, until it is killed.
func helpPrint() int {
	in, err := bare.Catch(bare.Catchable())
	if err != nil {
		return 98
	}
	in.CatchIgnored()
	bare.Unblock(^uint64(0))
	fmt.Printf("ready %d\n", os.Getpid())
	for {
		for _, r := range in.Wait(-1) {
			if int(r.PID) != os.Getpid() { // the runtime's own
				fmt.Println(int(r.Signal()))
			}
		}
	}
}

// helpPolite says that it is there, and goodbye when it is told.
func helpPolite() int {
	in, err := bare.Catch(bare.Catchable())
	if err != nil {
		return 98
	}
	fmt.Println("there")
	for {
		for _, r := range in.Wait(-1) {
			if r.Signal() == syscall.SIGTERM {
				fmt.Println("bye")
				return 0
			}
		}
	}
}

// twist is what a program is started with.
type twist struct{ ignored, blocked []syscall.Signal }

// twists are what helpTwist knows.
var twists = map[string]twist{
	"nothing":    {},
	"everything": {bare.Catchable(), bare.Catchable()},
	"what stays": { // Go's runtime leaves these as they are
		ignored: []syscall.Signal{
			syscall.SIGHUP, syscall.SIGINT, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGCONT, 32, 34,
		},
		blocked: []syscall.Signal{syscall.SIGTTIN, syscall.SIGTSTP, syscall.SIGUSR1, syscall.SIGPIPE, syscall.SIGWINCH, 35, 64},
	},
	"what others ignore": {ignored: []syscall.Signal{syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGPIPE, syscall.SIGCHLD}},
	"what others block":  {blocked: []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD, syscall.SIGPROF, 33}},
}

// twistFiles is the soft limit of open files in each.
const twistFiles = 77

// helpTwist executes a program with signals ignored and blocked.
func helpTwist(args []string) int {
	runtime.LockOSThread()
	t := twists[args[0]]
	for _, s := range t.ignored {
		leave(s)
	}
	bare.Block(maskOf(t.blocked))
	var files syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files)
	if err == nil {
		files.Cur = twistFiles
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files)
	}
	if err == nil {
		err = syscall.Exec(args[1], args[2:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	return 97
}

func maskOf(list []syscall.Signal) (mask uint64) {
	for _, s := range list {
		mask |= 1 << (s - 1)
	}
	return mask
}

// helpStart starts a program and holds until it is killed.
func helpStart(args []string) int {
	cmd := &exec.Cmd{Path: args[0], Args: args[1:], Stdout: os.Stdout, Stderr: os.Stderr}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 97
	}
	for {
		if err := syscall.Pause(); err != syscall.EINTR {
			return 98
		}
	}
}

// helpProc executes a program with the /proc of its own PID namespace.
func helpProc(args []string) int {
	err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, "")
	if err == nil {
		err = syscall.Mount("proc", "/proc", "proc", 0, "")
	}
	if err == nil {
		err = syscall.Exec(args[0], args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	return 97
}

// self is this test binary.
func self() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}

// printer is the command that prints its signals.
func printer() []string { return []string{self(), "-helper", "print"} }

// world is where lastout init runs: as a subreaper, or as PID 1, with a /proc or without.
type world struct {
	pid1, bare bool
}

// inBothWorlds runs a test as a subreaper and as PID 1 of a namespace.
func inBothWorlds(t *testing.T, f func(t *testing.T, w world)) {
	t.Run("subreaper", func(t *testing.T) { f(t, world{}) })
	t.Run("pid1", func(t *testing.T) { f(t, world{pid1: true}.orSkip(t)) })
}

// inAllWorlds runs it as PID 1 without a /proc too.
func inAllWorlds(t *testing.T, f func(t *testing.T, w world)) {
	inBothWorlds(t, f)
	t.Run("bare", func(t *testing.T) { f(t, world{pid1: true, bare: true}.orSkip(t)) })
}

func (w world) orSkip(t *testing.T) world {
	if err := w.command("init", "true").Run(); err != nil {
		skip(t, "no PID namespace: "+err.Error())
	}
	return w
}

// skip skips a test that cannot be had here, and fails it where everything is expected to be had.
func skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("LASTOUT_CI") == "1" {
		t.Fatalf("cannot be tested here, and should be: %s", reason)
	}
	t.Skip(reason)
}

// command prepares lastout under the name of its first argument: "init" is lastout init.
func (w world) command(args ...string) *exec.Cmd {
	if args[0] == "init" {
		args = append([]string{"lastout"}, args...)
	}
	if w.pid1 && !w.bare {
		args = append([]string{"helper", "-helper", "proc", self()}, args...)
	}
	cmd := &exec.Cmd{Path: self(), Args: args, SysProcAttr: &syscall.SysProcAttr{}}
	if w.pid1 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
		if os.Getuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
	}
	return cmd
}

// life is one lastout with its command.
type life struct {
	testing.TB
	*exec.Cmd
	out    *bufio.Reader // of the command, and of all that inherit it
	stderr string        // the file
	ended  chan struct{} // closed when it was waited for; nil: nobody waits yet
}

// start starts it. Whoever is still alive at the end of the test is killed.
func (w world) start(t testing.TB, args ...string) *life {
	t.Helper()
	l, _ := w.startWithInputIn(t, "", args...)
	return l
}

// startWithInput starts it with an input for the command, which ends when it is closed.
func (w world) startWithInput(t testing.TB, args ...string) (*life, io.Closer) {
	t.Helper()
	return w.startWithInputIn(t, "", args...)
}

// startWithInputIn does so in a folder.
func (w world) startWithInputIn(t testing.TB, dir string, args ...string) (*life, io.Closer) {
	t.Helper()
	errs, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer errs.Close()
	l, in := w.startSaying(t, errs, dir, args...)
	l.stderr = errs.Name()
	return l, in
}

// startSaying does so with a stderr.
func (w world) startSaying(t testing.TB, errs *os.File, dir string, args ...string) (*life, io.Closer) {
	t.Helper()
	l := &life{TB: t, Cmd: w.command(args...)}
	l.Dir = dir
	in, err := l.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l.Stdout, l.Stderr = out, errs
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	l.out = bufio.NewReader(r)
	if err := r.SetReadDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		family := descendants(l.Process.Pid)
		l.Process.Kill()
		for _, pid := range family {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		l.wait()
		r.Close()
	})
	return l, in
}

// said is what it wrote to stderr so far.
func (l *life) said() string {
	if l.stderr == "" {
		return ""
	}
	text, err := os.ReadFile(l.stderr)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// descendants lists all below a process.
func descendants(pid int) (all []int) {
	for _, child := range children(strconv.Itoa(pid)) {
		all = append(append(all, child), descendants(child)...)
	}
	return all
}

// run runs it to its end and returns the exit code, what was printed, and what was said on stderr.
func (w world) run(t testing.TB, args ...string) (code int, out, errs string) {
	t.Helper()
	l := w.start(t, args...)
	text, err := io.ReadAll(l.out)
	if err != nil {
		t.Fatal(err)
	}
	return l.wait(), string(text), l.said()
}

// wait waits for the end and returns the exit code, or minus the signal.
func (l *life) wait() int {
	l.Helper()
	if l.ended == nil {
		l.ended = make(chan struct{})
		go func() {
			_ = l.Wait()
			close(l.ended)
		}()
	}
	select {
	case <-l.ended:
	case <-time.After(bound):
		l.Process.Kill()
		<-l.ended
		l.Fatalf("it hangs\n%s", l.said())
	}
	if l.ProcessState == nil {
		return -1 // somebody else waited for it
	}
	status := l.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return -int(status.Signal())
	}
	return status.ExitStatus()
}

// line reads the next line of the command.
func (l *life) line() string {
	l.Helper()
	text, err := l.out.ReadString('\n')
	if err != nil {
		l.Fatalf("no more lines: %v after %q\n%s", err, text, l.said())
	}
	return strings.TrimSuffix(text, "\n")
}

// number reads a line that ends with a number.
func (l *life) number() int {
	l.Helper()
	line := l.line()
	n, err := strconv.Atoi(line[strings.LastIndexByte(line, ' ')+1:])
	if err != nil {
		l.Fatalf("%q has no number", line)
	}
	return n
}

// untilSaid waits until lastout has written something to stderr.
func (l *life) untilSaid(text string) {
	l.Helper()
	for end := time.Now().Add(bound); !strings.Contains(l.said(), text); runtime.Gosched() {
		if time.Now().After(end) {
			l.Fatalf("it does not say %q, but %q", text, l.said())
		}
	}
}

// says demands the next line.
func (l *life) says(want string) {
	l.Helper()
	if got := l.line(); got != want {
		l.Fatalf("the command says %q, want %q", got, want)
	}
}

// send sends lastout a signal.
func (l *life) send(s syscall.Signal) {
	l.Helper()
	if err := l.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		l.Fatal(err)
	}
}

// endsWith demands the exit code.
func (l *life) endsWith(code int) {
	l.Helper()
	if got := l.wait(); got != code {
		l.Fatalf("exit code %d, want %d\n%s", got, code, l.said())
	}
}

// untilStopped waits until lastout is stopped.
func (l *life) untilStopped() { l.until(syscall.WUNTRACED, syscall.WaitStatus.Stopped) }

// untilContinued waits until it is no longer.
func (l *life) untilContinued() { l.until(syscall.WCONTINUED, syscall.WaitStatus.Continued) }

func (l *life) until(options int, enough func(syscall.WaitStatus) bool) {
	l.Helper()
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(l.Process.Pid, &status, options, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil || !enough(status):
			l.Fatalf("%#x, %v\n%s", status, err, l.said())
		default:
			return
		}
	}
}
