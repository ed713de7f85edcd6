// Package signame knows the names of signals, as signal(7) has them: SIGTERM, SIGRTMIN+3. It is pure.
package signame

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The real-time signals as programs count them: the C library keeps 32 and 33 for itself. RTMax is the last signal.
const (
	RTMin = syscall.Signal(34)
	RTMax = syscall.Signal(64)
)

// aliases are second names.
var aliases = map[string]syscall.Signal{
	"SIGIOT": syscall.SIGABRT, "SIGCLD": syscall.SIGCHLD, "SIGPOLL": syscall.SIGIO,
}

// Of returns the name of a signal, "SIGTERM" or "SIGRTMIN+3"; for what has none, "signal 99".
func Of(s syscall.Signal) string {
	switch {
	case s == RTMin:
		return "SIGRTMIN"
	case s > RTMin && s <= RTMax:
		return fmt.Sprintf("SIGRTMIN+%d", int(s-RTMin))
	}
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(s))
}

// Known says whether a signal has a name.
func Known(s syscall.Signal) bool { return s >= RTMin && s <= RTMax || unix.SignalName(s) != "" }

// Parse reads the name of a signal, with or without SIG: "TERM", "SIGUSR1", "RTMIN+3", "RTMAX-1".
func Parse(name string) (syscall.Signal, bool) {
	s := strings.TrimPrefix(name, "SIG")
	if rest, ok := strings.CutPrefix(s, "RTMIN"); ok {
		return offset(RTMin, rest, '+')
	}
	if rest, ok := strings.CutPrefix(s, "RTMAX"); ok {
		return offset(RTMax, rest, '-')
	}
	if n, ok := aliases["SIG"+s]; ok {
		return n, true
	}
	n := unix.SignalNum("SIG" + s)
	return n, n != 0
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
	var names []string
	for s := syscall.Signal(1); s < 32; s++ {
		if name := unix.SignalName(s); name != "" {
			names = append(names, strings.TrimPrefix(name, "SIG"))
		}
	}
	slices.Sort(names)
	return names
}
