package acceptance

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// unable skips a test for what this machine does not grant; on CI, where everything is to be had, that is a failure.
func unable(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("LASTOUT_CI") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// space is a thread in namespaces of its own. What it runs, and whom that starts, is there too.
type space struct {
	t    testing.TB
	jobs chan func()
	tid  int
	path string // of the thread, in /proc
}

// newSpace makes one; flags are those of unshare(2), and prepare is what is done there first. It ends with the test.
func newSpace(t testing.TB, flags int, prepare func() error) *space {
	t.Helper()
	s := &space{t: t, jobs: make(chan func())}
	begun := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine, and its namespaces with it
		s.tid = unix.Gettid()
		s.path = fmt.Sprintf("/proc/%d/task/%d", os.Getpid(), s.tid)
		err := unix.Unshare(flags)
		if err == nil {
			err = prepare()
		}
		begun <- err
		for job := range s.jobs {
			job()
		}
	}()
	t.Cleanup(func() { close(s.jobs) })
	switch err := <-begun; {
	case errors.Is(err, unix.EPERM):
		unable(t, "namespaces cannot be made here: "+err.Error())
	case err != nil:
		t.Fatal(err)
	}
	return s
}

// do runs a function in the space.
func (s *space) do(f func()) {
	done := make(chan struct{})
	s.jobs <- func() {
		defer close(done)
		f()
	}
	<-done
}

// newNet is a network namespace whose loopback is up.
func newNet(t testing.TB) *space {
	t.Helper()
	return newSpace(t, unix.CLONE_NEWNET, func() error { return ip("link", "set", "lo", "up") })
}

// ip is the program of that name (iproute2), run in the namespace of the calling thread.
func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %q: %w: %s", args, err, out)
	}
	return nil
}

// dial connects from within a network namespace: a socket belongs to the one in which it was made.
func (s *space) dial(to netip.AddrPort, patience time.Duration, options ...func(fd int) error) (net.Conn, error) {
	fd, err := -1, error(nil)
	s.do(func() { fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0) })
	if err != nil {
		return nil, err
	}
	for _, set := range options {
		err = errors.Join(err, set(fd))
	}
	file := os.NewFile(uintptr(fd), "client")
	defer file.Close()
	if err == nil {
		err = connect(file, to, time.Now().Add(patience))
	}
	if err != nil {
		return nil, err
	}
	return net.FileConn(file)
}

// connect waits for the end of a handshake.
func connect(file *os.File, to netip.AddrPort, deadline time.Time) error {
	if err := file.SetWriteDeadline(deadline); err != nil {
		return err
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	begun := false
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		if !begun {
			begun = true
			failed = unix.Connect(int(fd), &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
			return failed != unix.EINPROGRESS
		}
		if _, err := unix.Getpeername(int(fd)); err == nil {
			failed = nil
			return true
		}
		var code int
		if code, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); failed == nil && code != 0 {
			failed = unix.Errno(code)
		}
		return failed != nil // what the poller told was of before the call
	})
	return errors.Join(err, failed)
}
