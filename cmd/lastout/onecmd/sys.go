package onecmd

import (
	"syscall"
	"time"
	"unsafe"
)

// The system calls that package syscall has no function for. golang.org/x/sys/unix has, but it waits for package
// reflect to be initialised, before which come a hundred others.

const (
	atCWD        = -0x64 // AT_FDCWD
	atEffective  = 0x200 // AT_EACCESS
	mayExecute   = 1     // X_OK
	setSubreaper = 36    // PR_SET_CHILD_SUBREAPER
)

func prctl(option, value uintptr) syscall.Errno {
	_, _, err := syscall.RawSyscall6(syscall.SYS_PRCTL, option, value, 0, 0, 0, 0)
	return err
}

// closeRange closes all descriptors from one on. Before Linux 5.9 they stay open.
func closeRange(first int) {
	const sysCloseRange, last = 436, 1<<32 - 1 // the number is the same on every machine
	_, _, _ = syscall.RawSyscall(sysCloseRange, uintptr(first), last, 0)
}

// closedOnExec says that a descriptor is, or is none.
func closedOnExec(fd int) bool {
	flags, _, err := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
	return err != 0 || flags&syscall.FD_CLOEXEC != 0
}

// readable waits until a descriptor can be read, and says whether it can. A negative limit is none.
func readable(fd int, limit time.Duration) bool {
	poll := struct { // poll(2)
		fd              int32
		events, revents int16
	}{fd: int32(fd), events: 1} // POLLIN
	var until *syscall.Timespec
	if limit >= 0 {
		t := syscall.NsecToTimespec(int64(limit))
		until = &t
	}
	n, _, err := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1,
		uintptr(unsafe.Pointer(until)), 0, 0, 0)
	return err == 0 && n == 1
}

// block adds signals to the mask of this thread.
func block(mask uint64) {
	const how, maskSize = 0, 8 // SIG_BLOCK
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, how, uintptr(unsafe.Pointer(&mask)), 0, maskSize, 0, 0)
}

// session is the session that we are in.
func session() int {
	id, _, _ := syscall.RawSyscall(syscall.SYS_GETSID, 0, 0, 0)
	return int(id)
}

// foregroundOf is the process group in the foreground of a terminal (tty_ioctl(2)).
func foregroundOf(fd int) (group int, err syscall.Errno) {
	var id int32
	_, _, err = syscall.RawSyscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TIOCGPGRP, uintptr(unsafe.Pointer(&id)))
	return int(id), err
}

func setForeground(fd, group int) syscall.Errno {
	id := int32(group)
	_, _, err := syscall.RawSyscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TIOCSPGRP, uintptr(unsafe.Pointer(&id)))
	return err
}

// detach gives up our controlling terminal.
func detach(fd int) syscall.Errno {
	_, _, err := syscall.RawSyscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TIOCNOTTY, 0)
	return err
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

// changedChild returns the pid of a child that has ended or was stopped, and leaves it so; 0 is nobody. It says whether
// there is no child at all.
func changedChild() (pid int, ended, none bool) {
	const (
		all     = 0                      // P_ALL
		changes = 4 | 2 | 1 | 0x01000000 // WEXITED | WSTOPPED | WNOHANG | WNOWAIT
		stopped = 5                      // CLD_STOPPED
		trapped = 4                      // CLD_TRAPPED
	)
	var info siginfo
	for {
		_, _, err := syscall.Syscall6(syscall.SYS_WAITID, all, 0, uintptr(unsafe.Pointer(&info)), changes, 0, 0)
		if err != syscall.EINTR {
			return int(info.pid), info.code != stopped && info.code != trapped, err == syscall.ECHILD
		}
	}
}
