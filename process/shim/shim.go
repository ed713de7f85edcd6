package shim

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func init() {
	if len(os.Args) != 2 || os.Args[0] != title {
		return
	}
	if at, err := strconv.Atoi(os.Args[1]); err == nil {
		be(at)
	}
}

// be makes this process a shim, whose descriptors at and after the given one are the order and the pipe. It does not
// return: either this is another program then, or it has said why not and has ended.
func be(at int) {
	unix.CloseOnExec(at)
	unix.CloseOnExec(at + 1)
	step := "read what is to be done"
	text, err := read(at)
	if o, ok := parse(text); err == nil && ok {
		step, err = "", o.do()
	}
	var before *Error
	if errors.As(err, &before) {
		step = before.Step
	}
	var no syscall.Errno
	if !errors.As(err, &no) {
		no = syscall.EINVAL
	}
	answer := strconv.Itoa(int(no))
	if step != "" {
		answer += " " + step
	}
	_, _ = unix.Write(at+1, []byte(answer))
	const failed = 127 // as a shell says it; nobody sees it but who traces
	// Not os.Exit, which a race detector makes last a second.
	_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, failed, 0, 0)
}

// do carries the order out. It returns if that failed.
func (o *Order) do() error {
	env, parent := o.Env, os.Getppid()
	if len(o.OwnPID) > 0 {
		env = withOwnPID(env, o.OwnPID)
	}
	if err := o.Around.become(); err != nil {
		return err
	}
	if err := o.arm(parent); err != nil {
		return err
	}
	// Exec puts the soft limit of open files back that Go raised for itself.
	return syscall.Exec(o.Path, o.Argv, env)
}

// arm has the signal come when the parent dies, also to another user: with the change of the user it was lost. A parent
// that died meanwhile has had no signal sent.
func (o *Order) arm(parent int) error {
	if o.DeathSignal == 0 {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(o.DeathSignal), 0, 0, 0); err != nil {
		return failed("learn of its parent's death", err)
	}
	if os.Getppid() != parent {
		_ = unix.Kill(os.Getpid(), syscall.Signal(o.DeathSignal))
	}
	return nil
}

func withOwnPID(env, names []string) []string {
	own := "=" + strconv.Itoa(os.Getpid())
	var set []string
	for _, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		if !has(names, name) {
			set = append(set, entry)
		}
	}
	for _, name := range names {
		set = append(set, name+own)
	}
	return set
}

func has(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// read reads a whole file from its beginning, wherever its offset is.
func read(fd int) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "", err
	}
	text := make([]byte, st.Size)
	for n := 0; n < len(text); {
		got, err := unix.Pread(fd, text[n:], int64(n))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return "", err
		case got == 0:
			return "", unix.EIO
		}
		n += got
	}
	return string(text), nil
}
