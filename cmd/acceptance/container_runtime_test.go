package acceptance

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// oci is a container runtime.
type oci struct {
	name  string
	state string
	space *space // where it runs; nil: here
}

// newOCI says that a runtime works here. Where the host mixes cgroup v1 and v2, crun wants the latter alone.
func newOCI(t testing.TB, name string) *oci {
	t.Helper()
	return newOCIWith(t, name, name == "crun")
}

// newOCIWith is the same with cgroup v2 alone or not, which the containers of any runtime need that are to see it.
func newOCIWith(t testing.TB, name string, unified bool) *oci {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		unable(t, name+" is not installed")
	}
	if os.Getuid() != 0 {
		unable(t, "only root can run containers")
	}
	r := &oci{name: name, state: t.TempDir()}
	if unified && !unifiedHere() {
		r.space = newSpace(t, unix.CLONE_NEWNS, func() error {
			return errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
				unix.Mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, ""))
		})
	}
	c := r.run(t, bundle{args: []string{"/ours/lastout", "version"}})
	if code := c.wait(); code != 0 {
		unable(t, fmt.Sprintf("%s cannot run a container here: exit code %d\n%s", name, code, c.said()))
	}
	return r
}

// unifiedHere says that this machine has cgroup v2 alone already (cgroups(7)).
func unifiedHere() bool {
	var fs unix.Statfs_t
	return unix.Statfs("/sys/fs/cgroup", &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// command is a call of the runtime.
func (r *oci) command(args ...string) *exec.Cmd {
	return exec.Command(r.name, append([]string{"--root", r.state}, args...)...)
}

// start starts a program where the runtime runs: who is started inherits the namespaces of the thread that does it.
func (r *oci) start(cmd *exec.Cmd) (err error) {
	if r.space == nil {
		return cmd.Start()
	}
	r.space.do(func() { err = cmd.Start() })
	return err
}

// container is one that runs.
type container struct {
	t      testing.TB
	by     *oci
	id     string
	cmd    *exec.Cmd
	exited chan struct{}

	mu    sync.Mutex
	text  bytes.Buffer  // of stdout and stderr
	fresh chan struct{} // closed and renewed at each line
}

var containers = sequence()

// sequence numbers what must have names of its own.
func sequence() func() int {
	var mu sync.Mutex
	n := 0
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		n++
		return n
	}
}

// run starts a container. It ends with the test.
func (r *oci) run(t testing.TB, b bundle) *container {
	t.Helper()
	c := &container{
		t: t, by: r, id: fmt.Sprintf("lastout-test-%d-%d", os.Getpid(), containers()),
		exited: make(chan struct{}), fresh: make(chan struct{}),
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd = r.command("run", "--bundle", b.write(t), c.id)
	c.cmd.Stdout, c.cmd.Stderr = out, out
	err = r.start(c.cmd)
	out.Close()
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		c.read(in)
	}()
	go func() {
		_ = c.cmd.Wait() // its exit code is looked at
		<-read
		close(c.exited)
	}()
	t.Cleanup(c.clear)
	return c
}

func (c *container) read(in io.ReadCloser) {
	defer in.Close()
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		c.mu.Lock()
		c.text.Write(line)
		close(c.fresh)
		c.fresh = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// said is what the container has written.
func (c *container) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// count is how many lines match.
func (c *container) count(pattern string) int {
	return len(regexp.MustCompile("(?m)"+pattern).FindAllString(c.said(), -1))
}

// wantOnce holds that a line like each of these was said, and once.
func (c *container) wantOnce(patterns ...string) {
	c.t.Helper()
	for _, p := range patterns {
		if n := c.count(p); n != 1 {
			c.t.Errorf("%d times and not once: %s", n, p)
		}
	}
}

// wantWhole holds that nothing was lost.
func (c *container) wantWhole(clients *crowd) {
	c.t.Helper()
	if len(clients.lost) > 0 {
		c.t.Errorf("%v", clients)
	}
}

// await waits for a line that matches.
func (c *container) await(pattern string) {
	c.t.Helper()
	late := time.After(hangs)
	for {
		c.mu.Lock()
		fresh := c.fresh
		c.mu.Unlock()
		if c.count(pattern) > 0 {
			return
		}
		select {
		case <-fresh:
		case <-c.exited:
			c.t.Fatalf("it ended before it said %q:\n%s", pattern, c.said())
		case <-late:
			c.t.Fatalf("it has not said %q:\n%s", pattern, c.said())
		}
	}
}

// kill has the runtime send PID 1 a signal.
func (c *container) kill(signal string) error {
	_, err := c.ask("kill", c.id, signal)
	return err
}

// exec has the runtime run a program in the container, and returns what it wrote.
func (c *container) exec(args ...string) (string, error) {
	return c.ask(append([]string{"exec", c.id}, args...)...)
}

// ask calls the runtime.
func (c *container) ask(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := c.by.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := c.by.start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out.Bytes())
	}
	return out.String(), err
}

// stop has it killed by SIGTERM, and waits for its end.
func (c *container) stop() (code int, took time.Duration) {
	c.t.Helper()
	begin := time.Now()
	if err := c.kill("TERM"); err != nil {
		c.t.Error(err)
	}
	return c.wait(), time.Since(begin)
}

// wait waits for its end and returns its exit code.
func (c *container) wait() int {
	c.t.Helper()
	select {
	case <-c.exited:
	case <-time.After(hangs):
		c.t.Errorf("it hangs:\n%s", c.said())
		_ = c.kill("KILL")
		<-c.exited
	}
	return c.cmd.ProcessState.ExitCode()
}

func (c *container) clear() {
	select {
	case <-c.exited:
	default:
		_ = c.kill("KILL")
		c.wait()
	}
	if c.t.Failed() {
		c.t.Logf("the container said:\n%s", c.said())
	}
}
