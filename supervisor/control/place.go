package control

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Places are where the socket of a tree may be by default, the first one being where a new one is made: in the user's
// runtime folder, for root in /run, else in a folder of the user's own in /tmp. Who looks for a tree tries them all, for a
// service may have been started without the variables that a terminal has. Lookup gives a variable of the environment.
func Places(name string, uid int, lookup func(string) string) []string {
	file := name + ".sock"
	var places []string
	if dir := lookup("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		places = append(places, filepath.Join(dir, "lastout", file))
	}
	if uid == 0 {
		places = append(places, filepath.Join("/run/lastout", file))
	}
	places = append(places, filepath.Join("/tmp", "lastout-"+strconv.Itoa(uid), file))
	if home := filepath.Join("/run/user", strconv.Itoa(uid)); lookup("XDG_RUNTIME_DIR") != home {
		places = append(places, filepath.Join(home, "lastout", file))
	}
	return places
}

// private makes a folder that is ours alone, or sees to it that one that is there is: in /tmp anybody may have made it.
// Pass lets others go through it to a socket that they may use.
func private(dir string, pass bool) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot make the folder of the control socket: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("cannot look at the folder of the control socket: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is no folder", dir)
	case !ok || int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("the folder %s belongs to another user", dir)
	case info.Mode().Perm()&0o066 != 0:
		return fmt.Errorf("others may read or write in the folder %s (mode %04o, not 0700)", dir, info.Mode().Perm())
	case pass && info.Mode().Perm()&0o011 != 0o011:
		return os.Chmod(dir, 0o711)
	}
	return nil
}

// Barrier is the folder above a socket that others cannot go through, so that they cannot come to the socket whatever they
// are granted; empty: there is none.
func Barrier(path string) string {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o001 == 0 {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}
