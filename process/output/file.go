package output

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// FileOptions say where lines are kept, and how many.
type FileOptions struct {
	Path     string
	MaxSize  int64 // in bytes; the file is rotated rather than grow beyond it. 0: never
	MaxFiles int   // how many rotated files are kept beside it: Path.1, the newest, to Path.N
}

// OpenFile returns a sink that appends to a file, which is made (0640) where there is none and continued where there
// is one. It is rotated between two lines: a line is never cut, and only one that is longer than MaxSize makes a file
// larger than that. Anything else but a regular file, such as a FIFO or /dev/full, is written to as it is.
//
// Where the disk is full, the folder gone or the file unlinked, lines are dropped and counted, OnError is told, and
// each later write tries again.
func OpenFile(o FileOptions) (*Sink, error) {
	f := &file{FileOptions: o, fd: -1}
	if err := f.open(); err != nil {
		return nil, err
	}
	return newSink(f), nil
}

// Limit gives a file sink other bounds; they hold from its next write on.
func (s *Sink) Limit(maxSize int64, maxFiles int) {
	if f, ok := s.to.(*file); ok {
		f.others.Store(&FileOptions{MaxSize: maxSize, MaxFiles: maxFiles})
	}
}

// file is the target that rotates.
type file struct {
	FileOptions
	others  atomic.Pointer[FileOptions] // bounds to be taken over
	fd      int
	regular bool
	size    int64
	limit   int64 // the size at which it is rotated: MaxSize, or more once that failed
	midline bool  // its last byte does not end a line
	torn    bool  // it was found with such a line, which nobody will finish
	stale   bool  // to be opened anew
}

const openFlags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NONBLOCK

// open opens the path; the file that was open before is closed once that has succeeded. O_NONBLOCK is for a FIFO
// without a reader, on which open(2) would wait.
func (f *file) open() error {
	fd, err := ignoringEINTR(func() (int, error) { return unix.Open(f.Path, openFlags, 0o640) })
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", f.Path, err)
	}
	f.close()
	f.fd, f.stale, f.limit = fd, false, f.MaxSize
	f.look()
	f.midline, f.torn = false, f.regular && f.size > 0 && !endsLine(f.Path, f.size)
	return nil
}

// endsLine tells whether the last byte of a file ends a line, so that what comes next is not mistaken for the rest of a
// line that was never finished. A file that cannot be read is given the benefit of the doubt.
func endsLine(path string, size int64) bool {
	r, err := os.Open(path)
	if err != nil {
		return true
	}
	defer func() { _ = r.Close() }()
	var last [1]byte
	if n, _ := r.ReadAt(last[:], size-1); n == 0 {
		return true
	}
	return last[0] == '\n'
}

// look asks the kernel for the size, which somebody may have changed (logrotate's copytruncate), and tells whether the
// file still has a name.
func (f *file) look() (linked bool) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return false
	}
	f.regular, f.size = st.Mode&unix.S_IFMT == unix.S_IFREG, st.Size
	return st.Nlink > 0
}

// ready sees to it that a file is open that has a name. An error that comes with true did no harm: the old file serves.
func (f *file) ready() (bool, error) {
	linked := f.fd >= 0 && f.look()
	if linked && !f.stale {
		return true, nil
	}
	err := f.open()
	return err == nil || linked, err
}

func (f *file) write(p []byte) (n int, err error) {
	if o := f.others.Swap(nil); o != nil {
		f.MaxSize, f.MaxFiles, f.limit = o.MaxSize, o.MaxFiles, o.MaxSize
	}
	ok, mild := f.ready()
	if !ok {
		return 0, mild
	}
	if f.torn && len(p) > 0 {
		if _, err := f.append(newline); err != nil {
			return 0, f.failed(err)
		}
		f.torn = false
	}
	for n < len(p) {
		fit := f.fit(p[n:])
		if fit == 0 {
			if err := f.rotate(); err != nil {
				if mild = err; !f.look() {
					return n, err
				}
			}
			f.limit = f.size + f.MaxSize
			continue
		}
		m, err := f.append(p[n : n+fit])
		if n += m; err != nil {
			return n, f.failed(err)
		}
	}
	return n, mild
}

func (f *file) failed(err error) error {
	if err == unix.EAGAIN {
		return errAgain
	}
	return fmt.Errorf("cannot write to %s: %w", f.Path, err)
}

// fit returns how much of p may go to the file as it is: whole lines up to the limit. 0 asks for a rotation.
func (f *file) fit(p []byte) int {
	if f.MaxSize <= 0 || !f.regular || f.size+int64(len(p)) <= f.limit {
		return len(p)
	}
	if room := f.limit - f.size; room > 0 {
		if cut := bytes.LastIndexByte(p[:room], '\n') + 1; cut > 0 {
			return cut
		}
	}
	if f.size > 0 && !f.midline {
		return 0
	}
	if cut := bytes.IndexByte(p, '\n') + 1; cut > 0 {
		return cut
	}
	return len(p)
}

// append writes p, or as many whole lines of it as there is room for on the disk: the piece of a line that went out
// with them is taken back, so that the file never holds a part of a line that counts as dropped.
func (f *file) append(p []byte) (n int, err error) {
	for n < len(p) {
		m, e := ignoringEINTR(func() (int, error) { return unix.Write(f.fd, p[n:]) })
		if e != nil {
			err = e
			break
		}
		n += m
		f.size += int64(m)
	}
	if err != nil && f.regular {
		whole := bytes.LastIndexByte(p[:n], '\n') + 1
		if whole < n && unix.Ftruncate(f.fd, f.size-int64(n-whole)) == nil {
			f.size -= int64(n - whole)
			n = whole
		}
	}
	if n > 0 {
		f.midline = p[n-1] != '\n'
	}
	return n, err
}

// rotate moves the file to Path.1, those before it one further up to the first number that is free, and begins a new one.
// Where that fails everything is where it was, but for a gap in the numbers.
func (f *file) rotate() error {
	if f.MaxFiles <= 0 {
		if err := unix.Unlink(f.Path); err != nil && err != unix.ENOENT {
			return fmt.Errorf("cannot rotate %s: %w", f.Path, err)
		}
		return f.open()
	}
	for i := f.free() - 1; i >= 0; i-- {
		if err := os.Rename(f.numbered(i), f.numbered(i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot rotate: %w", err)
		}
	}
	if err := f.open(); err != nil {
		_ = os.Rename(f.numbered(1), f.Path)
		return err
	}
	return nil
}

// free is the first number that no rotated file has, or the last there may be, whose file goes then.
func (f *file) free() int {
	for i := 1; i < f.MaxFiles; i++ {
		if _, err := os.Lstat(f.numbered(i)); errors.Is(err, fs.ErrNotExist) {
			return i
		}
	}
	return f.MaxFiles
}

func (f *file) numbered(i int) string {
	if i == 0 {
		return f.Path
	}
	return f.Path + "." + strconv.Itoa(i)
}

func (f *file) wait() {
	d := descriptor{fd: f.fd}
	d.wait()
}

func (f *file) reopen() { f.stale = true }

func (f *file) close() {
	if f.fd >= 0 {
		_ = unix.Close(f.fd)
		f.fd = -1
	}
}

func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
