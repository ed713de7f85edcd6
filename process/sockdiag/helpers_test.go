package sockdiag

import "syscall"

// sockopt sets an option of a socket before it is bound.
func sockopt(level, option, value int) func(string, string, syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) error {
		var err error
		if e := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), level, option, value) }); e != nil {
			return e
		}
		return err
	}
}
