package sockdiag

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Judge, for one goroutine, knows the class of connections better than Classify where it may have duplicates of a
// program's descriptors (pidfd_getfd(2)): it settles who is Unsure, once for each exchange, and remembers it.
type Judge struct {
	diag    *Diag
	known   map[uint64]verdict // by cookie
	refused map[int]bool       // processes that may not be looked into
	said    bool
}

// verdict holds while no data comes or goes.
type verdict struct {
	dataIn, dataOut uint32
	class           Class
	seen            bool
}

// NewJudge makes one for a drain.
func NewJudge(d *Diag) *Judge {
	return &Judge{diag: d, known: make(map[uint64]verdict), refused: make(map[int]bool)}
}

// Class is that of one sample, settled if it could be.
func (j *Judge) Class(s *Sample) Class {
	c := Classify(s)
	if c != Unsure {
		return c
	}
	if v, ok := j.known[s.Cookie]; ok && v.of(s) {
		return v.class
	}
	return c
}

// Summarise counts samples by what the judge knows.
func (j *Judge) Summarise(samples []Sample) Summary {
	var sum Summary
	for i := range samples {
		sum.AddAs(&samples[i], j.Class(&samples[i]))
	}
	return sum
}

func (v verdict) of(s *Sample) bool { return v.dataIn == s.Info.DataIn && v.dataOut == s.Info.DataOut }

// Settle looks at the Unsure connections of a tree, whose processes are given; samples may be these or all. It
// forgets those that are gone. It reads the tree's descriptors only if there is anything to settle. The error says
// why that was refused, the first time only; the classes are then those of Classify.
func (j *Judge) Settle(samples []Sample, pids []int) error {
	doubtful := make(map[uint32]*Sample) // by inode
	for i := range samples {
		s := &samples[i]
		v, ok := j.known[s.Cookie]
		if ok && v.of(s) {
			v.seen = true
			j.known[s.Cookie] = v
		} else if Classify(s) == Unsure && milliseconds(s.Info.LastReceived) >= Settled {
			doubtful[s.Inode] = s
		}
	}
	for cookie, v := range j.known {
		if !v.seen {
			delete(j.known, cookie)
			continue
		}
		v.seen = false
		j.known[cookie] = v
	}
	if len(doubtful) == 0 {
		return nil
	}
	return j.settle(doubtful, pids)
}

func (j *Judge) settle(doubtful map[uint32]*Sample, pids []int) error {
	holders, problems := j.diag.Descriptors(pids, func(inode uint32) bool { return doubtful[inode] != nil })
	var refusal error
	for _, p := range problems {
		if p.Kind == Denied {
			refusal = errors.New(p.String())
		}
	}
	byProcess := make(map[int]map[uint32]int)
	for inode, hs := range holders {
		i := slices.IndexFunc(hs, func(h Holder) bool { return !j.refused[h.PID] })
		if i < 0 {
			continue
		}
		h := hs[i]
		if byProcess[h.PID] == nil {
			byProcess[h.PID] = make(map[uint32]int)
		}
		byProcess[h.PID][inode] = h.FD
	}
	for pid, fds := range byProcess {
		if err := j.lookInto(pid, fds, doubtful); err != nil {
			j.refused[pid], refusal = true, err
		}
	}
	if refusal == nil || j.said {
		return nil
	}
	j.said = true
	return refusal
}

// lookInto settles the doubtful connections of one process, whose descriptors are given by inode.
func (j *Judge) lookInto(pid int, fds map[uint32]int, doubtful map[uint32]*Sample) error {
	pidfd, err := OpenProcess(pid)
	if err == unix.ESRCH {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot open process %d: %w", pid, err)
	}
	defer unix.Close(pidfd)
	for inode, theirs := range fds {
		fd, err := unix.PidfdGetfd(pidfd, theirs, 0)
		switch err {
		case nil:
		case unix.EBADF, unix.ESRCH: // closed, or gone
			continue
		default:
			return fmt.Errorf("cannot look into the connections of process %d: %w", pid, os.NewSyscallError("pidfd_getfd", err))
		}
		j.rule(fd, inode, doubtful[inode])
		unix.Close(fd)
	}
	return nil
}

// rule settles one connection, unless the descriptor is that of another one by now.
func (j *Judge) rule(fd int, inode uint32, s *Sample) {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || uint32(st.Ino) != inode {
		return
	}
	answered, err := ServerSpokeLast(fd)
	if err != nil {
		return
	}
	v := verdict{dataIn: s.Info.DataIn, dataOut: s.Info.DataOut, class: Unanswered}
	if answered {
		v.class = Idle
	}
	j.known[s.Cookie] = v
}
