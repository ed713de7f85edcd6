package process

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// child is what fork yields.
type child struct {
	pid   int
	pidfd int // -1 where the kernel has none (before 5.3)
}

// fork starts the program of a Spec, in a process group of its own and, where group is not negative, in that cgroup. It
// returns when exec succeeded or failed.
func fork(s Spec, path string, null *os.File, group int) (child, error) {
	if s.shimmed() {
		return forkShim(s, path, null, group)
	}
	return forkExec(path, s, null, group)
}

// forkExec forks and executes as it is written.
func forkExec(path string, s Spec, null *os.File, group int) (child, error) {
	files := make([]uintptr, max(len(s.Files), 3))
	for i := range files {
		f := null
		if i < len(s.Files) && s.Files[i] != nil {
			f = s.Files[i]
		}
		files[i] = f.Fd()
	}
	c := child{pidfd: -1}
	attr := &syscall.ProcAttr{
		Dir:   s.Dir,
		Env:   s.Env,
		Files: files,
		Sys: &syscall.SysProcAttr{
			Setpgid: true, PidFD: &c.pidfd, UseCgroupFD: group >= 0, CgroupFD: group, Pdeathsig: s.DeathSignal,
		},
	}
	if attr.Env == nil {
		attr.Env = []string{}
	}
	var err error
	c.pid, err = syscall.ForkExec(path, s.Argv, attr)
	runtime.KeepAlive(s.Files)
	return c, err
}

// touch reads the folder and the first bytes of the program. Go's fork holds a whole processor until exec is over, so
// that a file system that hangs would stop the garbage collector with it; here it hangs only whoever spawns.
func touch(path, dir string) error {
	if dir != "" {
		if err := enterable(dir); err != nil {
			return &fs.PathError{Op: "chdir", Path: dir, Err: err}
		}
	}
	fd, err := unix.Open(under(dir, path), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil // a program may be executable and not readable; exec will tell
	}
	defer unix.Close(fd)
	var head [1]byte
	_, _ = unix.Read(fd, head[:])
	return nil
}

func under(dir, path string) string {
	if dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func enterable(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return unix.ENOTDIR
	}
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.X_OK, unix.AT_EACCESS)
}

// checkText refuses what the kernel cannot be handed.
func checkText(s Spec) error {
	for _, list := range [][]string{s.Argv, s.Env, {s.Dir}} {
		for _, v := range list {
			if strings.IndexByte(v, 0) >= 0 {
				return fmt.Errorf("exec %s: a NUL byte in %q", s.Argv[0], v)
			}
		}
	}
	return nil
}

// explain says which of fork, chdir and exec an error came from, and why: the kernel gives one number for all.
func explain(err error, s Spec, path string) error {
	var no syscall.Errno
	if !errors.As(err, &no) {
		return fmt.Errorf("exec %s: %w", s.Argv[0], err)
	}
	if s.Dir != "" {
		if err := enterable(s.Dir); err != nil {
			return &fs.PathError{Op: "chdir", Path: s.Dir, Err: err}
		}
	}
	why := error(no)
	var before *betweenError
	switch {
	case errors.As(err, &before):
		return fmt.Errorf("exec %s: %w", s.Argv[0], before)
	case no == syscall.EAGAIN:
		return fmt.Errorf("fork: %w (too many processes or threads)", no)
	case no == syscall.ENOMEM:
		return fmt.Errorf("fork: %w", no)
	}
	switch no {
	case syscall.ENOENT, syscall.EACCES, syscall.ENOTDIR, syscall.ELOOP:
		if name, ok := interpreter(under(s.Dir, path)); ok && executable(path, s.Dir) == nil {
			why = &fs.PathError{Op: "interpreter", Path: name, Err: no}
		}
	case syscall.ENOEXEC:
		why = fmt.Errorf("%w (no program for this machine, and no #! line)", no)
	}
	return &fs.PathError{Op: "exec", Path: path, Err: why}
}

// interpreter names the program that the kernel would start first: that of a script's #! line (execve(2)), or a dynamic
// executable's loader.
func interpreter(file string) (string, bool) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK, 0) // a named pipe would wait for somebody to write
	if err != nil {
		return "", false
	}
	defer f.Close()
	head := make([]byte, 256)
	n, _ := f.ReadAt(head, 0)
	if line, ok := bytes.CutPrefix(head[:n], []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		words := strings.Fields(string(line))
		if len(words) == 0 {
			return "", false
		}
		return words[0], true
	}
	bin, err := elf.NewFile(f)
	if err != nil {
		return "", false
	}
	for _, p := range bin.Progs {
		if p.Type == elf.PT_INTERP && p.Filesz < 4096 {
			b := make([]byte, p.Filesz)
			if _, err := p.ReadAt(b, 0); err == nil {
				return string(bytes.TrimRight(b, "\x00")), true
			}
		}
	}
	return "", false
}
