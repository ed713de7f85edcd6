package bare

import (
	"syscall"
	"time"
	"unsafe"

	"lastout/process/signame"
)

// Record is what the pipe brings for each signal: the beginning of siginfo_t.
type Record struct {
	number int32
	_      int32
	code   int32 // why: above 0 by the kernel, else by a process
	_      int32
	PID    int32 // who, where somebody sent it; 0: not of our namespace
	_      int32
}

// recordSize is what the handlers write.
const recordSize = int(unsafe.Sizeof(Record{}))

// Signal is which one it was.
func (r Record) Signal() syscall.Signal { return syscall.Signal(r.number) }

// Sent says that a process sent the signal, and not the kernel: a terminal's keys, a child's end.
func (r Record) Sent() bool { return r.code <= 0 }

// faults are the signals that the kernel also sends for what a program did itself.
var faults = [signame.RTMax + 1]bool{
	syscall.SIGSEGV: true, syscall.SIGBUS: true, syscall.SIGFPE: true, syscall.SIGILL: true, syscall.SIGTRAP: true,
	syscall.SIGABRT: true, syscall.SIGSYS: true,
}

// Signals is the pipe that signals come through.
type Signals struct {
	fd, in  int    // its ends: ours, and the handlers'
	taken   uint64 // signal s is bit s-1
	ignored []syscall.Signal
	buf     [64]Record
}

// Catchable are all signals that can be caught.
func Catchable() []syscall.Signal {
	all := make([]syscall.Signal, 0, signame.RTMax)
	for s := syscall.Signal(1); s <= signame.RTMax; s++ {
		if s != syscall.SIGKILL && s != syscall.SIGSTOP {
			all = append(all, s)
		}
	}
	return all
}

// Catch takes signals. Those that are ignored so far stay so, for who is started now will inherit that. There is one
// such pipe in a program.
func Catch(all []syscall.Signal) (*Signals, error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return nil, err
	}
	// A handler must not wait. A pipe has room for thousands; where it is full, a signal is still told of, once.
	if err := syscall.SetNonblock(ends[1], true); err != nil {
		return nil, err
	}
	if err := setPipe(ends[1]); err != nil {
		return nil, err
	}
	in := &Signals{fd: ends[0], in: ends[1]}
	for _, s := range all {
		in.taken |= 1 << (s - 1)
		if install(s) {
			leave(s)
			in.ignored = append(in.ignored, s)
		}
	}
	var wake Record // for those that came before
	_, _ = syscall.Write(in.in, unsafe.Slice((*byte)(unsafe.Pointer(&wake)), recordSize))
	return in, nil
}

// CatchIgnored takes the rest, once what was ignored has been inherited.
func (in *Signals) CatchIgnored() {
	for _, s := range in.ignored {
		install(s)
	}
	in.ignored = nil
}

// Ignore has the kernel drop a signal, until CatchIgnored.
func (in *Signals) Ignore(s syscall.Signal) {
	leave(s)
	in.ignored = append(in.ignored, s)
}

// Highest is the highest descriptor that this has.
func (in *Signals) Highest() int { return max(in.fd, in.in) }

// FD is the descriptor that can be read when a signal has come.
func (in *Signals) FD() int { return in.fd }

// Wait returns the next signals; none when the time is up. A negative time has no end.
func (in *Signals) Wait(limit time.Duration) []Record {
	if Readable(limit, in.fd) == 0 {
		return nil
	}
	came := in.buf[:0]
	for _, r := range read(in.fd, in.buf[:]) {
		if r.number != 0 { // else it tells only that there was no room
			came = append(came, r)
		}
	}
	return append(came, missing(overflown()&in.taken)...)
}

// missing is what is known of signals for which the pipe had no room. Those that the runtime and the kernel send us for
// what we did are taken for such ones.
func missing(mask uint64) (all []Record) {
	for s := syscall.Signal(1); mask>>(s-1) != 0; s++ {
		r := Record{number: int32(s)}
		switch s {
		case syscall.SIGCHLD:
			r.code = 1
		case syscall.SIGURG, syscall.SIGPROF, syscall.SIGPIPE, syscall.SIGXFSZ:
			r.PID = int32(syscall.Getpid())
		}
		if mask&(1<<(s-1)) != 0 {
			all = append(all, r)
		}
	}
	return all
}

// Came are the signals that came to PID 1 before anybody took them, for who does not Catch.
func Came() (all []syscall.Signal) {
	for _, r := range missing(overflown()) {
		all = append(all, r.Signal())
	}
	return all
}

// read reads what has come, as far as there is room for it.
func read(fd int, room []Record) []Record {
	n, err := syscall.Read(fd, unsafe.Slice((*byte)(unsafe.Pointer(&room[0])), len(room)*recordSize))
	if err != nil {
		return nil
	}
	return room[:n/recordSize]
}

// Leave hands what has come and what still comes on to the next program in this process, by a descriptor that is for Rest.
func (in *Signals) Leave() (fd int) {
	_, _, _ = syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(in.fd), syscall.F_SETFD, 0)
	return in.fd
}

// Rest reads what an earlier program in this process left.
func Rest(fd int) (rest []Record) {
	for Readable(0, fd) != 0 {
		records := read(fd, make([]Record, 64))
		if len(records) == 0 { // its end: nobody writes any more
			break
		}
		for _, r := range records {
			if r.number != 0 {
				rest = append(rest, r)
			}
		}
	}
	syscall.Close(fd)
	return rest
}

// GiveBack has the signals go where they went before, or where they were sent to since, and returns those that came and
// were not read. Whoever takes them from now on must do so already: then none is lost.
func (in *Signals) GiveBack() (rest []Record) {
	for _, s := range Catchable() {
		if in.taken&(1<<(s-1)) != 0 {
			giveBack(s)
		}
	}
	for Readable(0, in.fd) != 0 {
		rest = append(rest, in.Wait(0)...)
	}
	return rest
}
