package onecmd

import (
	"syscall"
	"unsafe"
)

// More system calls that package syscall has no function for; see package bare.

const (
	atCWD       = -0x64 // AT_FDCWD
	atEffective = 0x200 // AT_EACCESS
	mayExecute  = 1     // X_OK
)

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
