package rehearse

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
	"lastout/supervisor/journal"
	"lastout/supervisor/report"
)

// Tree is what is rehearsed: a lastout to be started, and whom it will start.
type Tree struct {
	Program   string   // the lastout to run
	Args      []string // of `lastout run`: the configuration and whatever else it needs
	Env       []string
	Instances []Instance
	Output    io.Writer // what lastout and its children write; nil: a file, of which the end is shown if all fails
}

// Instance is one copy of a process.
type Instance struct {
	Name   string
	Role   ordering.Role
	Signal syscall.Signal // asks it to leave
}

// The files in a rehearsal's folder.
const (
	journalFile = "journal.jsonl"
	reportFile  = "report.json"
	outputFile  = "output.txt"
	loadFile    = "requests.json"
)

// tree is a Tree that runs. What is known of it comes from its journal, as it is written.
type tree struct {
	Tree
	dir    string
	byHand bool
	cmd    *exec.Cmd
	ended  chan struct{} // closed when lastout has ended and its journal is read
	err    error         // of its end

	mu      sync.Mutex
	header  journal.Header
	states  map[string]supervisor.State
	causes  map[string]string // why an instance is in its state
	pids    map[string]int
	phase   supervisor.Phase
	cause   string        // of the shutdown
	bad     error         // of the journal
	changed chan struct{} // closed and renewed at each change
}

// start runs lastout. It is called from the main thread, which the kernel's parent-death signal follows (prctl(2)): the
// tree is taken down, should this process be killed.
func start(t Tree, dir string, byHand bool) (*tree, error) {
	run := &tree{
		Tree: t, dir: dir, byHand: byHand, ended: make(chan struct{}), changed: make(chan struct{}),
		states: map[string]supervisor.State{}, causes: map[string]string{}, pids: map[string]int{},
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	// The journal comes through a pipe, so that nobody has to look for new lines in a file.
	args := append([]string{
		"run", "--journal", "/proc/self/fd/3", "--report", filepath.Join(dir, reportFile), "--state", "off", "--socket", "off",
	}, t.Args...)
	if byHand {
		args = append(args, "--by-hand")
	}
	run.cmd = exec.Command(t.Program, args...)
	run.cmd.Env, run.cmd.ExtraFiles = t.Env, []*os.File{w}
	run.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := run.begin(); err != nil {
		r.Close()
		return nil, fmt.Errorf("cannot start lastout: %w", err)
	}
	read := make(chan struct{})
	go func() { defer close(read); run.follow(r) }()
	go func() {
		defer close(run.ended)
		run.err = run.cmd.Wait()
		<-read
	}()
	return run, nil
}

// begin starts the process with its output where it belongs.
func (t *tree) begin() error {
	t.cmd.Stdout, t.cmd.Stderr = t.Output, t.Output
	if t.Output == nil {
		f, err := os.Create(filepath.Join(t.dir, outputFile))
		if err != nil {
			return err
		}
		defer f.Close()
		t.cmd.Stdout, t.cmd.Stderr = f, f
	}
	return t.cmd.Start()
}

// follow reads the journal as it comes, and keeps it in a file.
func (t *tree) follow(r io.ReadCloser) {
	defer r.Close()
	f, err := os.Create(filepath.Join(t.dir, journalFile))
	if err == nil {
		defer f.Close()
	}
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, end := lines.ReadBytes('\n')
		if end == nil && err == nil {
			_, err = f.Write(line)
		}
		if end == nil && err == nil {
			err = t.line(n, line)
		}
		if err != nil {
			t.change(func() { t.bad = fmt.Errorf("cannot follow the journal: %w", err) })
			io.Copy(io.Discard, lines) // lastout is not to be held up by it
			return
		}
		if end != nil {
			return
		}
	}
}

