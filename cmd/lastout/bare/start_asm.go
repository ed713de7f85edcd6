//go:build amd64 || arm64

package bare

import (
	"syscall"
	"unsafe"

	"lastout/process/signame"
)

// Start is syscall.ForkExec, but the program gets the mask of signals, the ignored signals and the limit of open files
// that we were given, where our entry saw them (see atEntry). Of attr it takes Env, and of attr.Sys Setpgid, Setsid,
// Setctty of descriptor 0, and Pdeathsig; descriptors are inherited as they are.
func Start(file string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	if entered == 0 {
		return syscall.ForkExec(file, argv, attr)
	}
	c, err := prepare(file, argv, attr)
	if err != nil {
		return 0, err
	}
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return 0, err
	}
	c.report = uintptr(ends[1])
	pid, no := fork(c)
	syscall.Close(ends[1])
	if no == 0 {
		no = executed(pid, ends[0])
	}
	syscall.Close(ends[0])
	if no != 0 {
		return 0, no
	}
	return pid, nil
}

// child is all that fork needs in the child.
type child struct {
	file      *byte
	argv, env []*byte
	sys       syscall.SysProcAttr
	parent    int
	report    uintptr // where to write why the program cannot be executed
	blocked   uint64
	actions   [signame.RTMax + 1]action
	files     [2]uint64
}

// prepare makes everything that the child needs, for it can allocate nothing.
func prepare(file string, argv []string, attr *syscall.ProcAttr) (c *child, err error) {
	c = &child{sys: *attr.Sys, parent: syscall.Getpid(), blocked: atEntry.mask, files: atEntry.files}
	for s := range c.actions {
		if atEntry.actions[s].handler == ignore {
			c.actions[s].handler = ignore
		}
	}
	if c.file, err = syscall.BytePtrFromString(file); err != nil {
		return nil, err
	}
	if c.argv, err = syscall.SlicePtrFromStrings(argv); err != nil {
		return nil, err
	}
	c.env, err = syscall.SlicePtrFromStrings(attr.Env)
	return c, err
}

// executed waits until the child has executed its program. One that could not is reaped.
func executed(pid, report int) (why syscall.Errno) {
	var said [4]byte
	n, err := syscall.Read(report, said[:])
	for err == syscall.EINTR {
		n, err = syscall.Read(report, said[:])
	}
	if n == 0 {
		return 0 // closed on exec
	}
	for err = syscall.EINTR; err == syscall.EINTR; {
		_, err = syscall.Wait4(pid, nil, 0, nil)
	}
	return syscall.Errno(uint32(said[0]) | uint32(said[1])<<8 | uint32(said[2])<<16 | uint32(said[3])<<24)
}

// fork forks, and executes in the child. Every signal is blocked meanwhile: a handler of ours in the child would write to
// our pipe. What runs in the child is nosplit, as package syscall's is in effect: it is alone in a copy of our memory,
// where no stack can grow and nobody can be waited for.
//
//go:norace
func fork(c *child) (pid int, err syscall.Errno) {
	all, before := allMask, uint64(0)
	setMask(&all, &before)
	r, _, err := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if err == 0 && r == 0 {
		c.execute()
	}
	setMask(&before, nil)
	return int(r), err
}

// execute does not return.
//
//go:nosplit
//go:norace
func (c *child) execute() {
	err := c.settle()
	if err == 0 {
		for s := uintptr(1); s < uintptr(len(c.actions)); s++ {
			_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, s, uintptr(unsafe.Pointer(&c.actions[s])), 0, maskSize, 0, 0)
		}
		_, _, _ = syscall.RawSyscall6(syscall.SYS_PRLIMIT64, 0, syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&c.files)), 0, 0, 0)
		setMask(&c.blocked, nil)
		_, _, err = syscall.RawSyscall6(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(c.file)),
			uintptr(unsafe.Pointer(&c.argv[0])), uintptr(unsafe.Pointer(&c.env[0])), 0, 0, 0)
	}
	_, _, _ = syscall.RawSyscall6(syscall.SYS_WRITE, c.report, uintptr(unsafe.Pointer(&err)), 4, 0, 0, 0)
	for {
		_, _, _ = syscall.RawSyscall6(syscall.SYS_EXIT, 253, 0, 0, 0, 0, 0)
	}
}

// settle gives the child its session, group, terminal, and signal for the parent's death.
//
//go:nosplit
//go:norace
func (c *child) settle() (err syscall.Errno) {
	if c.sys.Setsid {
		_, _, err = syscall.RawSyscall6(syscall.SYS_SETSID, 0, 0, 0, 0, 0, 0)
	}
	if c.sys.Setpgid && err == 0 {
		_, _, err = syscall.RawSyscall6(syscall.SYS_SETPGID, 0, 0, 0, 0, 0, 0)
	}
	if c.sys.Setctty && err == 0 {
		_, _, err = syscall.RawSyscall6(syscall.SYS_IOCTL, 0, syscall.TIOCSCTTY, 1, 0, 0, 0)
	}
	if c.sys.Pdeathsig == 0 || err != 0 {
		return err
	}
	_, _, err = syscall.RawSyscall6(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(c.sys.Pdeathsig), 0, 0, 0, 0)
	if parent, _, _ := syscall.RawSyscall6(syscall.SYS_GETPPID, 0, 0, 0, 0, 0, 0); int(parent) != c.parent {
		self, _, _ := syscall.RawSyscall6(syscall.SYS_GETPID, 0, 0, 0, 0, 0, 0)
		_, _, _ = syscall.RawSyscall6(syscall.SYS_KILL, self, uintptr(c.sys.Pdeathsig), 0, 0, 0, 0)
	}
	return err
}

// setMask sets the mask of this thread (rt_sigprocmask(2)).
//
//go:nosplit
//go:norace
func setMask(now, before *uint64) {
	const set = 2 // SIG_SETMASK
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, set, uintptr(unsafe.Pointer(now)),
		uintptr(unsafe.Pointer(before)), maskSize, 0, 0)
}
