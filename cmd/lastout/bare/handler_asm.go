//go:build amd64 || arm64

package bare

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"lastout/process/signame"
)

// The handlers of handler_*.s. They are for the kernel to call.
//
//lint:ignore U1000 handlers knows its address
func onSignal()

//lint:ignore U1000 the entry knows its address
func onEarly()

//lint:ignore U1000 handlers knows its address
func onFault()

//lint:ignore U1000 handlers knows its address
func onReturn()

// handlers returns their addresses.
func handlers() (signal, fault, restorer uintptr)

// What the handlers use: the end of the pipe that they write to, and the runtime's own handler.
var (
	//lint:ignore U1000 the handlers read it
	pipeIn int32
	//lint:ignore U1000 the handlers read it
	runtimeHandler uintptr

	// The signals for which the pipe had no room, or was not there yet, a bit for each.
	missed uint64
	//lint:ignore U1000 the handlers read it
	empty Record
)

// overflown takes the signals for which there was no room.
func overflown() (mask uint64) { return atomic.SwapUint64(&missed, 0) }

// action is the kernel's struct sigaction on these machines (rt_sigaction(2)).
type action struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

const (
	ignore   = 1 // SIG_IGN
	flags    = 0x4 | 0x08000000 | 0x10000000 | 0x04000000
	allMask  = ^uint64(0)
	maskSize = 8
	//         SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_RESTORER
)

// install has a signal written to the pipe, and says whether it was ignored so far.
func install(s syscall.Signal) (ignored bool) {
	signal, fault, restorer := handlers()
	a := action{handler: signal, flags: flags, restorer: restorer, mask: allMask}
	if faults[s] {
		a.handler = fault
	}
	var old action
	swapAction(s, &a, &old)
	if faults[s] {
		runtimeHandler = old.handler // one for all of them
	}
	if !known[s] {
		known[s], before[s] = true, old
	}
	return old.handler == ignore
}

// before is where signals went before they were taken for the first time.
var (
	before [signame.RTMax + 1]action
	known  [signame.RTMax + 1]bool
)

// giveBack has a signal go there again, unless somebody else has taken it since.
func giveBack(s syscall.Signal) {
	signal, fault, _ := handlers()
	var now action
	swapAction(s, nil, &now)
	if now.handler == signal || now.handler == fault {
		swapAction(s, &before[s], nil)
	}
}

// leave has a signal ignored.
func leave(s syscall.Signal) { swapAction(s, &action{handler: ignore}, nil) }

// swapAction is the system call itself, because C libraries and the runtime keep signals for themselves.
func swapAction(s syscall.Signal, now, old *action) {
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(now)),
		uintptr(unsafe.Pointer(old)), maskSize, 0, 0)
}

// setPipe is called once, before any handler is in.
func setPipe(fd int) error {
	pipeIn = int32(fd)
	return nil
}
