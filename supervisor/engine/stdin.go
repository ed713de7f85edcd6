package engine

import (
	"fmt"
	"os"
	"syscall"

	"lastout/supervisor/config"
)

// openStdin gives a run what it reads from: nothing unless something else is written. A named pipe that nobody writes to
// is opened all the same, and read as empty.
func openStdin(c *child, from string) error {
	switch from {
	case "":
		return nil
	case config.Inherit:
		c.files[0] = os.Stdin
		return nil
	}
	fd, err := syscall.Open(from, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return fmt.Errorf("stdin: %w", &os.PathError{Op: "open", Path: from, Err: err})
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		syscall.Close(fd)
		return fmt.Errorf("stdin: %w", err)
	}
	f := os.NewFile(uintptr(fd), from)
	c.files[0], c.ours = f, append(c.ours, f)
	return nil
}
