package shim

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// title is the first argument of a shim. No program is called so.
const title = "(lastout shim)"

// Call is one shim, seen from its parent.
type Call struct {
	order  *os.File
	report *os.File // the shim's end of the pipe
	answer *os.File
}

// New prepares a shim. Close it in any case.
func New(o Order) (*Call, error) {
	c := &Call{}
	var err error
	if c.order, err = o.file(); err != nil {
		return nil, err
	}
	if c.answer, c.report, err = os.Pipe(); err != nil {
		c.Close()
		return nil, fmt.Errorf("cannot make the pipe of a shim: %w", err)
	}
	return c, nil
}

// Files are to be the child's descriptors at and after the number that Argv is told.
func (c *Call) Files() []*os.File { return []*os.File{c.order, c.report} }

// Argv are the arguments of the shim. Its environment is empty: the program's own is in the order.
func (c *Call) Argv(at int) []string { return []string{title, strconv.Itoa(at)} }

// Answer waits until the program was executed, or the shim is gone. The error is exec's own syscall.Errno, or an *Error
// where something before it failed.
func (c *Call) Answer() error {
	c.report.Close()
	text, err := io.ReadAll(io.LimitReader(c.answer, 4096))
	if err != nil {
		return fmt.Errorf("cannot hear of a shim: %w", err)
	}
	if len(text) == 0 {
		return nil
	}
	number, step, _ := strings.Cut(string(text), " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("cannot understand a shim: %q", text)
	}
	if step == "" {
		return syscall.Errno(n)
	}
	return &Error{Step: step, Errno: syscall.Errno(n)}
}

// Close lets go of what the parent has of it.
func (c *Call) Close() {
	for _, f := range []*os.File{c.order, c.report, c.answer} {
		if f != nil {
			f.Close()
		}
	}
}

// Error is a failure before the exec.
type Error struct {
	Step  string
	Errno syscall.Errno
}

func (e *Error) Error() string { return fmt.Sprintf("cannot %s: %v", e.Step, e.Errno) }

func (e *Error) Unwrap() error { return e.Errno }
