package process

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// helper is a command that tests start: the test binary itself, called with -helper. Descriptors from 3 on are what the
// test handed it.
func helper(name string, args []string) int {
	switch name {
	case "daemon":
		return helpDaemon(args)
	case "hold":
		return helpHold()
	case "lower":
		return helpLower(args)
	case "fds":
		return helpFDs()
	case "boot":
		return helpBoot(args)
	case "deafen":
		return helpDeafen(args)
	case "nested":
		return helpNested(args)
	case "root":
		return helpRoot()
	case "tell":
		return helpTell(args)
	case "hog":
		return helpHog(args)
	case "files":
		return helpFiles()
	default:
		fmt.Fprintf(os.Stderr, "no helper is called %q\n", name)
		return 99
	}
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, "helper:", err)
	return 98
}

// again starts a helper with descriptors 3 and 4 handed on, nothing else open, in a session of its own, and an
// environment that is empty.
func again(name string, args ...string) error {
	_, err := syscall.ForkExec(self(), append([]string{self(), "-helper", name}, args...), &syscall.ProcAttr{
		Env:   []string{},
		Files: []uintptr{^uintptr(0), ^uintptr(0), ^uintptr(0), 3, 4},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	return err
}

// helpDaemon becomes a daemon by the given number of forks and ends; the last one holds.
func helpDaemon(args []string) int {
	n, _ := strconv.Atoi(args[0])
	var err error
	if n > 1 {
		err = again("daemon", strconv.Itoa(n-1))
	} else {
		err = again("hold")
	}
	if err != nil {
		return failed(err)
	}
	return 0
}

// helpHold says its pid on 3 and waits for the end of 4.
func helpHold() int {
	fmt.Fprintf(os.NewFile(3, "say"), "%d\n", os.Getpid())
	_, _ = os.NewFile(4, "wait").Read(make([]byte, 1))
	return 0
}

// helpLower lowers its own tag to a limit that is nobody's, leaves a child in its process group behind, and ends.
func helpLower(args []string) int {
	hard, _ := strconv.ParseUint(args[0], 10, 64)
	if err := unix.Prlimit(0, unix.RLIMIT_RTTIME, &unix.Rlimit{Cur: hard, Max: hard}, nil); err != nil {
		return failed(err)
	}
	_, err := syscall.ForkExec(self(), []string{self(), "-helper", "hold"}, &syscall.ProcAttr{
		Files: []uintptr{^uintptr(0), ^uintptr(0), 2, 3, 4},
	})
	if err != nil {
		return failed(err)
	}
	return 0
}

// helpFDs lists the descriptors from 3 on that it was started with.
func helpFDs() int {
	var open []string
	for fd := 3; fd < 1024; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			open = append(open, strconv.Itoa(fd))
		}
	}
	fmt.Printf("descriptors: %s\n", strings.Join(open, " "))
	return 0
}

// helpBoot boots as lastout does and starts a program as its child, whose output is its own.
func helpBoot(args []string) int {
	Boot(os.Getpid() == 1)
	over := make(chan struct{})
	r, err := New(Options{Name: "boot", NoCgroup: true, Notify: func(e Event) {
		if _, ok := e.(Empty); ok {
			close(over)
		}
	}})
	if err != nil {
		return failed(err)
	}
	s := NewSpawner()
	s.Do(func() {
		files := []*os.File{nil, os.Stdout, os.Stderr}
		if err := r.Start(Spec{Run: 1, Name: "child", Argv: args, Env: os.Environ(), Files: files}); err != nil {
			os.Exit(failed(err))
		}
	})
	s.Serve(over)
	if err := r.Close(); err != nil {
		return failed(err)
	}
	return 0
}

// helpDeafen executes a program with those signals ignored that a shell cannot name.
func helpDeafen(args []string) int {
	action := [8]uint64{1} // SIG_IGN
	for s := range uncatchable {
		_, _, no := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
		if no != 0 {
			return failed(no)
		}
	}
	return failed(syscall.Exec(args[0], args, os.Environ()))
}

// helpNested supervises a child of its own, which leaves a daemon behind, says whose that is, and waits for the end of
// 4, or to be killed.
func helpNested(args []string) int {
	run, _ := strconv.ParseUint(args[0], 10, 64)
	say := os.NewFile(3, "say")
	r, err := New(Options{Name: "nested", NoCgroup: true, Notify: func(Event) {}})
	if err != nil {
		return failed(err)
	}
	fromDaemon, toUs, err := os.Pipe()
	if err != nil {
		return failed(err)
	}
	s := NewSpawner()
	s.Do(func() {
		err := r.Start(Spec{
			Run: run, Name: "child", Argv: []string{self(), "-helper", "daemon", "2"},
			Files: []*os.File{nil, nil, os.Stderr, toUs, os.NewFile(4, "wait")},
		})
		if err != nil {
			os.Exit(failed(err))
		}
		toUs.Close()
	})
	stop := make(chan struct{})
	go s.Serve(stop)
	line, err := bufio.NewReader(fromDaemon).ReadString('\n')
	if err != nil {
		return failed(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(line))
	owner, _ := r.Owner(pid)
	fmt.Fprintf(say, "%d %d %v\n", pid, owner, r.Capabilities().Nested)
	_, _ = os.NewFile(4, "wait").Read(make([]byte, 1))
	return 0
}

// helpRoot is a setuid program: it becomes root for good, says so, and holds.
func helpRoot() int {
	if err := syscall.Setresuid(0, 0, 0); err != nil {
		return failed(err)
	}
	return helpHold()
}

// helpHog wants so many MiB of memory, says so, and waits for the end of 4.
func helpHog(args []string) int {
	n, _ := strconv.Atoi(args[0])
	all := make([]byte, n<<20)
	for i := 0; i < len(all); i += 4096 {
		all[i] = 1
	}
	fmt.Fprintf(os.NewFile(3, "say"), "%d\n", len(all))
	_, _ = os.NewFile(4, "wait").Read(make([]byte, 1))
	return 0
}

// helpTell sends its arguments as one datagram to the address in NOTIFY_SOCKET, with a descriptor along where 3 is
// open.
func helpTell(args []string) int {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return failed(err)
	}
	var oob []byte
	if _, err := unix.FcntlInt(3, unix.F_GETFD, 0); err == nil {
		oob = unix.UnixRights(3)
	}
	to := &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")}
	if err := unix.Sendmsg(fd, []byte(strings.Join(args, "\n")), oob, to, 0); err != nil {
		return failed(err)
	}
	return 0
}

// helpFiles says the soft limit of open files that it was started with, before Go raised its own.
func helpFiles() int {
	err := syscall.Exec("/bin/sh", []string{"sh", "-c", "ulimit -Sn"}, os.Environ())
	return failed(err)
}
