package process

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// worldVar tells the test binary which world it was put into.
const worldVar = "LASTOUT_TEST_WORLD"

// nobody is the unprivileged user of the tests.
const nobody = 65534

// enterWorld does what a world needs before its first test.
func enterWorld() {
	if os.Getenv(worldVar) != "pid1" {
		return
	}
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if err == nil {
		err = unix.Mount("proc", "/proc", "proc", 0, "")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot mount /proc:", err)
		os.Exit(1)
	}
}

// TestWorlds runs all other tests once more as an unprivileged user (in a cgroup that was delegated to it, where that
// can be had), and as PID 1 of a PID namespace.
func TestWorlds(t *testing.T) {
	if world := os.Getenv(worldVar); world != "" {
		t.Skipf("this is the world %q already", world)
	}
	if os.Getuid() != 0 {
		skip(t, "only root can become somebody else, or make a namespace")
	}
	t.Run("nobody", func(t *testing.T) {
		attr := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if dir, err := delegate(t); err != nil {
			t.Logf("without cgroups: %v", err)
		} else {
			fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			attr.UseCgroupFD, attr.CgroupFD = true, fd
		}
		runWorld(t, "nobody", attr)
	})
	t.Run("pid1", func(t *testing.T) {
		runWorld(t, "pid1", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS})
	})
}

// delegate makes a cgroup that belongs to nobody, as a service manager does for a user.
func delegate(t *testing.T) (string, error) {
	proc := openProc()
	defer proc.close()
	own, _, err := ownGroup(proc)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(own, fmt.Sprintf("lastout-delegated-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	t.Cleanup(func() { removeGroup(dir) })
	for _, controller := range []string{"memory", "pids", "cpu"} { // as far as they can be had
		_ = os.WriteFile(filepath.Join(own, "cgroup.subtree_control"), []byte("+"+controller), 0)
	}
	for _, name := range []string{".", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"} {
		if err := os.Chown(filepath.Join(dir, name), nobody, nobody); err != nil {
			return "", err
		}
	}
	return dir, nil
}

func runWorld(t *testing.T, world string, attr *syscall.SysProcAttr) {
	t.Helper()
	dir := publicDir(t)
	binary := filepath.Join(dir, "process.test")
	copyFile(t, self(), binary, 0o755)
	copyFile(t, self(), filepath.Join(dir, "setuid.test"), 0o755|os.ModeSetuid)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	args := []string{"-test.skip=^(TestWorlds)$", "-test.timeout=4m", "-test.short", "-test.shuffle=on"}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), worldVar+"="+world, "TMPDIR="+dir)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		t.Logf("%s", out)
	case strings.Contains(string(out), "cannot mount /proc"), cmd.Process == nil:
		skip(t, fmt.Sprintf("this world cannot be had: %v %s", err, out))
	default:
		t.Errorf("%v\n%s", err, out)
	}
}

// publicDir is a temporary folder that everybody may use.
func publicDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; strings.HasPrefix(d, os.TempDir()+"/"); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, mode); err != nil {
		t.Fatal(err)
	}
}
