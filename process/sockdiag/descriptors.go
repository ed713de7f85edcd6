package sockdiag

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Holder is a descriptor of a process.
type Holder struct{ PID, FD int }

// ProblemKind names what keeps sockets of a tree from being seen.
type ProblemKind uint8

// The kinds of problems.
const (
	Denied         ProblemKind = iota // another user's process, or one that does not let itself be looked at
	OtherNamespace                    // a process with a network of its own
)

// Problem is said once for all processes that have it.
type Problem struct {
	Kind ProblemKind
	PIDs []int
	Err  error // of the first of them; nil for OtherNamespace
}

func (p Problem) String() string {
	who := "process " + strconv.Itoa(p.PIDs[0])
	if n := len(p.PIDs) - 1; n > 0 {
		who += fmt.Sprintf(" and %d more", n)
	}
	switch p.Kind {
	case Denied:
		return fmt.Sprintf("cannot see the descriptors of %s: %v", who, p.Err)
	case OtherNamespace:
		return fmt.Sprintf("cannot see the sockets of %s: in another network namespace", who)
	}
	return fmt.Sprintf("cannot see the sockets of %s", who)
}

// Descriptors finds which descriptors the processes have of the wanted sockets, by inode. A process that is gone
// meanwhile has none. It costs a readlink(2) for each descriptor.
func (d *Diag) Descriptors(pids []int, wanted func(inode uint32) bool) (map[uint32][]Holder, []Problem) {
	found := make(map[uint32][]Holder)
	var problems []Problem
	if err := NoProc(); err != nil && d.Proc == "" {
		for _, pid := range pids {
			problems = report(problems, Denied, pid, err)
		}
		return found, problems
	}
	own, ownErr := os.Readlink(d.proc("self", "ns/net"))
	for _, pid := range pids {
		name := strconv.Itoa(pid)
		net, err := os.Readlink(d.proc(name, "ns/net"))
		if err == nil && ownErr == nil && net != own {
			problems = report(problems, OtherNamespace, pid, nil)
			continue
		}
		if err == nil || !gone(err) {
			err = d.scan(pid, func(fd int, inode uint32) {
				if wanted(inode) {
					found[inode] = append(found[inode], Holder{pid, fd})
				}
			})
		}
		if err != nil && !gone(err) {
			problems = report(problems, Denied, pid, err)
		}
	}
	return found, problems
}

// NoProc says why nobody's descriptors can be seen at all; nil: they can.
func NoProc() error {
	own, err := os.Readlink("/proc/self")
	switch {
	case err != nil:
		return errors.New("there is no /proc")
	case own != strconv.Itoa(os.Getpid()):
		return errors.New("/proc shows another PID namespace")
	}
	return nil
}

func (d *Diag) proc(pid, file string) string {
	root := d.Proc
	if root == "" {
		root = "/proc"
	}
	return root + "/" + pid + "/" + file
}

// gone tells the errors of a process that has ended from those of one that may not be looked at.
func gone(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) }

func report(problems []Problem, kind ProblemKind, pid int, err error) []Problem {
	for i := range problems {
		if problems[i].Kind == kind {
			problems[i].PIDs = append(problems[i].PIDs, pid)
			return problems
		}
	}
	return append(problems, Problem{Kind: kind, PIDs: []int{pid}, Err: err})
}

// scan shows each socket among a process's descriptors.
func (d *Diag) scan(pid int, visit func(fd int, inode uint32)) error {
	dir, err := os.Open(d.proc(strconv.Itoa(pid), "fd"))
	if err != nil {
		return err
	}
	defer dir.Close()
	var link [64]byte
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			n, err := unix.Readlinkat(int(dir.Fd()), name, link[:])
			if err != nil {
				if err == unix.EACCES {
					return &os.PathError{Op: "readlink", Path: dir.Name() + "/" + name, Err: err}
				}
				continue // closed meanwhile
			}
			inode, isSocket := socketInode(link[:n])
			fd, err := strconv.Atoi(name)
			if isSocket && err == nil {
				visit(fd, inode)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// socketInode reads what /proc/PID/fd shows for a socket, "socket:[4711]" (proc_pid_fd(5)).
func socketInode(link []byte) (uint32, bool) {
	number, ok := strings.CutPrefix(string(link), "socket:[")
	if !ok || len(number) == 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(number[:len(number)-1], 10, 32)
	return uint32(n), err == nil
}

// OpenProcess is pidfd_open(2): ESRCH where there is no such process. Kernels before Linux 6.16 say EINVAL of one that
// is reaped and whose process group lives on.
func OpenProcess(pid int) (fd int, err error) {
	fd, err = unix.PidfdOpen(pid, 0)
	if err == unix.EINVAL && pid > 0 {
		err = unix.ESRCH
	}
	return fd, err
}
