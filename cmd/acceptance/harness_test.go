package acceptance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The programs under test, built once.
var lastoutBin, childBin, webBin string

// hangs is when a tree that should have gone counts as hanging: far above any bound a test configures.
const hangs = 60 * time.Second

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "lastout-acceptance-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // other users run them, too
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	childBin, webBin = filepath.Join(dir, "child"), filepath.Join(dir, "web")
	lastoutBin = os.Getenv("LASTOUT_BIN")
	if lastoutBin == "" {
		lastoutBin = filepath.Join(dir, "lastout")
		err = build("BIN=" + lastoutBin)
	}
	for out, pkg := range map[string]string{childBin: "./child", webBin: "./web"} {
		err = errors.Join(err, printed(exec.Command("go", "build", "-o", out, pkg)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build makes lastout as users do.
func build(variables ...string) error {
	return printed(exec.Command("make", append([]string{"--silent", "-C", "../..", "build"}, variables...)...))
}

// printed runs what builds something, and returns what it printed with its error.
func printed(cmd *exec.Cmd) error {
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return nil
}

// entry is what the tests read of a journal line.
type entry struct {
	At       int64  `json:"at"`
	Kind     string `json:"kind"`
	Process  string `json:"process"`
	Instance string `json:"instance"`
	State    string `json:"state"`
	Phase    string `json:"phase"`
	PID      int    `json:"pid"`
	Run      uint64 `json:"run"`
	Op       uint64 `json:"op"`
	Verb     string `json:"verb"`
	Result   string `json:"result"`

	Cause     string `json:"cause"`
	Monotonic int64  `json:"monotonic"` // of the first line: CLOCK_MONOTONIC at instant 0
}

// tree is one life of lastout with its children.
type tree struct {
	t       testing.TB
	dir     string
	cmd     *exec.Cmd
	started time.Time
	stderr  bytes.Buffer

	mu      sync.Mutex
	entries []entry
	raw     bytes.Buffer
	fresh   chan struct{} // closed and renewed at each entry, and at the end of the journal
	ended   bool
	exited  chan struct{}
	err     error
}

// launch starts lastout on the configuration, its journal read through a pipe as it is written.
func launch(t testing.TB, conf string, args ...string) *tree {
	t.Helper()
	return launchAs(t, nil, conf, args...)
}

// launchAs does so as another user.
func launchAs(t testing.TB, user *syscall.Credential, conf string, args ...string) *tree {
	t.Helper()
	return launchWith(t, &syscall.SysProcAttr{Credential: user}, conf, args...)
}

// launchWith does so with attributes of the process.
func launchWith(t testing.TB, attr *syscall.SysProcAttr, conf string, args ...string) *tree {
	t.Helper()
	return launchBy(t, []string{lastoutBin}, t.TempDir(), attr, conf, args...)
}

// launchBy has a program, or what it starts, be lastout, in a folder.
func launchBy(t testing.TB, program []string, dir string, attr *syscall.SysProcAttr, conf string, args ...string) *tree {
	t.Helper()
	user := attr.Credential
	x := &tree{t: t, dir: dir, fresh: make(chan struct{}), exited: make(chan struct{})}
	file := filepath.Join(x.dir, "lastout.toml")
	conf = strings.ReplaceAll(conf, "$CHILD", childBin)
	conf = strings.ReplaceAll(conf, "$DIR", x.dir)
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if user != nil {
		open(t, x.dir)
		if err := w.Chown(int(user.Uid), int(user.Gid)); err != nil { // it is opened by its name
			t.Fatal(err)
		}
	}
	argv := slices.Concat(program, []string{"run", "-c", file, "--journal", "/dev/fd/3"}, args)
	x.cmd = exec.Command(argv[0], argv[1:]...)
	x.cmd.Dir = x.dir
	x.cmd.SysProcAttr = attr
	// The token is not named LASTOUT_*, for children would not inherit it then.
	x.cmd.Env = append(os.Environ(), "TEST_TOKEN="+x.dir, "XDG_RUNTIME_DIR="+x.dir,
		"XDG_STATE_HOME="+filepath.Join(x.dir, "state"))
	x.cmd.ExtraFiles = []*os.File{w}
	x.cmd.Stderr = &x.stderr
	out, err := os.Create(filepath.Join(x.dir, "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	x.cmd.Stdout = out
	x.started = time.Now()
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	out.Close()
	go x.read(r)
	go func() {
		x.err = x.cmd.Wait()
		close(x.exited)
	}()
	t.Cleanup(x.clear)
	return x
}

func (x *tree) read(r io.ReadCloser) {
	defer r.Close()
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		var e entry
		if err == nil && json.Unmarshal(line, &e) != nil {
			err = fmt.Errorf("bad journal line %q", line)
		}
		x.mu.Lock()
		if err == nil {
			x.entries = append(x.entries, e)
			x.raw.Write(line)
		}
		x.ended = err != nil
		close(x.fresh)
		x.fresh = make(chan struct{})
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// journal is what has been read of it so far.
func (x *tree) journal() []entry {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.entries)
}

// until waits until the journal holds what enough asks for.
func (x *tree) until(what string, enough func([]entry) bool) {
	x.t.Helper()
	late := time.After(hangs)
	for {
		x.mu.Lock()
		ok, ended, fresh := enough(x.entries), x.ended, x.fresh
		x.mu.Unlock()
		switch {
		case ok:
			return
		case ended:
			x.t.Fatalf("the journal ended before %s\n%s", what, x.stderr.String())
		}
		select {
		case <-fresh:
		case <-late:
			x.t.Fatalf("still waiting for %s after %v\n%s", what, hangs, x.stderr.String())
		}
	}
}

// untilReady waits until n instances are ready or, for tasks, done.
func (x *tree) untilReady(n int) {
	x.t.Helper()
	up, seen, begun := map[string]bool{}, 0, false
	x.until(fmt.Sprintf("%d ready", n), func(es []entry) bool {
		for _, e := range es[seen:] {
			begun = begun || e.Phase == "up"
			if e.Kind != "state" {
				continue
			}
			if e.State == "ready" || e.State == "done" {
				up[e.Instance] = true
			} else {
				delete(up, e.Instance)
			}
		}
		seen = len(es)
		return begun && len(up) == n
	})
}

// stop sends the signal and waits for lastout's end. It returns the exit code and how long it took.
func (x *tree) stop(sig syscall.Signal) (int, time.Duration) {
	x.t.Helper()
	begin := time.Now()
	if err := x.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		x.t.Fatal(err)
	}
	return x.wait(), time.Since(begin)
}

// wait waits for lastout's end and returns its exit code, -1 for a signal.
func (x *tree) wait() int {
	x.t.Helper()
	select {
	case <-x.exited:
	case <-time.After(hangs):
		x.t.Fatalf("lastout hangs\n%s", x.stderr.String())
	}
	var exit *exec.ExitError
	if x.err != nil && !errors.As(x.err, &exit) {
		x.t.Fatal(x.err)
	}
	return x.cmd.ProcessState.ExitCode()
}

// clear fails the test if anybody of the tree is still there, and kills him.
func (x *tree) clear() {
	select {
	case <-x.exited:
	default:
		x.cmd.Process.Kill()
		<-x.exited
	}
	for _, pid := range x.survivors() {
		x.t.Errorf("pid %d survived", pid)
		syscall.Kill(pid, syscall.SIGKILL)
	}
	if x.t.Failed() {
		x.t.Logf("stderr of lastout:\n%s", x.stderr.String())
	}
}

// survivors lists the live processes that carry this tree's token in their environment.
func (x *tree) survivors() []int {
	var pids []int
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(d))
		env, err := os.ReadFile(d + "/environ")
		if err == nil && pid != x.cmd.Process.Pid && bytes.Contains(env, []byte("TEST_TOKEN="+x.dir+"\x00")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// life is what a child wrote of itself; an event that did not happen is 0.
type life struct {
	pid               int
	start, term, exit int64
}

// lives reads the lives that a child recorded, in the order of their starts.
func (x *tree) lives(name string) []life {
	x.t.Helper()
	return readLives(x.t, filepath.Join(x.dir, name))
}

func readLives(t testing.TB, file string) []life {
	t.Helper()
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var all []life
	for line := range strings.Lines(string(text)) {
		var event string
		var pid int
		var at int64
		if _, err := fmt.Sscan(line, &event, &pid, &at); err != nil {
			t.Fatalf("record of %s: %q: %v", file, line, err)
		}
		if event == "start" {
			all = append(all, life{pid: pid, start: at})
			continue
		}
		l := &all[len(all)-1]
		switch {
		case l.pid != pid:
			t.Fatalf("record of %s: %q in the life of %d", file, line, l.pid)
		case event == "term" && l.term == 0:
			l.term = at
		case event == "exit":
			l.exit = at
		}
	}
	return all
}

// monotonic is the clock the children stamp with.
func monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(err)
	}
	return now.Nano()
}

// verify has lastout check the journal of this tree, once it has ended.
func (x *tree) verify() {
	x.t.Helper()
	x.until("the end of the journal", func(es []entry) bool { return len(es) > 0 && es[len(es)-1].Kind == "finish" })
	file := filepath.Join(x.dir, "journal")
	if err := os.WriteFile(file, x.raw.Bytes(), 0o644); err != nil {
		x.t.Fatal(err)
	}
	verifyJournal(x.t, file)
}

// verifyJournal has lastout check a journal.
func verifyJournal(t testing.TB, file string) {
	t.Helper()
	if out, err := exec.Command(lastoutBin, "verify", file).CombinedOutput(); err != nil {
		t.Errorf("lastout verify: %v\n%s", err, out)
	}
}
