package output

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// target is what a sink writes to. Only the sink's writing goroutine uses it, and Close once that is gone.
type target interface {
	// write tells how much of p is out. errAgain says that no more goes now; any other error gives up the rest of p,
	// and one that comes with the whole of p written cost nothing and is only worth saying.
	write(p []byte) (int, error)
	// wait returns when it makes sense to write again after errAgain.
	wait()
	// reopen opens a file's path anew with the next write.
	reopen()
	close()
}

var errAgain = errors.New("would block")

// stream is any io.Writer.
type stream struct{ w io.Writer }

func (t *stream) write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	n = min(max(n, 0), len(p))
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}

func (*stream) wait()   {}
func (*stream) reopen() {}
func (*stream) close()  {}

// descriptor is a file of somebody else, such as our stdout: a terminal, a pipe, a socket, a file.
type descriptor struct {
	f      *os.File // kept, for its finalizer would close fd
	fd     int
	name   string
	nowait bool // pwritev2(2) with RWF_NOWAIT is worth a try
}

func newDescriptor(f *os.File) *descriptor {
	d := &descriptor{f: f, fd: -1, name: f.Name()}
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { d.fd = int(fd) })
	}
	var st unix.Stat_t
	if unix.Fstat(d.fd, &st) == nil {
		d.nowait = st.Mode&unix.S_IFMT == unix.S_IFIFO || st.Mode&unix.S_IFMT == unix.S_IFSOCK
	}
	return d
}

func (d *descriptor) write(p []byte) (n int, err error) {
	for n < len(p) {
		m, err := d.once(p[n:])
		n += max(m, 0)
		switch err {
		case nil, unix.EINTR:
		case unix.EAGAIN:
			return n, errAgain
		default:
			return n, fmt.Errorf("cannot write to %s: %w", d.name, err)
		}
	}
	return n, nil
}

// once writes without blocking where the kernel can do that for one call (pipes since Linux 6.4), so that it is known
// to the byte what a reader that has stopped reading did not get. O_NONBLOCK would do that for all who share the pipe.
func (d *descriptor) once(p []byte) (int, error) {
	if d.nowait {
		n, err := unix.Pwritev2(d.fd, [][]byte{p}, -1, unix.RWF_NOWAIT)
		if err != unix.EOPNOTSUPP && err != unix.ENOSYS && err != unix.EINVAL && err != unix.EPERM {
			return n, err
		}
		d.nowait = false
	}
	return unix.Write(d.fd, p)
}

func (d *descriptor) wait() {
	fds := []unix.PollFd{{Fd: int32(d.fd), Events: unix.POLLOUT}}
	for {
		if _, err := unix.Poll(fds, -1); err != unix.EINTR {
			return
		}
	}
}

func (*descriptor) reopen() {}
func (*descriptor) close()  {}
