package process

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// LookPath finds the program as the child would find it: after it changed to dir, by the PATH of its own environment.
// A name with a slash is taken as it stands. What it returns may be relative to dir.
func LookPath(argv0, dir string, env []string) (string, error) {
	if argv0 == "" {
		return "", errors.New("exec: no program named")
	}
	if strings.Contains(argv0, "/") {
		if err := executable(argv0, dir); err != nil {
			return "", &fs.PathError{Op: "exec", Path: argv0, Err: err}
		}
		return argv0, nil
	}
	path := "/bin:/usr/bin" // what execvp(3) takes where there is none
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			path = v
		}
	}
	var refused error
	for _, d := range strings.Split(path, ":") {
		file := filepath.Join(d, argv0)
		if !strings.Contains(file, "/") {
			file = "./" + file // an empty entry, or ".", is the working directory
		}
		err := executable(file, dir)
		if err == nil {
			return file, nil
		}
		if refused == nil && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EISDIR)) {
			refused = &fs.PathError{Op: "exec", Path: file, Err: err}
		}
	}
	if refused != nil && !errors.Is(refused, unix.EISDIR) {
		return "", refused
	}
	return "", &fs.PathError{Op: "exec", Path: argv0, Err: notInPath(path)}
}

// notInPath says where a program was looked for; it is fs.ErrNotExist.
type notInPath string

func (p notInPath) Error() string { return fmt.Sprintf("not found in PATH (%s)", string(p)) }

func (p notInPath) Is(target error) bool { return target == fs.ErrNotExist }

// executable says why exec would refuse the file at once.
func executable(file, dir string) error {
	if !filepath.IsAbs(file) && dir != "" {
		file = filepath.Join(dir, file)
	}
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return unix.EISDIR
	}
	return unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS)
}
