package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// isTerminal says whether a file is a terminal: only those have a window size to ask for (tty_ioctl(2)).
func isTerminal(f *os.File) bool {
	_, err := windowSize(f)
	return err == nil
}

// width is how many columns a terminal has; 0 for anything else. A terminal that does not know is taken for a usual one.
func width(f *os.File) int {
	size, err := windowSize(f)
	switch {
	case err != nil:
		return 0
	case size.Col == 0:
		return 80
	}
	return int(size.Col)
}

func windowSize(f *os.File) (*unix.Winsize, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var size *unix.Winsize
	var failed error
	// Not through File.Fd: that would set a shared description to blocking mode.
	if err := raw.Control(func(fd uintptr) { size, failed = unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ) }); err != nil {
		return nil, err
	}
	return size, failed
}

// height is how many lines a terminal has; 0 for anything else.
func height(f *os.File) int {
	size, err := windowSize(f)
	if err != nil {
		return 0
	}
	return int(size.Row)
}
