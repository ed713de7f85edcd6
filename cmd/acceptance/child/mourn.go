package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// mourn does what a guardian does, and no more: it starts a lastout with a memory file for its register, and when that
// one ends, it goes on as a rescue in its own place, with all that was left behind for its children.
func mourn(argv []string) error {
	signal.Ignore(syscall.SIGTERM)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("register", 0)
	if err != nil {
		return err
	}
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Env:   append(os.Environ(), "LASTOUT_REGISTER=4"),
		Files: []uintptr{0, 1, 2, 3, uintptr(fd)},
	})
	if err != nil {
		return err
	}
	var status syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(pid, &status, 0, nil); err != syscall.EINTR {
			break
		}
	}
	if !status.Signaled() {
		os.Exit(status.ExitStatus())
	}
	return syscall.Exec(argv[0], argv, append(os.Environ(), fmt.Sprintf("LASTOUT_RESCUE=%d", fd),
		fmt.Sprintf("LASTOUT_RESCUE_EXIT=%d", 128+int(status.Signal()))))
}
