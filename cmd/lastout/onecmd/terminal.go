package onecmd

import (
	"syscall"

	"lastout/cmd/lastout/bare"
)

// terminal is our controlling terminal, where there is one.
type terminal struct {
	fd    int  // -1: none
	given bool // the command's process group was put in the foreground by us
}

// openTerminal finds it on stdin, or wherever stdin comes from a file.
func openTerminal() terminal {
	if _, err := foregroundOf(0); err == 0 {
		return terminal{fd: 0}
	}
	fd, err := syscall.Open("/dev/tty", syscall.O_RDWR|syscall.O_CLOEXEC|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return terminal{fd: -1}
	}
	return terminal{fd: fd}
}

// foreground is the process group that may read from the terminal; 0 where there is none.
func (t *terminal) foreground() int {
	if t.fd < 0 {
		return 0
	}
	group, _ := foregroundOf(t.fd)
	return group
}

// give puts a process group in the foreground, if we are there: it is not taken from anybody else.
func (t *terminal) give(group int) bool {
	if t.fd < 0 || t.foreground() != syscall.Getpgrp() {
		return false
	}
	t.given = setForeground(t.fd, group) == 0
	return t.given
}

// takeBack puts us in the foreground again, for whoever reads from the terminal after us.
func (t *terminal) takeBack(group int) {
	if t.given && t.foreground() == group {
		_ = setForeground(t.fd, syscall.Getpgrp())
	}
}

// release gives the terminal up, so that the command's session can have it, and says whether it can: only one on stdin,
// and only if our session, which we lead, had it.
func (t *terminal) release() bool {
	if t.fd != 0 || session() != syscall.Getpid() {
		return false
	}
	t.fd = -1
	return detach(0) == 0
}

// blockTerminal keeps the terminal from stopping us when we are in the background and write, or set the foreground.
// Only this thread touches it.
func blockTerminal() {
	bare.Block(1<<(syscall.SIGTTIN-1) | 1<<(syscall.SIGTTOU-1))
}
