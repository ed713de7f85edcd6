package process

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// procfs is a mount of proc(5) that speaks of our own PID namespace.
type procfs struct {
	dir int // its root
	own int // our own pid
	// noChildren says that the kernel was built without /proc/PID/task/TID/children.
	noChildren bool
	// missing says why there is none; nil: there is one. See blind.go for what is done without.
	missing error
}

// openProc finds the mount. Where /proc is missing or that of another PID namespace (`unshare -p` without
// --mount-proc), it makes one of its own that is seen by nobody else, if it may.
func openProc() *procfs {
	p := &procfs{own: unix.Getpid()}
	var err error
	p.dir, err = unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil || !p.ours() {
		if err == nil {
			err = p.whyNotOurs()
			unix.Close(p.dir)
		}
		var err2 error
		if p.dir, err2 = mountProc(); err2 != nil {
			p.dir, p.missing = -1, fmt.Errorf("cannot use /proc: %w; cannot mount one: %w", err, err2)
			return p
		}
	}
	_, err = p.read(fmt.Sprintf("self/task/%d/children", p.own))
	p.noChildren = err != nil
	return p
}

func (p *procfs) ours() bool {
	var buf [32]byte
	n, err := unix.Readlinkat(p.dir, "self", buf[:])
	return err == nil && string(buf[:n]) == strconv.Itoa(p.own)
}

func (p *procfs) whyNotOurs() error {
	if unix.Faccessat(p.dir, "self", unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return errors.New("nothing is mounted there")
	}
	return errors.New("it shows another PID namespace")
}

func mountProc() (int, error) {
	fs, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
}

func (p *procfs) close() {
	if p.missing == nil {
		unix.Close(p.dir)
	}
}

// buffers are reused, because a walk reads many small files; they grow to the largest file read.
var buffers = sync.Pool{New: func() any { b := make([]byte, 8192); return &b }}

// read returns a whole small file.
func (p *procfs) read(path string) ([]byte, error) {
	if p.missing != nil {
		return nil, p.missing
	}
	fd, err := openat(p.dir, path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for n := 0; ; {
		m, err := unix.Read(fd, (*buf)[n:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, err
		case m == 0:
			return bytes.Clone((*buf)[:n]), nil
		default:
			if n += m; n == len(*buf) {
				*buf = slices.Grow(*buf, n)[:2*n]
			}
		}
	}
}

func openat(dir int, path string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, path, flags|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// names lists a directory.
func (p *procfs) names(path string) ([]string, error) {
	if p.missing != nil {
		return nil, p.missing
	}
	fd, err := openat(p.dir, path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var names []string
	for {
		n, err := unix.ReadDirent(fd, *buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent((*buf)[:n], -1, names)
	}
}

// stat is what /proc/PID/stat tells (proc_pid_stat(5)).
type stat struct {
	pid, ppid, pgid int
	comm            string
	state           byte
	threads         int
	exiting         bool   // it is on its way out, whatever its state says
	start           uint64 // clock ticks after boot; with the pid it names a process
	utime, stime    uint64 // clock ticks
	cutime, cstime  uint64 // those of the children that it has waited for
	rss             int64  // pages
}

// dead says that it only waits to be reaped. A process whose first thread has ended is shown as a zombie too, while its
// other threads run on.
func (s stat) dead() bool { return (s.state == 'Z' || s.state == 'X') && s.threads <= 1 }

func (p *procfs) stat(pid int) (stat, error) {
	b, err := p.read(strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	return parseStat(b)
}

const pfExiting = 4 // PF_EXITING of the kernel's linux/sched.h

// parseStat splits behind the last parenthesis, for a name may hold blanks and parentheses itself.
func parseStat(b []byte) (stat, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 1 || end < open {
		return stat{}, fmt.Errorf("cannot read the stat of a process: %q", b)
	}
	f := bytes.Fields(b[end+1:])
	if len(f) < 22 {
		return stat{}, fmt.Errorf("cannot read the stat of a process: %q", b)
	}
	number := func(b []byte) int64 { n, _ := strconv.ParseInt(string(b), 10, 64); return n }
	return stat{
		pid:     int(number(bytes.TrimSpace(b[:open]))),
		comm:    string(b[open+1 : end]),
		state:   f[0][0],
		ppid:    int(number(f[1])),
		pgid:    int(number(f[2])),
		exiting: number(f[6])&pfExiting != 0,
		utime:   uint64(number(f[11])),
		stime:   uint64(number(f[12])),
		cutime:  uint64(number(f[13])),
		cstime:  uint64(number(f[14])),
		threads: int(number(f[17])),
		start:   uint64(number(f[19])),
		rss:     number(f[21]),
	}, nil
}

// children lists the children of a process, zombies included: those of all its threads. The list is exact as long as
// none of them is reaped meanwhile. A thread that ends hands its children to another, whose list may have been read
// already, so the threads must be the same before and after.
func (p *procfs) children(pid int) []int {
	if p.noChildren {
		return p.childrenByScan(pid)
	}
	dir := strconv.Itoa(pid) + "/task"
	threads, err := p.names(dir)
	if err != nil {
		return nil
	}
	for {
		var pids []int
		for _, t := range threads {
			b, err := p.read(dir + "/" + t + "/children")
			if err != nil {
				continue
			}
			for f := range bytes.FieldsSeq(b) {
				n, _ := strconv.Atoi(string(f))
				pids = append(pids, n)
			}
		}
		again, err := p.names(dir)
		if err != nil || !anyMissing(threads, again) {
			return pids
		}
		threads = again
	}
}

func anyMissing(before, after []string) bool {
	return slices.ContainsFunc(before, func(t string) bool { return !slices.Contains(after, t) })
}

// childrenByScan looks at every process there is. It is exact for the same reason: who was a child when the scan began
// stays in /proc until he is reaped.
func (p *procfs) childrenByScan(pid int) []int {
	names, _ := p.names(".")
	var pids []int
	for _, n := range names {
		c, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		if s, err := p.stat(c); err == nil && s.ppid == pid {
			pids = append(pids, c)
		}
	}
	return pids
}
