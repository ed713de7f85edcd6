package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// SocketOptions say which socket is to be made.
type SocketOptions struct {
	Path    string // where; the folder of a written one may be anybody's
	Written bool   // it stands in the configuration
	Others  bool   // others than its owner and root may use it: their credentials decide, not its mode
}

// Socket is a control socket that nobody else serves.
type Socket struct {
	*net.UnixListener
	Path string
	held int // a descriptor of its name's inode, whose number is nobody else's meanwhile
}

// BusyError says that another master lives at the socket.
type BusyError struct {
	Path  string
	About *About // what it says of itself; nil: nothing, within a second
}

func (e *BusyError) Error() string {
	if e.About == nil {
		return fmt.Sprintf("cannot take the control socket %s: another lastout listens there, and does not answer", e.Path)
	}
	return fmt.Sprintf("cannot take the control socket %s: the tree %q runs there already (pid %d, %s)",
		e.Path, e.About.Name, e.About.PID, e.About.File)
}

// The bounds of looking who is at a socket, and of waiting for another one that does the same.
const (
	lookBound = time.Second
	lockBound = 5 * time.Second
)

// OpenSocket makes a control socket and listens on it. One that a dead master left behind is replaced; that another one
// lives there is a *BusyError.
func OpenSocket(o SocketOptions) (*Socket, error) {
	dir := filepath.Dir(o.Path)
	if err := makeFolder(dir, o); err != nil {
		return nil, err
	}
	lock, err := lockSocket(o.Path + ".lock")
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if err := clearStale(o.Path); err != nil {
		return nil, err
	}
	mode := uint32(0o600)
	if o.Others {
		mode = 0o666
	}
	// The mode of the socket itself is that with which it appears in its folder, so that there is no moment in between.
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), mode) })
		return errors.Join(err, failed)
	}}
	l, err := config.Listen(context.Background(), "unix", o.Path)
	if err != nil {
		return nil, fmt.Errorf("cannot make the control socket: %w", err)
	}
	s := &Socket{UnixListener: l.(*net.UnixListener), Path: o.Path}
	s.SetUnlinkOnClose(false) // it may be somebody else's by then
	if s.held, err = unix.Open(o.Path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err == nil {
		err = os.Chmod(o.Path, fs.FileMode(mode)) // our umask may have taken something away
	}
	if err != nil {
		l.Close()
		if s.held >= 0 {
			s.Remove()
		}
		return nil, fmt.Errorf("cannot make the control socket: %w", err)
	}
	return s, nil
}

// KeptSocket is a control socket for a successor in this process.
type KeptSocket struct {
	Path     string
	Listener int // descriptors
	Name     int
}

// Keep tells what there is of the socket.
func (s *Socket) Keep() KeptSocket {
	return KeptSocket{Path: s.Path, Listener: KeepListener(s.UnixListener), Name: s.held}
}

// RestoreSocket goes on with a kept one. It owns the descriptors.
func RestoreSocket(k KeptSocket) (*Socket, error) {
	l, err := RestoreListener(k.Listener)
	if err != nil {
		return nil, err
	}
	socket, ok := l.(*net.UnixListener)
	if !ok {
		l.Close()
		return nil, fmt.Errorf("cannot take the control socket over: it is a %T", l)
	}
	s := &Socket{UnixListener: socket, Path: k.Path, held: k.Name}
	s.SetUnlinkOnClose(false)
	return s, nil
}

// KeepListener is the descriptor of a listener; -1: it has none.
func KeepListener(l syscall.Conn) (fd int) {
	fd = -1
	if raw, err := l.SyscallConn(); err == nil {
		_ = raw.Control(func(at uintptr) { fd = int(at) })
	}
	return fd
}

// RestoreListener makes a listener of its descriptor, which it owns.
func RestoreListener(fd int) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("cannot take a listener over: %w", err)
	}
	return l, nil
}

func makeFolder(dir string, o SocketOptions) error {
	if o.Written {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("cannot make the folder of the control socket: %w", err)
		}
		return nil
	}
	return private(dir, o.Others)
}

// lockSocket waits, within a bound, until nobody else is about to make this socket. The lock ends with its file.
func lockSocket(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the control socket: %w", err)
	}
	locked := make(chan error, 1)
	go func() { locked <- flock(int(f.Fd())) }()
	timer := time.NewTimer(lockBound)
	defer timer.Stop()
	select {
	case err = <-locked:
	case <-timer.C:
		go func() { // should it come after all, nobody is kept out by it
			<-locked
			f.Close()
		}()
		return nil, fmt.Errorf("cannot lock the control socket: another process has had %s locked for %v", path, lockBound)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot lock the control socket: %s: %w", path, err)
	}
	return f, nil
}

func flock(fd int) error {
	for {
		if err := unix.Flock(fd, unix.LOCK_EX); err != unix.EINTR {
			return err
		}
	}
}

// clearStale removes the socket of a dead master.
func clearStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("cannot look at the control socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("cannot make the control socket %s: something else is there that is no socket", path)
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookBound)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		conn.Close()
		client := NewClient(path)
		defer client.Close()
		about, err := client.About(ctx)
		if err != nil {
			return &BusyError{Path: path}
		}
		return &BusyError{Path: path, About: about}
	case errors.Is(err, unix.ECONNREFUSED):
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("cannot remove the control socket of a dead master: %w", err)
		}
		return nil
	case errors.Is(err, unix.EAGAIN), errors.Is(err, context.DeadlineExceeded): // its queue is full
		return &BusyError{Path: path}
	}
	return fmt.Errorf("cannot look who is at the control socket: %w", err)
}

// Remove takes the socket's name away, if it is still this socket's.
func (s *Socket) Remove() {
	var ours, there unix.Stat_t
	err := errors.Join(unix.Fstat(s.held, &ours), unix.Lstat(s.Path, &there))
	if err == nil && ours.Dev == there.Dev && ours.Ino == there.Ino {
		_ = os.Remove(s.Path)
	}
	unix.Close(s.held)
	s.held = -1
}
