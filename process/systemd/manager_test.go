package systemd

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ear is a service manager that listens on a real socket.
type ear struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func newEar(t *testing.T) *ear {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &ear{t, conn, path}
}

func (e *ear) next() string {
	e.t.Helper()
	buf := make([]byte, 8192)
	if err := e.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		e.t.Fatal(err)
	}
	n, err := e.conn.Read(buf)
	if err != nil {
		e.t.Fatal(err)
	}
	return string(buf[:n])
}

func (e *ear) hears(want string) {
	e.t.Helper()
	if diff := cmp.Diff(want, e.next()); diff != "" {
		e.t.Errorf("the manager was told otherwise (-want +got):\n%s", diff)
	}
}

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func (e *ear) open() *Manager {
	m, err := Open(env(map[string]string{"NOTIFY_SOCKET": e.path}), func(err error) { e.t.Error(err) })
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { m.Close(time.Minute) })
	return m
}

func TestTell(t *testing.T) {
	e := newEar(t)
	m := e.open()
	m.Tell(Message{Status: "1 of 2 ready"})
	e.hears("STATUS=1 of 2 ready")
	m.Tell(Message{})
	m.Tell(Message{Ready: true, Status: "2 ready"})
	e.hears("READY=1\nSTATUS=2 ready")
	m.Tell(Message{Reloading: true, Monotonic: 1500 * time.Microsecond})
	m.Tell(Message{Ready: true})
	e.hears("RELOADING=1\nMONOTONIC_USEC=1500")
	e.hears("READY=1")
	m.Tell(Message{Stopping: true, Extend: 3 * time.Second, Status: "stopping\n0/2"})
	e.hears("STOPPING=1\nEXTEND_TIMEOUT_USEC=3000000\nSTATUS=stopping 0/2")
	m.Tell(Message{Status: strings.Repeat("ä", maxStatus)})
	e.hears("STATUS=" + strings.Repeat("ä", maxStatus/2))
	m.Tell(Message{Watchdog: true})
	m.Close(time.Minute)
	e.hears("WATCHDOG=1")
	m.Tell(Message{Status: "late"})
}

func TestAbstractSocket(t *testing.T) {
	name := "@lastout-test-" + filepath.Base(t.TempDir()) + t.Name()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	e := &ear{t, conn, name}
	e.open().Tell(Message{Ready: true})
	e.hears("READY=1")
}

func TestNobodyListens(t *testing.T) {
	m, err := Open(env(nil), nil)
	if m != nil || err != nil {
		t.Fatalf("without a socket there is %v, %v", m, err)
	}
	m.Tell(Message{Ready: true}) // a nil one takes everything
	m.Close(time.Minute)
	m.Watch(time.Second, func() bool { t.Error("who is nobody's asks nobody"); return false })
	if _, err := Open(env(map[string]string{"NOTIFY_SOCKET": "vsock:2:1"}), nil); err == nil {
		t.Error("a socket of another family is taken for good")
	}
	said := make(chan error, 10)
	missing := map[string]string{"NOTIFY_SOCKET": filepath.Join(t.TempDir(), "missing")}
	if m, err = Open(env(missing), func(err error) { said <- err }); err != nil {
		t.Fatal(err)
	}
	m.Tell(Message{Ready: true})
	m.Tell(Message{Stopping: true})
	if err := <-said; !errors.Is(err, syscall.ENOENT) {
		t.Errorf("said is %v", err)
	}
	m.Close(time.Minute)
	if len(said) > 0 {
		t.Errorf("said again: %v", <-said)
	}
}

// TestManagerThatDoesNotRead fills the queue of a real socket: whoever tells is never held up, and the turns of the life
// come through when it reads again.
func TestManagerThatDoesNotRead(t *testing.T) {
	e := newEar(t)
	full, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: e.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	raw, err := full.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	queued := 0
	err = raw.Write(func(fd uintptr) bool {
		for err == nil {
			if _, err = syscall.Write(int(fd), []byte("x")); err == nil {
				queued++
			}
		}
		return true
	})
	if err != nil || queued == 0 {
		t.Fatalf("%d queued, %v", queued, err)
	}
	m := e.open()
	for range 10_000 {
		m.Tell(Message{Status: "still here"})
	}
	m.Tell(Message{Ready: true})
	m.Tell(Message{Stopping: true, Status: "stopping"})
	for range queued {
		e.hears("x")
	}
	for text := e.next(); text != "READY=1"; text = e.next() {
		if text != "STATUS=still here" {
			t.Fatalf("heard %q before READY=1", text)
		}
	}
	e.hears("STOPPING=1\nSTATUS=stopping")
}

// record is a manager in virtual time.
type record struct {
	mu   sync.Mutex
	said []string
	fail error
}

func (r *record) send(text string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, text)
	return r.fail
}

// heard is what was sent so far.
func (r *record) heard() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.said)
}

func (r *record) fails(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = err
}

// TestWatchdog vouches for a loop that answers, and no more for one that hangs.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &record{}
		m := start(r.send, nil)
		answers, hangs := 5, make(chan bool)
		go m.Watch(10*time.Second, func() bool {
			if answers--; answers >= 0 {
				return true
			}
			return <-hangs
		})
		time.Sleep(time.Hour)
		if n := len(r.heard()); n != 5 {
			t.Errorf("vouched for %d times, want 5: %q", n, r.heard())
		}
		hangs <- false // the loop is over
		m.Close(time.Second)
	})
}

// TestPace joins words that come faster than anybody reads, and not the turns of the life.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &record{}
		m := start(r.send, nil)
		m.Tell(Message{Status: "a"})
		synctest.Wait()
		for _, status := range []string{"b", "c", "d"} {
			m.Tell(Message{Status: status})
			synctest.Wait()
		}
		m.Tell(Message{Stopping: true})
		synctest.Wait()
		if diff := cmp.Diff([]string{"STATUS=a", "STATUS=d", "STOPPING=1"}, r.heard()); diff != "" {
			t.Errorf("at once (-want +got):\n%s", diff)
		}
		m.Close(time.Second)
	})
}

// TestFailure keeps what must be said for the next occasion, and does not try in vain meanwhile.
func TestFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &record{fail: os.ErrNotExist}
		m := start(r.send, func(error) {})
		m.Tell(Message{Ready: true})
		time.Sleep(time.Hour)
		if n := len(r.heard()); n != 1 {
			t.Errorf("tried %d times while nothing happened", n)
		}
		r.fails(nil)
		m.Tell(Message{Status: "up"})
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{"READY=1", "READY=1\nSTATUS=up"}, r.heard()); diff != "" {
			t.Errorf("said (-want +got):\n%s", diff)
		}
		m.Close(time.Second)
	})
}

func TestWatchdogIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"30000000", "", 15 * time.Second},
		{"30000000", "4711", 15 * time.Second},
		{"30000000", "4712", 0},
		{"", "", 0},
		{"soon", "", 0},
		{"-1", "", 0},
		{"0", "4711", 0},
		{"18446744073709551615", "", 0},
	} {
		got := Watchdog(env(map[string]string{"WATCHDOG_USEC": c.usec, "WATCHDOG_PID": c.pid}), 4711)
		if got != c.want {
			t.Errorf("WATCHDOG_USEC=%q WATCHDOG_PID=%q: %v, want %v", c.usec, c.pid, got, c.want)
		}
	}
}
