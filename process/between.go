package process

import (
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"lastout/process/shim"
)

// shimmed says whether a child wants something that fork and exec cannot do by themselves.
func (s *Spec) shimmed() bool { return len(s.OwnPID) > 0 || s.Around.Any() }

// forkShim starts a program by way of a shim. It returns when the program itself was executed, with exec's own error
// where that failed.
func forkShim(s Spec, path string, null *os.File, group int) (child, error) {
	call, err := shim.New(shim.Order{
		Path: path, Argv: s.Argv, Env: s.Env, OwnPID: s.OwnPID, Around: s.Around, DeathSignal: int(s.DeathSignal),
	})
	if err != nil {
		return child{}, &betweenError{err}
	}
	defer call.Close()
	between := s
	between.Files = slices.Clone(s.Files)
	for len(between.Files) < 3 {
		between.Files = append(between.Files, nil)
	}
	between.Argv, between.Env = call.Argv(len(between.Files)), nil
	between.Files = append(between.Files, call.Files()...)
	c, err := forkExec(shim.Self(), between, null, group)
	if err != nil {
		return c, &betweenError{err}
	}
	if err := call.Answer(); err != nil {
		c.bury()
		return child{}, wrapStep(err)
	}
	return c, nil
}

// bury waits for a shim that could not execute the program, as fork does for its own. The reaper may have been there
// before, and forgets it with the run.
func (c child) bury() {
	for {
		var err error
		if c.pidfd >= 0 { // whoever has its pid by now is not waited for
			err = unix.Waitid(unix.P_PIDFD, c.pidfd, nil, unix.WEXITED, nil)
		} else {
			_, err = syscall.Wait4(c.pid, nil, 0, nil)
		}
		if err != unix.EINTR {
			break
		}
	}
	if c.pidfd >= 0 {
		unix.Close(c.pidfd)
	}
}

// wrapStep tells a failure before the program's exec from one of the exec.
func wrapStep(err error) error {
	if _, ok := err.(syscall.Errno); ok {
		return err
	}
	return &betweenError{err}
}

// betweenError is a failure of what stands between the fork and the program's exec.
type betweenError struct{ err error }

func (e *betweenError) Error() string {
	if _, ok := e.err.(syscall.Errno); ok {
		return fmt.Sprintf("cannot execute lastout itself in between (%s): %v", shim.Self(), e.err)
	}
	return e.err.Error()
}

func (e *betweenError) Unwrap() error { return e.err }
