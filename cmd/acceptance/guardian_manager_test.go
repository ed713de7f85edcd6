package acceptance

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestGuardianNotifies has the service manager hear of a tree that has a guardian, and the other way round: what was
// meant for the process it started reaches lastout.
func TestGuardianNotifies(t *testing.T) {
	heard := asManager(t)
	x := launch(t, guarded+"[process.p]\ncommand = [\"$CHILD\"]\n")
	heard(x, "READY=1")
	x.signal(x.cmd.Process.Pid, syscall.SIGTERM)
	heard(x, "STOPPING=1")
	if code := x.wait(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// TestGuardianClearsUp has it wait while what another lastout left is cleared up.
func TestGuardianClearsUp(t *testing.T) {
	x := launch(t, "control.socket = \"$DIR/c.sock\"\n"+slow)
	x.untilReady(1)
	x.murder()
	heard := asManager(t)
	y := x.again(guarded + slow)
	if text := heard(y, "EXTEND_TIMEOUT_USEC="); !strings.Contains(text, "what it has left is cleared up") {
		t.Errorf("it says %q", text)
	}
	heard(y, "READY=1")
	if code, _ := y.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// asManager makes the test the service manager of what it launches. The function that it returns waits for a text, and
// demands that nobody but the process that was started talks.
func asManager(t *testing.T) (heard func(x *tree, want string) string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	path := filepath.Join(t.TempDir(), "notify")
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 60}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	return func(x *tree, want string) string {
		t.Helper()
		for {
			text, oob := make([]byte, 4096), make([]byte, 128)
			n, more, _, _, err := unix.Recvmsg(fd, text, oob, 0)
			if err != nil {
				t.Fatalf("no %s: %v\n%s", want, err, x.stderr.String())
			}
			if pid := senderOf(t, oob[:more]); pid != x.cmd.Process.Pid {
				t.Fatalf("the manager started %d, and %d says %q", x.cmd.Process.Pid, pid, text[:n])
			}
			if strings.Contains(string(text[:n]), want) {
				return string(text[:n])
			}
		}
	}
}

// senderOf is who sent a datagram (SCM_CREDENTIALS of unix(7)).
func senderOf(t *testing.T, oob []byte) int {
	t.Helper()
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) == 0 {
		t.Fatal("nobody is said to have sent it", err)
	}
	who, err := unix.ParseUnixCredentials(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	return int(who.Pid)
}

// TestGuardianListens hands lastout a listener as a service manager does, which knows the guardian's pid only.
func TestGuardianListens(t *testing.T) {
	dir := t.TempDir()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	given, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer given.Close()
	file := filepath.Join(dir, "lastout.toml")
	conf := fmt.Sprintf("guardian.enabled = true\ncontrol.socket = \"off\"\nsocket.web.listen = %q\n"+
		"[process.p]\ncommand = [%q]\nsockets = [\"web\"]\n", listener.Addr(), childBin)
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" run --state off -c "$1"`, lastoutBin, file)
	cmd.ExtraFiles = []*os.File{given}
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(hangs, func() { cmd.Process.Kill() }).Stop()
	held := false
	for lines := bufio.NewScanner(said); lines.Scan(); {
		held = held || strings.Contains(lines.Text(), `(socket "web", the service manager's)`)
		if strings.Contains(lines.Text(), "p is ready") {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil || !held {
		t.Errorf("taken: %v, %v", held, err)
	}
}
