package process

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Message is what a process says of itself by sd_notify(3). Assignments that are not listed here are passed over.
type Message struct {
	PID      int // of the sender
	Ready    bool
	Stopping bool
	Watchdog bool   // WATCHDOG=1: it is alive
	Trigger  bool   // WATCHDOG=trigger: it has failed, and knows it
	Status   string // for people; empty where none was sent
}

// Notify is the NOTIFY_SOCKET of one run: a datagram socket with an abstract address (unix(7)), so that it needs no
// folder and leaves nothing behind.
type Notify struct {
	conn  *net.UnixConn
	addr  string
	over  sync.WaitGroup
	begin func() // to read
}

// maxMessage is the longest datagram that is read; systemd's own bound is the same.
const maxMessage = 4096

// ListenNotify opens a socket for a run, before it starts. f is called with each message, by one goroutine at a time,
// if its sender belongs to the tree of the run; or, where the sender has ended already, as a command called by a shell
// script mostly has, if it had our own user or root.
func ListenNotify(run uint64, r *Reaper, f func(Message)) (*Notify, error) {
	addr := fmt.Sprintf("@lastout/%d/%d/%s", r.proc.own, run, rand.Text())
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: addr, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("cannot open a notify socket: %w", err)
	}
	if err := passCredentials(conn); err != nil {
		conn.Close()
		return nil, fmt.Errorf("cannot open a notify socket: %w", err)
	}
	n := &Notify{conn: conn, addr: addr}
	n.listen(run, r, f)
	return n, nil
}

func (n *Notify) listen(run uint64, r *Reaper, f func(Message)) {
	n.begin = func() { n.over.Go(func() { n.serve(run, r, f) }) }
	n.begin()
}

// Pause has f not called until Resume, and waits until it does not run. What is sent meanwhile stays in the socket. It
// must not be called by f.
func (n *Notify) Pause() {
	_ = n.conn.SetReadDeadline(time.Unix(1, 0))
	n.over.Wait()
}

// Resume ends a Pause.
func (n *Notify) Resume() {
	_ = n.conn.SetReadDeadline(time.Time{})
	n.begin()
}

// Keep tells what a paused socket is to a successor: its descriptor. Its address is known from that.
func (n *Notify) Keep() (fd int) {
	fd = -1
	if raw, err := n.conn.SyscallConn(); err == nil {
		_ = raw.Control(func(at uintptr) { fd = int(at) })
	}
	return fd
}

// RestoreNotify is ListenNotify for a socket that was kept. It owns the descriptor.
func RestoreNotify(fd int, run uint64, r *Reaper, f func(Message)) (*Notify, error) {
	file := os.NewFile(uintptr(fd), "notify")
	defer file.Close()
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, fmt.Errorf("cannot take a notify socket over: %w", err)
	}
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("cannot take a notify socket over: it is a %T", conn)
	}
	n := &Notify{conn: socket, addr: socket.LocalAddr().String()}
	n.listen(run, r, f)
	return n, nil
}

// Addr is the value of NOTIFY_SOCKET.
func (n *Notify) Addr() string { return n.addr }

// Close ends it; when it returns, f is not running and will not be called again. It must not be called by f.
func (n *Notify) Close() error {
	err := n.conn.Close()
	n.over.Wait()
	return err
}

// passCredentials makes the kernel say of each datagram who sent it.
func passCredentials(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var err2 error
	err = raw.Control(func(fd uintptr) {
		err2 = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	})
	if err != nil {
		return err
	}
	return err2
}

func (n *Notify) serve(run uint64, r *Reaper, f func(Message)) {
	text := make([]byte, maxMessage)
	oob := make([]byte, 512)
	for {
		size, oobSize, flags, _, err := n.conn.ReadMsgUnix(text, oob)
		if err != nil {
			return // closed or paused; a datagram socket has no other end
		}
		from, ok := sender(oob[:oobSize])
		if !ok || flags&unix.MSG_TRUNC != 0 || !r.trusts(from, run) {
			continue
		}
		m := parseMessage(string(text[:size]))
		m.PID = int(from.Pid)
		f(m)
	}
}

// sender takes the credentials out of the control messages (unix(7)), and closes descriptors that came along: a barrier
// is one, which its sender holds to see when it was read.
func sender(oob []byte) (from unix.Ucred, ok bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return from, false
	}
	for _, m := range messages {
		if fds, err := unix.ParseUnixRights(&m); err == nil {
			for _, fd := range fds {
				unix.Close(fd)
			}
		}
		if c, err := unix.ParseUnixCredentials(&m); err == nil {
			from, ok = *c, true
		}
	}
	return from, ok
}

// trusts says whether a sender may speak for a run.
func (r *Reaper) trusts(from unix.Ucred, run uint64) bool {
	if from.Pid <= 0 {
		return false // of another PID namespace
	}
	if owner, ok := r.Owner(int(from.Pid)); ok {
		return owner == run
	}
	if _, err := r.proc.stat(int(from.Pid)); err == nil {
		return false // there, and nobody of the run
	}
	return from.Uid == 0 || int(from.Uid) == unix.Getuid()
}

// parseMessage reads the lines of a datagram.
func parseMessage(text string) Message {
	var m Message
	for line := range strings.SplitSeq(text, "\n") {
		key, value, _ := strings.Cut(line, "=")
		switch key {
		case "READY":
			m.Ready = m.Ready || value == "1"
		case "STOPPING":
			m.Stopping = m.Stopping || value == "1"
		case "WATCHDOG":
			m.Watchdog = m.Watchdog || value == "1"
			m.Trigger = m.Trigger || value == "trigger"
		case "STATUS":
			if utf8.ValidString(value) {
				m.Status = value
			}
		}
	}
	return m
}
