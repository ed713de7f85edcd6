package onecmd

import (
	"syscall"
	"time"
	"unsafe"

	"lastout/process/signame"
)

// record is what the pipe brings for each signal: the beginning of siginfo_t.
type record struct {
	number int32
	_      int32
	code   int32 // why: above 0 by the kernel, else by a process
	_      int32
	pid    int32 // who, where somebody sent it; 0: not of our namespace
	_      int32
}

// recordSize is what the handlers write.
const recordSize = int(unsafe.Sizeof(record{}))

func (r record) signal() syscall.Signal { return syscall.Signal(r.number) }

// sent says that a process sent the signal, and not the kernel: a terminal's keys, a child's end.
func (r record) sent() bool { return r.code <= 0 }

// faults are the signals that the kernel also sends for what a program did itself.
var faults = [signame.RTMax + 1]bool{
	syscall.SIGSEGV: true, syscall.SIGBUS: true, syscall.SIGFPE: true, syscall.SIGILL: true, syscall.SIGTRAP: true,
	syscall.SIGABRT: true, syscall.SIGSYS: true,
}

// signals is the pipe that signals come through.
type signals struct {
	fd, in  int // its ends: ours, and the handlers'
	ignored []syscall.Signal
	buf     [64]record
}

// catch takes all signals that can be caught. Those that are ignored so far stay so, for the command will inherit that.
func catch() (*signals, error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return nil, err
	}
	// A handler must not wait. A pipe has room for thousands, and where it is full, there is enough to wake up for.
	if err := syscall.SetNonblock(ends[1], true); err != nil {
		return nil, err
	}
	if err := setPipe(ends[1]); err != nil {
		return nil, err
	}
	in := &signals{fd: ends[0], in: ends[1]}
	for s := syscall.Signal(1); s <= signame.RTMax; s++ {
		if s == syscall.SIGKILL || s == syscall.SIGSTOP {
			continue
		}
		if install(s) {
			leave(s)
			in.ignored = append(in.ignored, s)
		}
	}
	return in, nil
}

// catchIgnored takes the rest, once the command has inherited what was ignored.
func (in *signals) catchIgnored() {
	for _, s := range in.ignored {
		install(s)
	}
	in.ignored = nil
}

// wait returns the next signals; none when the time is up. A negative time has no end.
func (in *signals) wait(limit time.Duration) []record {
	if !readable(in.fd, limit) {
		return nil
	}
	room := unsafe.Slice((*byte)(unsafe.Pointer(&in.buf)), int(unsafe.Sizeof(in.buf)))
	n, err := syscall.Read(in.fd, room)
	if err != nil {
		return nil
	}
	return in.buf[:n/recordSize]
}
