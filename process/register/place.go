package register

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ErrOwned says that the owner of a register lives.
var ErrOwned = errors.New("another lastout that lives keeps it")

// Open opens the file of a register, or makes it, and locks it. The file of a living lastout is ErrOwned. One that
// others could have written is refused, for what stands in it is obeyed.
func Open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := check(f, path); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func check(f *os.File, path string) error {
	var st, there unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s is no plain file", path)
	case int(st.Uid) != os.Geteuid() || st.Mode&0o077 != 0:
		return fmt.Errorf("%s is not ours alone: it is of uid %d and has the mode %04o", path, st.Uid, st.Mode&0o7777)
	case st.Nlink > 1: // somebody who may write in its folder may have linked it there, and we would overwrite it
		return fmt.Errorf("%s has another name too", path)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		return ErrOwned
	} else if err != nil {
		return &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	// Whoever had it may have removed it just before it let go of it.
	if err := unix.Lstat(path, &there); err != nil || there.Ino != st.Ino || there.Dev != st.Dev {
		return ErrOwned
	}
	return nil
}
