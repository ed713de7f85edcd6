//go:build amd64 || arm64

package onecmd

import (
	"syscall"
	"unsafe"

	"lastout/cmd/lastout/bare"
)

// action is the kernel's struct sigaction on these machines (rt_sigaction(2)).
type action struct{ handler, flags, restorer, mask uint64 }

const ignore = 1 // SIG_IGN

// swapAction is the system call itself, because C libraries and the runtime keep signals for themselves.
func swapAction(s syscall.Signal, now, old *action) {
	const maskSize = 8
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(now)),
		uintptr(unsafe.Pointer(old)), maskSize, 0, 0)
}

// leave has a signal ignored.
func leave(s syscall.Signal) { swapAction(s, &action{handler: ignore}, nil) }

// unignore gives signals that whatever started the tests ignores their default action: every command would inherit it.
func unignore() {
	for _, s := range bare.Catchable() {
		var old action
		swapAction(s, nil, &old)
		if old.handler == ignore {
			swapAction(s, &action{}, nil)
		}
	}
}
