package sockdiag

import (
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOpenProcess holds that who is reaped is gone, also where others of its process group live on.
func TestOpenProcess(t *testing.T) {
	t.Parallel()
	leader := exec.Command("sh", "-c", "sleep 1000 &")
	leader.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := leader.Run(); err != nil {
		t.Fatal(err)
	}
	pid := leader.Process.Pid
	t.Cleanup(func() { _ = unix.Kill(-pid, unix.SIGKILL) })
	if err := unix.Kill(-pid, 0); err != nil {
		t.Fatalf("its group does not live on: %v", err)
	}
	if fd, err := OpenProcess(pid); err != unix.ESRCH {
		t.Errorf("opened as %d: %v", fd, err)
	}
	fd, err := OpenProcess(unix.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
}
