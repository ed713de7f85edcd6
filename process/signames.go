package process

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The real-time signals as programs count them: glibc keeps 32 and 33 for itself (signal(7)).
const (
	sigRTMin = syscall.Signal(34)
	sigMax   = syscall.Signal(64)
)

// SignalName returns the name of a signal, "SIGTERM" or "SIGRTMIN+3"; for what is none, "signal 99".
func SignalName(s syscall.Signal) string {
	switch {
	case s == sigRTMin:
		return "SIGRTMIN"
	case s > sigRTMin && s <= sigMax:
		return fmt.Sprintf("SIGRTMIN+%d", int(s-sigRTMin))
	}
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(s))
}

// ParseSignal reads the name of a signal in either case, with or without SIG: "TERM", "SIGUSR1", "RTMIN+3",
// "RTMAX-1"; or its number.
func ParseSignal(name string) (syscall.Signal, bool) {
	s := strings.ToUpper(strings.TrimSpace(name))
	if n, err := strconv.ParseUint(s, 10, 8); err == nil {
		return syscall.Signal(n), n >= 1 && n <= uint64(sigMax)
	}
	s = strings.TrimPrefix(s, "SIG")
	if rest, ok := strings.CutPrefix(s, "RTMIN"); ok {
		return offset(sigRTMin, rest, '+')
	}
	if rest, ok := strings.CutPrefix(s, "RTMAX"); ok {
		return offset(sigMax, rest, '-')
	}
	n := unix.SignalNum("SIG" + s)
	return n, n != 0
}

// offset reads what follows RTMIN or RTMAX: nothing, or the sign and a number that stays within the real-time signals.
func offset(from syscall.Signal, rest string, sign byte) (syscall.Signal, bool) {
	if rest == "" {
		return from, true
	}
	if rest[0] != sign || len(rest) < 2 || rest[1] < '0' || rest[1] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(rest[1:], 10, 8)
	if err != nil || n > uint64(sigMax-sigRTMin) {
		return 0, false
	}
	if sign == '-' {
		return from - syscall.Signal(n), true
	}
	return from + syscall.Signal(n), true
}
