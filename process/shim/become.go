package shim

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// become brings circumstances about, on the thread that will execute the program: credentials, priority and capabilities
// are the thread's own, and are taken along by execve(2). What needs privileges comes before they are given up. The
// error says which step failed.
func (c *Circumstances) become() error {
	for _, l := range c.Limits {
		limit := syscall.Rlimit{Cur: l.Soft, Max: l.Hard}
		// By package syscall, which then does not put back at the exec what Go raised for itself.
		if err := syscall.Setrlimit(l.Resource, &limit); err != nil {
			return failed("set its limit "+ResourceName(l.Resource), err)
		}
	}
	if c.OOMScore != nil {
		if err := writeFile("/proc/self/oom_score_adj", strconv.Itoa(*c.OOMScore)); err != nil {
			return failed("set its oom_score_adj", err)
		}
	}
	if c.Nice != nil {
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, *c.Nice); err != nil {
			return failed("set its nice value", err)
		}
	}
	if c.Umask != nil {
		syscall.Umask(int(*c.Umask))
	}
	if err := c.credentials(); err != nil {
		return err
	}
	if c.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return failed("set no_new_privs", err)
		}
	}
	return nil
}

// credentials changes who this is and what it may do. Capabilities that are kept survive a change of the user only where
// that is asked for (PR_SET_KEEPCAPS), and the exec only as ambient ones.
func (c *Circumstances) credentials() error {
	if c.Caps != nil {
		if err := c.Caps.bound(); err != nil {
			return err
		}
		if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
			return failed("keep capabilities", err)
		}
	}
	if c.User != nil {
		if err := c.User.become(); err != nil {
			return err
		}
	}
	if c.Caps != nil {
		return c.Caps.raise()
	}
	return nil
}

// become changes the user, unless it is this one: that needs no privilege. The pipes that the program has as its standard
// streams become the user's own, or it could not open them again as /dev/stdout.
func (u *User) become() error {
	if os.Getuid() == int(u.UID) && os.Geteuid() == int(u.UID) && os.Getgid() == int(u.GID) && os.Geteuid() != 0 {
		return nil
	}
	for fd := range 3 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
			_ = unix.Fchown(fd, int(u.UID), int(u.GID))
		}
	}
	var first unsafe.Pointer
	if len(u.Groups) > 0 {
		first = unsafe.Pointer(&u.Groups[0])
	}
	if _, _, no := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(u.Groups)), uintptr(first), 0); no != 0 {
		return failed("set its supplementary groups", no)
	}
	gid, uid := uintptr(u.GID), uintptr(u.UID)
	if _, _, no := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); no != 0 {
		return failed("become group "+decimal(u.GID), no)
	}
	if _, _, no := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); no != 0 {
		return failed("become user "+decimal(u.UID), no)
	}
	return nil
}

// bound drops every other capability from the bounding set.
func (c *Caps) bound() error {
	for n := 0; ; n++ {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0)
		if err != nil {
			return nil // the kernel has no more of them
		}
		if has == 0 || c.keeps(n) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(n), 0, 0, 0); err != nil {
			return failed("drop the capability "+CapabilityName(n), err)
		}
	}
}

// raise leaves the thread those that are kept, and hands them through the exec.
func (c *Caps) raise() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for _, n := range c.Keep {
		bit := uint32(1) << (n % 32)
		d := &data[n/32]
		d.Effective, d.Permitted, d.Inheritable = d.Effective|bit, d.Permitted|bit, d.Inheritable|bit
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return failed("keep its capabilities", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return failed("clear the ambient capabilities", err)
	}
	for _, n := range c.Keep {
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(n), 0, 0); err != nil {
			return failed("keep the capability "+CapabilityName(n), err)
		}
	}
	return nil
}

func (c *Caps) keeps(n int) bool {
	for _, kept := range c.Keep {
		if kept == n {
			return true
		}
	}
	return false
}

func failed(step string, err error) error {
	no, ok := err.(syscall.Errno)
	if !ok {
		no = syscall.EIO
	}
	return &Error{Step: step, Errno: no}
}

// writeFile writes to a file that is there, with the number that the kernel gives for a failure.
func writeFile(path, text string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}
