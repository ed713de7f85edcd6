//go:build !amd64 && !arm64

package bare

import (
	"os"
	"os/signal"
	"syscall"
	"unsafe"
)

// Where no handler of our own was written, os/signal feeds the pipe. It tells less: who sent a signal is unknown, and
// those that it hands to nobody are not passed on.

var incoming = make(chan os.Signal, 256)

func install(s syscall.Signal) (ignored bool) {
	if signal.Ignored(s) {
		return true
	}
	if s != syscall.SIGURG { // the runtime's
		signal.Notify(incoming, s)
	}
	return false
}

func leave(syscall.Signal) {}

// overflown is nobody: os/signal waits until there is room.
func overflown() (mask uint64) { return 0 }

// giveBack gives all of them back at once: who took them beside us may have heard of one twice.
func giveBack(syscall.Signal) { signal.Stop(incoming) }

// setPipe is called once, before any signal is taken.
func setPipe(fd int) error {
	go func() {
		for s := range incoming {
			r := Record{number: int32(s.(syscall.Signal))}
			if r.Signal() == syscall.SIGCHLD {
				r.code = 1
			}
			_, _ = syscall.Write(fd, unsafe.Slice((*byte)(unsafe.Pointer(&r)), recordSize))
		}
	}()
	return nil
}
