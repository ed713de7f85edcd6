package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// signals are the names of signal(7), without SIG.
var signals = map[string]syscall.Signal{
	"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "ILL": syscall.SIGILL,
	"TRAP": syscall.SIGTRAP, "ABRT": syscall.SIGABRT, "IOT": syscall.SIGIOT, "BUS": syscall.SIGBUS,
	"FPE": syscall.SIGFPE, "KILL": syscall.SIGKILL, "USR1": syscall.SIGUSR1, "SEGV": syscall.SIGSEGV,
	"USR2": syscall.SIGUSR2, "PIPE": syscall.SIGPIPE, "ALRM": syscall.SIGALRM, "TERM": syscall.SIGTERM,
	"STKFLT": syscall.SIGSTKFLT, "CHLD": syscall.SIGCHLD, "CLD": syscall.SIGCHLD, "CONT": syscall.SIGCONT,
	"STOP": syscall.SIGSTOP, "TSTP": syscall.SIGTSTP, "TTIN": syscall.SIGTTIN, "TTOU": syscall.SIGTTOU,
	"URG": syscall.SIGURG, "XCPU": syscall.SIGXCPU, "XFSZ": syscall.SIGXFSZ, "VTALRM": syscall.SIGVTALRM,
	"PROF": syscall.SIGPROF, "WINCH": syscall.SIGWINCH, "IO": syscall.SIGIO, "POLL": syscall.SIGPOLL,
	"PWR": syscall.SIGPWR, "SYS": syscall.SIGSYS,
}

// The real-time signals as users know them: the C library keeps 32 and 33 to itself (signal(7)).
const (
	rtmin = 34
	rtmax = 64
)

// parseSignal reads a signal's name, with or without SIG.
func parseSignal(s string) (syscall.Signal, error) {
	name := strings.TrimPrefix(s, "SIG")
	if sig, ok := signals[name]; ok {
		return sig, nil
	}
	if sig, ok := realTime(name); ok {
		return sig, nil
	}
	if n, err := strconv.Atoi(s); err == nil {
		if known, ok := signalName(syscall.Signal(n)); ok {
			return 0, fmt.Errorf("%q is a number (did you mean %q?)", s, known)
		}
	}
	names := slices.Collect(maps.Keys(signals))
	if near := Closest(name, names); near != "" {
		return 0, fmt.Errorf("unknown signal %q (did you mean %q?)", s, "SIG"+near)
	}
	return 0, fmt.Errorf("unknown signal %q (such as \"SIGTERM\", \"QUIT\" or \"RTMIN+3\")", s)
}

// realTime reads RTMIN, RTMIN+n, RTMAX and RTMAX-n.
func realTime(name string) (syscall.Signal, bool) {
	base, sign := rtmin, 1
	rest, ok := strings.CutPrefix(name, "RTMIN")
	if !ok {
		base, sign = rtmax, -1
		if rest, ok = strings.CutPrefix(name, "RTMAX"); !ok {
			return 0, false
		}
	}
	if rest == "" {
		return syscall.Signal(base), true
	}
	if rest[0] != map[int]byte{1: '+', -1: '-'}[sign] {
		return 0, false
	}
	n, err := strconv.ParseUint(rest[1:], 10, 8)
	sig := base + sign*int(n)
	if err != nil || sig < rtmin || sig > rtmax {
		return 0, false
	}
	return syscall.Signal(sig), true
}

// signalName is the name of a signal, with SIG; of two names the one that comes first.
func signalName(sig syscall.Signal) (string, bool) {
	for _, name := range slices.Sorted(maps.Keys(signals)) {
		if signals[name] == sig && name != "CLD" && name != "IOT" && name != "POLL" {
			return "SIG" + name, true
		}
	}
	return "", false
}

// checkStopSignal refuses the signals that cannot make a process leave.
func checkStopSignal(sig syscall.Signal) error {
	switch sig {
	case syscall.SIGKILL:
		return errors.New(`SIGKILL lets nobody finish, and it follows after the timeout anyhow ` +
			`(to kill at once, write timeout = "0s")`)
	case syscall.SIGSTOP:
		return errors.New(`SIGSTOP freezes a process and ends nothing (did you mean "SIGTERM"?)`)
	case syscall.SIGCONT:
		return errors.New(`SIGCONT ends nothing, and follows every stop signal anyhow (did you mean "SIGTERM"?)`)
	case syscall.SIGCHLD:
		return errors.New(`SIGCHLD ends nothing (did you mean "SIGTERM"?)`)
	default:
		return nil
	}
}
