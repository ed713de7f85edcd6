package process

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// listen opens the socket for the run that is started next.
func (g *rig) listen() (*Notify, chan Message) {
	g.Helper()
	got := make(chan Message, 100)
	n, err := ListenNotify(runNumber.Load()+1, g.Reaper, func(m Message) { got <- m })
	if err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() { n.Close() })
	return n, got
}

func tell(n *Notify, lines ...string) Spec {
	s := help("tell", lines...)
	s.Env = []string{"NOTIFY_SOCKET=" + n.Addr()}
	return s
}

// TestNotify is told by the main process, by a daemon's kind of child, and by a child that has ended when it is read.
func TestNotify(t *testing.T) {
	inBothModes(t, func(r *rig) {
		n, got := r.listen()
		from, say := r.pipe()
		hold, release := r.pipe()
		s := tell(n)
		s.Argv = []string{"/bin/sh", "-c", `
			"$0" -helper tell READY=1 "STATUS=fit as a fiddle" X=y 3>&-
			setsid "$0" -helper tell STOPPING=1 3>&- & wait
			echo $$ >&3; read x <&4; exec "$0" -helper tell STATUS=last`, self()}
		s = s.with(say, hold)
		run := r.start(s)
		m := <-got
		if !m.Ready || m.Status != "fit as a fiddle" || m.Stopping || m.PID == 0 {
			r.Errorf("got %+v", m)
		}
		if m := <-got; m.Ready || !m.Stopping {
			r.Errorf("got %+v", m)
		}
		pid := atoi(r, r.line(from))
		release.Close()
		if m := <-got; m.PID != pid || m.Status != "last" {
			r.Errorf("got %+v, want one of %d", m, pid)
		}
		r.empty(run)
	})
}

// TestNotifyRefuses is told by another run, and by somebody who is nobody's; what comes after them from the right one
// is the first that is taken.
func TestNotifyRefuses(t *testing.T) {
	inBothModes(t, func(r *rig) {
		hold, release := r.pipe()
		n, got := r.listen()
		right := r.start(Spec{
			Argv: []string{"/bin/sh", "-c", `read x <&3; exec "$0" -helper tell STATUS=right`, self()},
			Env:  []string{"NOTIFY_SOCKET=" + n.Addr()}, Files: toFiles(nil, nil, os.Stderr, hold),
		})
		// The sender stays until it is sure that its message was read: whoever holds the descriptor that came along sees
		// it closed.
		said, barrier := r.pipe()
		wrong := r.start(Spec{
			Argv: []string{"/bin/sh", "-c", `"$0" -helper tell READY=1 STATUS=wrong; exec 3>&-; read x <&4`, self()},
			Env:  []string{"NOTIFY_SOCKET=" + n.Addr()}, Files: toFiles(nil, nil, os.Stderr, barrier, hold),
		})
		barrier.Close()
		r.endOfFile(said)
		tellOurselves(r, n)
		release.Close()
		// The wrong one's helper has ended when it is read, with our own user, which is as good as can be known. While it
		// is there it is refused.
		m := <-got
		if m.Status == "wrong" {
			m = <-got
		}
		if m.Status != "right" || m.Ready {
			r.Errorf("got %+v", m)
		}
		r.empty(right)
		r.empty(wrong)
	})
}

func (g *rig) endOfFile(f *os.File) {
	g.Helper()
	if n, err := f.Read(make([]byte, 1)); n != 0 || err == nil {
		g.Fatalf("got %d bytes, %v, want the end", n, err)
	}
}

// tellOurselves sends what no run sends, and waits until it was read.
func tellOurselves(r *rig, n *Notify) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.Fatal(err)
	}
	defer unix.Close(fd)
	closed, barrier := r.pipe()
	raw, err := barrier.SyscallConn()
	if err != nil {
		r.Fatal(err)
	}
	err = raw.Control(func(end uintptr) {
		to := &unix.SockaddrUnix{Name: n.Addr()}
		if err := unix.Sendmsg(fd, []byte("STATUS=stranger"), unix.UnixRights(int(end)), to, 0); err != nil {
			r.Fatal(err)
		}
	})
	if err != nil {
		r.Fatal(err)
	}
	barrier.Close()
	r.endOfFile(closed)
}

// TestTrusts goes through all kinds of senders.
func TestTrusts(t *testing.T) {
	inBothModes(t, func(r *rig) {
		from, say := r.pipe()
		hold, _ := r.pipe()
		script := "(echo up >&3; read x <&4) & read x <&4"
		run := r.start(sh(script, say, hold))
		other := r.start(sh(script, say, hold))
		r.line(from)
		r.line(from)
		gone := exec.Command("/bin/true")
		gonePID := r.start(Spec{Argv: gone.Args, Env: []string{}})
		r.empty(gonePID)
		i := slices.IndexFunc(r.seen, func(e Event) bool { s, ok := e.(Started); return ok && s.Run == gonePID })
		dead := r.seen[i].(Started).PID
		me, stranger := uint32(os.Getuid()), uint32(12345)
		check := func(pid int, uid uint32, want bool) {
			r.Helper()
			if got := r.trusts(unix.Ucred{Pid: int32(pid), Uid: uid}, run); got != want {
				r.Errorf("pid %d, uid %d is trusted: %v", pid, uid, got)
			}
		}
		for _, m := range r.Members(run) {
			check(m.PID, stranger, true) // a worker may have changed its user
		}
		for _, m := range r.Members(other) {
			check(m.PID, me, false)
		}
		check(os.Getpid(), me, false)
		check(os.Getppid(), 0, false)
		check(0, 0, false)
		check(dead, me, true)
		check(dead, 0, true)
		check(dead, stranger, false)
	})
}

func TestParseMessage(t *testing.T) {
	for text, want := range map[string]Message{
		"READY=1":                       {Ready: true},
		"READY=1\nSTATUS=a=b\n":         {Ready: true, Status: "a=b"},
		"STOPPING=1\nMAINPID=4":         {Stopping: true},
		"READY=0\nSTOPPING=\nSTATUS=":   {},
		"":                              {},
		"ready=1\n READY=1\nREADY":      {},
		"STATUS=\xff":                   {},
		"STATUS=one\nSTATUS=two\n=\n==": {Status: "two"},
	} {
		if got := parseMessage(text); got != want {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

// TestNotifyLongMessage drops what does not fit, instead of taking half of it.
func TestNotifyLongMessage(t *testing.T) {
	r := newRig(t, false)
	n, got := r.listen()
	s := tell(n, strings.Repeat("x", maxMessage-7))
	s.Argv = append([]string{
		"/bin/sh", "-c", `"$0" -helper tell READY=1 "STATUS=$1"; "$0" -helper tell "STATUS=$1"; exit 0`, self(),
	}, s.Argv[len(s.Argv)-1])
	run := r.start(s)
	if m := <-got; m.Ready || len(m.Status) != maxMessage-7 {
		t.Errorf("got %d bytes, ready %v", len(m.Status), m.Ready)
	}
	r.empty(run)
}
