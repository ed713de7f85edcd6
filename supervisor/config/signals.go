package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"lastout/process/signame"
)

// parseSignal reads a signal's name, with or without SIG.
func parseSignal(s string) (syscall.Signal, error) {
	if sig, ok := signame.Parse(s); ok {
		return sig, nil
	}
	if n, err := strconv.Atoi(s); err == nil && signame.Known(syscall.Signal(n)) {
		return 0, fmt.Errorf("%q is a number (did you mean %q?)", s, signame.Of(syscall.Signal(n)))
	}
	if near := Closest(strings.TrimPrefix(s, "SIG"), signame.Standard()); near != "" {
		return 0, fmt.Errorf("unknown signal %q (did you mean %q?)", s, "SIG"+near)
	}
	return 0, fmt.Errorf("unknown signal %q (such as \"SIGTERM\", \"QUIT\" or \"RTMIN+3\")", s)
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