// line takes one line of the journal.
func (t *tree) line(n int, line []byte) error {
	if n == 1 {
		var h journal.Header
		if err := json.Unmarshal(line, &h); err != nil {
			return err
		}
		t.change(func() { t.header = h })
		return nil
	}
	var r supervisor.Report
	if err := json.Unmarshal(line, &r); err != nil {
		return err
	}
	switch r.Kind {
	case supervisor.KindState:
		t.change(func() {
			t.states[r.Instance], t.causes[r.Instance] = r.State, r.Cause
			if r.PID > 0 {
				t.pids[r.Instance] = r.PID
			}
		})
	case supervisor.KindPhase:
		t.change(func() {
			t.phase = r.Phase
			if t.cause == "" {
				t.cause = r.Cause // of the first phase that has one: what began the shutdown
			}
		})
	default:
	}
	return nil
}

func (t *tree) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	close(t.changed)
	t.changed = make(chan struct{})
}

var (
	errEnded = errors.New("lastout ended")
	errLong  = errors.New("it took too long")
)

// await returns when done says so, which is asked after each change, under the lock.
func (t *tree) await(ctx context.Context, bound time.Duration, done func() (bool, error)) error {
	late := time.NewTimer(bound)
	defer late.Stop()
	for {
		t.mu.Lock()
		ok, err := done()
		bad, changed := t.bad, t.changed
		t.mu.Unlock()
		switch {
		case err != nil || ok:
			return err
		case bad != nil:
			return bad
		}
		select {
		case <-changed:
		case <-t.ended:
			return errEnded
		case <-late.C:
			return errLong
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// up waits until everybody is ready.
func (t *tree) up(ctx context.Context, bound time.Duration) error {
	err := t.await(ctx, bound, func() (bool, error) {
		if t.phase != "" && t.phase != supervisor.Up {
			return false, fmt.Errorf("the tree never came up: it shuts down (%s)%s", t.cause, t.failures())
		}
		if failed := t.failures(); failed != "" {
			return false, fmt.Errorf("the tree never came up%s", failed)
		}
		return len(t.missing()) == 0, nil
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case errors.Is(err, errEnded):
		return fmt.Errorf("lastout ended before the tree was up: %s%s", t.cmd.ProcessState, t.failures())
	case errors.Is(err, errLong):
		return fmt.Errorf("the tree was not up within %s: not ready: %s",
			report.Duration(bound), strings.Join(t.missing(), ", "))
	}
	return err
}

// missing lists who is not ready, and what they do instead.
func (t *tree) missing() []string {
	var names []string
	for _, x := range t.Instances {
		s := t.states[x.Name]
		if s == supervisor.Ready || s == supervisor.Done {
			continue
		}
		text := x.Name
		if s != "" {
			text += " (" + string(s)
			if t.causes[x.Name] != "" {
				text += ": " + t.causes[x.Name]
			}
			text += ")"
		}
		names = append(names, text)
	}
	return names
}

// failures says who failed for good, and why, for the end of a sentence.
func (t *tree) failures() string {
	text := ""
	for _, x := range t.Instances {
		if t.states[x.Name] != supervisor.Failed {
			continue
		}
		text += "; " + x.Name + " failed"
		if t.causes[x.Name] != "" {
			text += ": " + t.causes[x.Name]
		}
	}
	return text
}

// lastWords are the last lines of what lastout and its children wrote, where it went to a file.
func (t *tree) lastWords() string {
	const most = 20
	text, err := os.ReadFile(filepath.Join(t.dir, outputFile))
	if err != nil || len(text) == 0 {
		return ""
	}
	lines := strings.SplitAfter(string(text), "\n")
	return strings.Join(slices.Concat(lines[max(0, len(lines)-most):]), "")
}

// patience is how long a tree that is not wanted any more may take to leave, before it is asked more urgently.
const patience = 15 * time.Second

// clear leaves nobody behind, however the rehearsal ended: asked more and more urgently, lastout takes its tree down.
func (t *tree) clear() {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGINT, syscall.SIGKILL} {
		t.cmd.Process.Signal(sig)
		if sig == syscall.SIGTERM && t.byHand {
			continue // that alone would let everybody stay
		}
		select {
		case <-t.ended:
			return
		case <-time.After(patience):
		}
	}
	<-t.ended
}
