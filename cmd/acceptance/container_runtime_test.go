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
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dockerCaps are the capabilities that Docker and Podman leave a container by default (CAP_NET_ADMIN is none of them).
var dockerCaps = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETFCAP",
	"CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// bundle is what a container is made of.
type bundle struct {
	args    []string
	files   map[string]string // of /conf
	seccomp map[string]any    // nil: none
	host    bool              // the host's programs are there too
	net     *space            // nil: a network of its own
}

// write makes an OCI bundle: our programs, all static, on a root that is read-only.
func (b *bundle) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"bin", "conf", "dev", "proc", "run", "sys", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, "rootfs", d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range b.files {
		if err := os.WriteFile(filepath.Join(dir, "rootfs/conf", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	spec, err := json.Marshal(b.spec(dir))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), spec, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

type object = map[string]any

// spec is the bundle's config.json (OCI runtime specification 1.0).
func (b *bundle) spec(token string) object {
	namespaces := []object{{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}}
	network := object{"type": "network"}
	if b.net != nil {
		network["path"] = b.net.path + "/ns/net"
	}
	linux := object{
		"namespaces":    append(namespaces, network),
		"maskedPaths":   []string{"/proc/kcore", "/proc/keys", "/sys/firmware"},
		"readonlyPaths": []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
	}
	if b.seccomp != nil {
		linux["seccomp"] = b.seccomp
	}
	caps := object{"bounding": dockerCaps, "effective": dockerCaps, "permitted": dockerCaps}
	return object{
		"ociVersion": "1.0.2", "hostname": "test", "root": object{"path": "rootfs", "readonly": true}, "linux": linux,
		"mounts": b.mounts(),
		"process": object{
			"user": object{"uid": 0, "gid": 0}, "cwd": "/", "args": b.args, "capabilities": caps,
			"env": []string{"PATH=/ours:/usr/sbin:/usr/bin:/sbin:/bin", "TEST_TOKEN=" + token},
		},
	}
}

func (b *bundle) mounts() []object {
	mount := func(to, kind, from string, options ...string) object {
		return object{"destination": to, "type": kind, "source": from, "options": options}
	}
	all := []object{
		mount("/proc", "proc", "proc"),
		mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755"),
		mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777"),
		mount("/tmp", "tmpfs", "tmpfs", "nosuid", "nodev", "mode=1777"),
		mount("/run", "tmpfs", "tmpfs", "nosuid", "nodev", "mode=755"),
		mount("/ours", "tmpfs", "tmpfs", "nosuid", "nodev", "mode=755"),
	}
	for name, file := range map[string]string{"lastout": lastoutBin, "web": webBin, "child": childBin} {
		all = append(all, mount("/ours/"+name, "bind", file, "bind", "ro"))
	}
	if b.host {
		for _, dir := range []string{"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc"} {
			if _, err := os.Stat(dir); err == nil {
				all = append(all, mount(dir, "bind", dir, "rbind", "ro"))
			}
		}
		all = append(all, mount("/var/log", "tmpfs", "tmpfs", "mode=755"), mount("/var/lib", "tmpfs", "tmpfs", "mode=755"))
	}
	return all
}

// oci is a container runtime.
type oci struct {
	name  string
	state string
	space *space // where it runs; nil: here
}

// newOCI says that a runtime works here. Where the host mixes cgroup v1 and v2, crun wants the latter alone.
func newOCI(t testing.TB, name string) *oci {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		unable(t, name+" is not installed")
	}
	if os.Getuid() != 0 {
		unable(t, "only root can run containers")
	}
	r := &oci{name: name, state: t.TempDir()}
	if name == "crun" {
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
	var out bytes.Buffer
	cmd := c.by.command("kill", c.id, signal)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := c.by.start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out.Bytes())
	}
	return nil
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
