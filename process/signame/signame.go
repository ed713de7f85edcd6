// Package signame knows the names of signals, as signal(7) has them: SIGTERM, SIGRTMIN+3. It is pure. It imports little,
// not even strings, because cmd/lastout/onecmd needs it before other packages are initialised.
package signame

import (
	"slices"
	"strconv"
	"syscall"
)

// The real-time signals as programs count them: the C library keeps 32 and 33 for itself. RTMax is the last signal.
const (
	RTMin = syscall.Signal(34)
	RTMax = syscall.Signal(64)
)

// names are those of the standard signals, by their numbers on this machine.
var names = [...]string{
	syscall.SIGHUP: "HUP", syscall.SIGINT: "INT", syscall.SIGQUIT: "QUIT", syscall.SIGILL: "ILL",
	syscall.SIGTRAP: "TRAP", syscall.SIGABRT: "ABRT", syscall.SIGBUS: "BUS", syscall.SIGFPE: "FPE",
	syscall.SIGKILL: "KILL", syscall.SIGUSR1: "USR1", syscall.SIGSEGV: "SEGV", syscall.SIGUSR2: "USR2",
	syscall.SIGPIPE: "PIPE", syscall.SIGALRM: "ALRM", syscall.SIGTERM: "TERM", syscall.SIGSTKFLT: "STKFLT",
	syscall.SIGCHLD: "CHLD", syscall.SIGCONT: "CONT", syscall.SIGSTOP: "STOP", syscall.SIGTSTP: "TSTP",
	syscall.SIGTTIN: "TTIN", syscall.SIGTTOU: "TTOU", syscall.SIGURG: "URG", syscall.SIGXCPU: "XCPU",
	syscall.SIGXFSZ: "XFSZ", syscall.SIGVTALRM: "VTALRM", syscall.SIGPROF: "PROF", syscall.SIGWINCH: "WINCH",
	syscall.SIGIO: "IO", syscall.SIGPWR: "PWR", syscall.SIGSYS: "SYS",
}

// standard is the name of a standard signal without SIG, or nothing.
func standard(s syscall.Signal) string {
	if s < 0 || int(s) >= len(names) {
		return ""
	}
	return names[s]
}

// aliases are second names.
var aliases = map[string]syscall.Signal{
	"IOT": syscall.SIGABRT, "CLD": syscall.SIGCHLD, "POLL": syscall.SIGIO,
}

// Of returns the name of a signal, "SIGTERM" or "SIGRTMIN+3"; for what has none, "signal 99".
func Of(s syscall.Signal) string {
	switch {
	case s == RTMin:
		return "SIGRTMIN"
	case s > RTMin && s <= RTMax:
		return "SIGRTMIN+" + strconv.Itoa(int(s-RTMin))
	}
	if name := standard(s); name != "" {
		return "SIG" + name
	}
	return "signal " + strconv.Itoa(int(s))
}

// Known says whether a signal has a name.
func Known(s syscall.Signal) bool { return s >= RTMin && s <= RTMax || standard(s) != "" }

// Parse reads the name of a signal, with or without SIG: "TERM", "SIGUSR1", "RTMIN+3", "RTMAX-1".
func Parse(name string) (syscall.Signal, bool) {
	s, _ := cutPrefix(name, "SIG")
	if rest, ok := cutPrefix(s, "RTMIN"); ok {
		return offset(RTMin, rest, '+')
	}
	if rest, ok := cutPrefix(s, "RTMAX"); ok {
		return offset(RTMax, rest, '-')
	}
	if n, ok := aliases[s]; ok {
		return n, true
	}
	n := slices.Index(names[:], s)
	return syscall.Signal(max(n, 0)), n > 0
}

func cutPrefix(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || s[:len(prefix)] != prefix {
		return s, false
	}
	return s[len(prefix):], true
}

// offset reads what follows RTMIN or RTMAX: nothing, or the sign and a number that stays within the real-time signals.
func offset(from syscall.Signal, rest string, sign byte) (syscall.Signal, bool) {
	if rest == "" {
		return from, true
	}
	if rest[0] != sign {
		return 0, false
	}
	n, err := strconv.ParseUint(rest[1:], 10, 8)
	if err != nil || n > uint64(RTMax-RTMin) {
		return 0, false
	}
	if sign == '-' {
		return from - syscall.Signal(n), true
	}
	return from + syscall.Signal(n), true
}

// Standard lists the names of the standard signals without SIG, in the order of the alphabet.
func Standard() []string {
	all := slices.DeleteFunc(slices.Clone(names[:]), func(name string) bool { return name == "" })
	slices.Sort(all)
	return all
}
