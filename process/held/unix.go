package held

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// inode tells one file from another, and from one that has its name later.
type inode struct{ dev, ino uint64 }

func inodeOf(path string) (inode, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return inode{}, err
	}
	return inode{dev: uint64(st.Dev), ino: st.Ino}, nil
}

func (s *Socket) bindUnix(o Options) (int, error) {
	path := s.Address.Path
	if !s.Address.Abstract() {
		for _, file := range []string{path, s.aside()} { // moved aside by one who was killed
			if err := vacate(file); err != nil {
				return -1, err
			}
		}
	}
	fd, err := open(unix.AF_UNIX, Unix)
	if err != nil {
		return -1, err
	}
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		err = pathWords(err)
	} else if !s.Address.Abstract() {
		err = s.own(o) // before it listens: until then nobody is let in
	}
	if err != nil {
		unix.Close(fd)
		s.remove()
		return -1, err
	}
	return fd, nil
}

// own gives the file of a unix socket its mode and its owner.
func (s *Socket) own(o Options) error {
	path := s.Address.Path
	var err error
	if s.file, err = inodeOf(path); err != nil {
		return err
	}
	if err := os.Chmod(path, o.Mode); err != nil {
		return fmt.Errorf("cannot set its mode: %w", bare(err))
	}
	if o.UID < 0 && o.GID < 0 {
		return nil
	}
	if err := os.Lchown(path, o.UID, o.GID); err != nil {
		return fmt.Errorf("cannot give it to its owner: %w", bare(err))
	}
	return nil
}

// vacate removes the file of a socket that nobody listens at any more. Only an own connection tells.
func vacate(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return bare(err)
	case info.Mode()&os.ModeSocket == 0:
		return errors.New("there is a file of that name, and it is no socket")
	}
	if len(path) > MaxPath {
		return nil // nobody can listen there
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); {
	case errors.Is(err, unix.ECONNREFUSED):
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("cannot remove what another left there: %w", bare(err))
		}
		return nil
	case errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: another user's socket is there", err)
	case err == nil:
		return fmt.Errorf("%w: %s listens there", unix.EADDRINUSE, peer(fd))
	default: // EAGAIN: its queue is full; EPROTOTYPE: it is no stream
		return fmt.Errorf("%w: somebody else listens there", unix.EADDRINUSE)
	}
}

// peer names who listens at the other end of a connection.
func peer(fd int) string {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || cred.Pid == 0 {
		return "somebody else"
	}
	name := "pid " + strconv.Itoa(int(cred.Pid))
	if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", cred.Pid)); err == nil {
		name += " (" + strings.TrimSpace(string(comm)) + ")"
	}
	return name
}

// aside is where the file of a unix socket is while clients are turned away.
func (s *Socket) aside() string {
	dir, name := filepath.Split(s.Address.Path)
	return filepath.Join(dir, "."+name+".closed")
}

// ErrNoFile says that a unix socket has no file of ours that could be moved aside.
var ErrNoFile = errors.New("it has no file that could be moved aside")

// Hide turns new clients away from a unix socket, and proves it. Whoever is queued or connected goes on.
func (s *Socket) Hide() error {
	if s.hidden {
		return nil
	}
	if !s.ours(s.Address.Path) {
		return fmt.Errorf("cannot turn new connections away from %s: %w", s.Address, ErrNoFile)
	}
	if err := move(s.Address.Path, s.aside()); err != nil {
		return fmt.Errorf("cannot turn new connections away from %s: %w", s.Address, err)
	}
	s.hidden = true
	if _, err := os.Lstat(s.Address.Path); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot turn new connections away from %s: somebody else's file is there now", s.Address)
	}
	return nil
}

// Show lets new clients in again.
func (s *Socket) Show() error {
	if !s.hidden {
		return nil
	}
	if err := move(s.aside(), s.Address.Path); err != nil {
		return fmt.Errorf("cannot let new connections in at %s again: %w", s.Address, err)
	}
	s.hidden = false
	return nil
}

// move gives a file another name, and takes that of nobody.
func move(from, to string) error {
	return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
}

// Hidden says whether clients are turned away from a unix socket.
func (s *Socket) Hidden() bool { return s.hidden }

// remove removes the file of a unix socket, if it is still ours.
func (s *Socket) remove() {
	for _, path := range []string{s.Address.Path, s.aside()} {
		if s.ours(path) {
			_ = os.Remove(path)
		}
	}
}

func (s *Socket) ours(path string) bool {
	now, err := inodeOf(path)
	return err == nil && s.file != inode{} && now == s.file
}

func pathWords(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w: its folder is not there", err)
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("%w: somebody else listens there", err)
	default:
		return err
	}
}

// bare is an error of the file system without the name that the message has already.
func bare(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
