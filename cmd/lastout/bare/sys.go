package bare

import (
	"syscall"
	"time"
	"unsafe"
)

// The system calls that package syscall has no function for. golang.org/x/sys/unix has, but it waits for package
// reflect to be initialised, before which come a hundred others.

// What Prctl may be asked for.
const (
	SetSubreaper = 36 // PR_SET_CHILD_SUBREAPER
	SetName      = 15 // PR_SET_NAME
)

// Prctl is prctl(2) with one argument.
func Prctl(option, value uintptr) syscall.Errno {
	_, _, err := syscall.RawSyscall6(syscall.SYS_PRCTL, option, value, 0, 0, 0, 0)
	return err
}

// CloseRange closes all descriptors from one on. Before Linux 5.9 they stay open.
func CloseRange(first int) {
	const sysCloseRange, last = 436, 1<<32 - 1 // the number is the same on every machine
	_, _, _ = syscall.RawSyscall(sysCloseRange, uintptr(first), last, 0)
}

// ClosedOnExec says that a descriptor is, or is none.
func ClosedOnExec(fd int) bool {
	flags, _, err := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
	return err != 0 || flags&syscall.FD_CLOEXEC != 0
}

// Readable waits until one of a few descriptors can be read, or has come to its end, and says which: a bit for each. A
// negative limit is none, and a negative descriptor is never ready. A signal ends the wait.
func Readable(limit time.Duration, fds ...int) (ready uint) {
	const in = 1 // POLLIN
	return poll(limit, in, fds)
}

// Say writes a text of no more than a page, and does not wait: where there is no room for that, it is lost.
func Say(fd int, text string) {
	const (
		out  = 4 // POLLOUT
		page = 4096
	)
	if poll(0, out, []int{fd}) != 0 {
		_, _ = syscall.Write(fd, []byte(text[:min(len(text), page)]))
	}
}

// poll waits until one of up to four descriptors is ready, and says which (poll(2)).
func poll(limit time.Duration, events int16, fds []int) (ready uint) {
	var polls [4]struct {
		fd              int32
		events, revents int16
	}
	for i, fd := range fds {
		polls[i].fd, polls[i].events = int32(fd), events
	}
	var until *syscall.Timespec
	if limit >= 0 {
		t := syscall.NsecToTimespec(int64(limit))
		until = &t
	}
	n, _, err := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&polls)), uintptr(len(fds)),
		uintptr(unsafe.Pointer(until)), 0, 0, 0)
	if err != 0 || n == 0 {
		return 0
	}
	for i := range fds {
		if polls[i].revents != 0 {
			ready |= 1 << i
		}
	}
	return ready
}

// Block adds signals to the mask of this thread.
func Block(mask uint64) { changeMask(0, mask) } // SIG_BLOCK

// Unblock takes signals out of the mask of this thread.
func Unblock(mask uint64) { changeMask(1, mask) } // SIG_UNBLOCK

func changeMask(how uintptr, mask uint64) {
	const maskSize = 8
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, how, uintptr(unsafe.Pointer(&mask)), 0, maskSize, 0, 0)
}

// siginfo is the kernel's siginfo_t (sigaction(2)): three int, and a union that is aligned like a pointer, which begins
// with si_pid for a child.
type siginfo struct {
	_    [2]int32
	code int32
	_    [0]uintptr
	pid  int32
	_    [112]byte
}

// ChangedChild returns the pid of a child that has ended or was stopped, and leaves it so; 0 is nobody. It says whether
// there is no child at all.
func ChangedChild() (pid int, ended, none bool) {
	const (
		stopped = 5 // CLD_STOPPED
		trapped = 4 // CLD_TRAPPED
	)
	info, err := peek(4 | 2) // WEXITED | WSTOPPED
	return int(info.pid), info.code != stopped && info.code != trapped, err == syscall.ECHILD
}

// EndedChild returns the pid of a child that has ended, and does not reap it; 0 is nobody.
func EndedChild() (pid int) {
	info, _ := peek(4) // WEXITED
	return int(info.pid)
}

// peek looks for a child with such a change, and leaves it as it is (waitid(2)).
func peek(changes uintptr) (info siginfo, err syscall.Errno) {
	const (
		all  = 0              // P_ALL
		look = 1 | 0x01000000 // WNOHANG | WNOWAIT
	)
	for {
		_, _, err = syscall.Syscall6(syscall.SYS_WAITID, all, 0, uintptr(unsafe.Pointer(&info)), changes|look, 0, 0)
		if err != syscall.EINTR {
			return info, err
		}
	}
}
