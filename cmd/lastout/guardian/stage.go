package guardian

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"lastout/cmd/lastout/bare"
)

// stage is a guardian at work.
type stage struct {
	Order
	in     *bare.Signals
	conn   int // our end of the pair
	master int
	status syscall.WaitStatus // of the master, once it is reaped
	silent bool               // the master's end is closed
	done   bool               // it said that its end is no accident
	binary string             // what an upgrade made of it; empty: nothing
}

// watch is the guardian's life. It returns when there is somebody to be rescued.
func watch(o Order) *stage {
	g := &stage{Order: o}
	var err error
	if g.in, err = bare.Catch(append(o.Take, syscall.SIGCHLD)); err != nil {
		fail("cannot take signals: " + err.Error())
	}
	g.in.CatchIgnored()
	bare.Unblock(^uint64(0)) // they were blocked for the exec
	for _, r := range bare.Rest(o.Came) {
		g.Pending = append(g.Pending, r.Signal())
	}
	if syscall.Getpid() != 1 {
		if no := bare.Prctl(bare.SetSubreaper, 1); no != 0 {
			fail("cannot become a subreaper: " + no.Error())
		}
	}
	rename("lastout guard")
	if err := g.spawn(); err != nil {
		fail("cannot start " + g.Binary + ": " + err.Error())
	}
	for _, s := range g.Pending {
		g.pass(s)
	}
	for !g.ended() {
		g.wait()
	}
	if g.done || !g.begun() {
		syscall.Exit(g.code())
	}
	return g
}

// spawn starts the master with all that we were started with. Descriptors from 3 on are inherited as they are, and kept
// open here too: a rescue has a use for them.
func (g *stage) spawn() error {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	g.conn = pair[0]
	if _, _, no := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(pair[1]), syscall.F_SETFD, 0); no != 0 {
		return no
	}
	told := Master{FD: pair[1], First: syscall.Getpid() == 1}.Variable()
	g.master, err = syscall.ForkExec(g.Binary, os.Args, &syscall.ProcAttr{
		Env:   append(syscall.Environ(), told, RegisterVariable+"="+strconv.Itoa(g.Register)),
		Files: []uintptr{0, 1, 2},
	})
	syscall.Close(pair[1])
	return err
}

// wait sleeps until something happens, and passes on the signals that came.
func (g *stage) wait() {
	conn := g.conn
	if g.silent {
		conn = -1
	}
	if bare.Readable(-1, g.in.FD(), conn)&1 == 0 {
		return
	}
	self := int32(syscall.Getpid())
	for _, r := range g.in.Wait(0) {
		switch s := r.Signal(); {
		case s == syscall.SIGCHLD, r.PID == self && r.Sent():
		case !r.Sent() && fromTerminal(s): // the master is in the same process group, and got it too
		default:
			g.pass(s)
		}
	}
}

// fromTerminal says that a terminal sends such a signal to all of a process group.
func fromTerminal(s syscall.Signal) bool {
	return s == syscall.SIGINT || s == syscall.SIGQUIT || s == syscall.SIGTSTP || s == syscall.SIGWINCH
}

// pass gives the master a signal. Where it has read none for so long that there is no room, the kernel gives it.
func (g *stage) pass(s syscall.Signal) {
	word := []byte{byte(s)}
	const flags = syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL
	if _, err := syscall.SendmsgN(g.conn, word, nil, nil, flags); err == syscall.EAGAIN {
		_ = syscall.Kill(g.master, s)
	}
}

// ended takes care of everybody who has ended, and says whether the master has.
func (g *stage) ended() bool {
	for {
		pid, err := syscall.Wait4(g.master, &g.status, syscall.WNOHANG, nil)
		g.hear()
		if err == syscall.EINTR {
			continue
		}
		if pid == g.master {
			return true
		}
		if pid = bare.EndedChild(); pid == g.master {
			continue
		}
		// Whose child it was is looked at after it was seen: what the master leaves behind is not ours to reap.
		if g.hear(); pid == 0 || g.silent {
			return false
		}
		_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
	}
}

// hear takes in what the master has said.
func (g *stage) hear() {
	var word [4097]byte
	for !g.silent {
		n, _, err := syscall.Recvfrom(g.conn, word[:], syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EINTR:
		case err == syscall.ECONNRESET: // it has left signals unread, which is told once; its own words come behind
		case err == syscall.EAGAIN:
			return
		case err != nil || n == 0:
			g.silent = true
		case word[0] == wordDone:
			g.done = true
		case word[0] == wordNotify:
			notify(word[1:n])
		case word[0] == wordBinary:
			g.binary = string(word[1:n])
		}
	}
}

// notify passes words of the master on to the service manager, as sd_notify(3) would. A manager that does not read is
// waited for no longer than a second; signals wait in their pipe meanwhile.
func notify(text []byte) {
	path, _ := syscall.Getenv("NOTIFY_SOCKET")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if path == "" || err != nil {
		return
	}
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &syscall.Timeval{Sec: 1})
	_ = syscall.Sendto(fd, text, syscall.MSG_NOSIGNAL, &syscall.SockaddrUnix{Name: path})
	syscall.Close(fd)
}

// begun says whether the master has noted anything: before, it had started nobody. One that could note nothing has left
// its children.
func (g *stage) begun() bool {
	var st syscall.Stat_t
	if syscall.Fstat(g.Register, &st) == nil && st.Size > 0 {
		return true
	}
	_, _, nobody := bare.ChangedChild()
	return !nobody
}

// code is the exit code that the master's end makes ours: its own, 128+n where a signal ended it, and 1 where it ended
// itself and had not meant to.
func (g *stage) code() int {
	switch {
	case g.status.Signaled():
		return 128 + int(g.status.Signal())
	case !g.done && g.begun():
		return 1
	}
	return g.status.ExitStatus()
}

// rename is how ps(1) -e and top(1) call us.
func rename(name string) {
	text := append([]byte(name), 0)
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, bare.SetName, uintptr(unsafe.Pointer(&text[0])), 0)
}

// fail ends a guardian that cannot be one.
func fail(text string) {
	bare.Say(2, "lastout: guardian: "+text+"\n")
	syscall.Exit(1)
}
