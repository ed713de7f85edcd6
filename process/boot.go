package process

import (
	"maps"
	"math"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"lastout/process/signame"
)

// Booted is what Boot hands out.
type Booted struct {
	// Signals brings the signals that are meant for the program, in the order they came in. It has room for all of
	// them at once; the kernel itself merges equal ones.
	Signals chan os.Signal

	meant     []os.Signal
	inherited []int
}

// Boot is the program's first act. Until its handlers are in, a signal kills the program, or, where it is PID 1, is
// dropped by the kernel (signal(7), pid_namespaces(7)).
//
// It listens to TERM, INT, QUIT, HUP, USR1 and USR2, and as PID 1 to every signal that can be caught and has no other
// duty, because images name many different ones as their stop signal. What a terminal sends by itself (WINCH, TSTP,
// TTIN, TTOU) is left out as PID 1 of a terminal. first says that the program is PID 1, or stands in for it.
//
// It also keeps from our children what our own parent left behind: signals it ignored, and descriptors from 3 on.
func Boot(first bool) *Booted {
	b := &Booted{Signals: make(chan os.Signal, 256)}
	b.meant = listened(first, hasTerminal)
	signal.Notify(b.Signals, b.meant...)
	// Go resets on exec only what it handles itself, so what we inherited as ignored is caught and thrown away. Without
	// a handler for PIPE of its own, Go would end the program when a reader of our output goes away; XFSZ ends whoever
	// lets his log file grow above a limit.
	inherited := ignored()
	away := append(inherited, syscall.SIGPIPE, syscall.SIGXFSZ)
	signal.Notify(make(chan os.Signal, 1), away...)
	for _, s := range inherited {
		if uncatchable[s.(syscall.Signal)] {
			setDefault(s.(syscall.Signal))
		}
	}
	b.inherited = inheritedFiles()
	closeOnExec()
	return b
}

// inheritedFiles lists the descriptors from 3 on that we were started with: Go closes its own on exec.
func inheritedFiles() (fds []int) {
	keep := func(fd int) {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds = append(fds, fd)
		}
	}
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		const few = 256 // where /proc is missing
		for fd := 3; fd < few; fd++ {
			keep(fd)
		}
		return fds
	}
	for _, n := range names {
		if fd, err := strconv.Atoi(n.Name()); err == nil && fd >= 3 {
			keep(fd)
		}
	}
	return fds
}

// listened lists the signals that are meant for the program.
func listened(pid1 bool, terminal func() bool) []os.Signal {
	if !pid1 {
		return []os.Signal{
			syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2,
		}
	}
	out := map[syscall.Signal]bool{
		syscall.SIGKILL: true, syscall.SIGSTOP: true, // cannot be caught
		syscall.SIGCHLD: true, syscall.SIGCONT: true, syscall.SIGPIPE: true, // have another duty
		syscall.SIGURG: true, syscall.SIGPROF: true, // the runtime's
		syscall.SIGSEGV: true, syscall.SIGBUS: true, syscall.SIGFPE: true, syscall.SIGILL: true, // our own faults
		syscall.SIGTRAP: true, syscall.SIGABRT: true, syscall.SIGSYS: true, syscall.SIGXFSZ: true,
	}
	maps.Copy(out, uncatchable)
	if terminal() {
		for _, s := range []syscall.Signal{syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU} {
			out[s] = true
		}
	}
	var in []os.Signal
	for s := syscall.Signal(1); s <= signame.RTMax; s++ {
		if !out[s] {
			in = append(in, s)
		}
	}
	return in
}

// uncatchable are the signals that Go's runtime hands to nobody: it leaves those to the C library.
var uncatchable = map[syscall.Signal]bool{syscall.SIGSTKFLT: true, 32: true, 33: true, signame.RTMin: true}

// setDefault gives a signal its default action, by the system call itself (rt_sigaction(2)), because C libraries refuse
// their own signals. GNU make is one who starts its children with 32 and 33 ignored.
func setDefault(s syscall.Signal) {
	var action [64]byte // a struct sigaction of the kernel on any machine: SIG_DFL, no flags, no mask
	const maskSize = 8
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&action)), 0, maskSize, 0, 0)
}

func hasTerminal() bool {
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// ignored lists the signals whose disposition is "ignore", as a shell leaves INT and QUIT to what it runs with "&", and
// nohup leaves HUP. Source: SigIgn of proc_pid_status(5), a mask in hexadecimal.
func ignored() []os.Signal {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return ignoredOne()
	}
	var in []os.Signal
	for line := range strings.Lines(string(status)) {
		field, ok := strings.CutPrefix(line, "SigIgn:")
		if !ok {
			continue
		}
		mask, _ := strconv.ParseUint(strings.TrimSpace(field), 16, 64)
		for s := syscall.Signal(1); s <= signame.RTMax; s++ {
			if mask&(1<<(s-1)) != 0 {
				in = append(in, s)
			}
		}
	}
	return in
}

// ignoredOne asks for each signal by itself (rt_sigaction(2)), where /proc is missing.
func ignoredOne() []os.Signal {
	var in []os.Signal
	for s := syscall.Signal(1); s <= signame.RTMax; s++ {
		var action [64]byte // room for a struct sigaction of the kernel on any machine: its handler comes first
		const maskSize, ignore = 8, 1
		_, _, no := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), 0, uintptr(unsafe.Pointer(&action)), maskSize, 0, 0)
		if no == 0 && *(*uintptr)(unsafe.Pointer(&action)) == ignore {
			in = append(in, s)
		}
	}
	return in
}

// closeOnExec keeps inherited descriptors from 3 on from our children. Go marks those that it opens itself.
func closeOnExec() {
	if unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	// Kernels before 5.11 do not have it.
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, n := range names {
		if fd, err := strconv.Atoi(n.Name()); err == nil && fd >= 3 {
			unix.CloseOnExec(fd)
		}
	}
}
