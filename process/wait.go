package process

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pidOffset is where siginfo_t (sigaction(2)) has si_pid: behind three int, in a union aligned like a pointer.
const pidOffset = (3*4 + unsafe.Sizeof(uintptr(0)) - 1) &^ (unsafe.Sizeof(uintptr(0)) - 1)

// endedChild returns the pid of a child that can be reaped, and leaves it a zombie; 0 is nobody.
func endedChild() int {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0 // ECHILD
		}
		return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), pidOffset)))
	}
}

// wait4 reaps the child, if it has ended.
func wait4(pid int, status *syscall.WaitStatus) (int, error) {
	for {
		got, err := syscall.Wait4(pid, status, syscall.WNOHANG, nil)
		if err != syscall.EINTR {
			return got, err
		}
	}
}
