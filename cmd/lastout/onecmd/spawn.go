package onecmd

import (
	"syscall"

	"lastout/cmd/lastout/bare"
)

// spawn starts the command and returns when its program runs, or why it does not.
func (k *keeper) spawn() syscall.Errno {
	sys := &syscall.SysProcAttr{}
	switch k.home {
	case ownGroup:
		sys.Setpgid = true
	case ownSession:
		sys.Setsid = true
		sys.Setctty = k.tty.release() // it would be descriptor 0
	case ourGroup:
	}
	if k.parentDeath == syscall.SIGKILL {
		sys.Pdeathsig = syscall.SIGKILL
	}
	attr := &syscall.ProcAttr{Env: k.env, Files: []uintptr{0, 1, 2}, Sys: sys}
	return k.search(func(file string) syscall.Errno {
		pid, err := bare.Start(file, k.argv, attr)
		if err == syscall.ENOEXEC { // no "#!" line: a shell's script
			script := append([]string{"sh", file}, k.argv[1:]...)
			pid, err = bare.Start("/bin/sh", script, attr)
		}
		if err != nil {
			return errnoOf(err)
		}
		k.pid = pid
		return 0
	})
}

func errnoOf(err error) syscall.Errno {
	if no, ok := err.(syscall.Errno); ok {
		return no
	}
	return syscall.EINVAL // a NUL byte in an argument
}

// search tries the files that the command's name may mean, as execvp(3) does: a name without a slash is looked for in
// PATH, and one that may not be executed does not hide a later one that may.
func (k *keeper) search(try func(file string) syscall.Errno) syscall.Errno {
	name := k.argv[0]
	if name == "" {
		return syscall.ENOENT
	}
	if hasSlash(name) {
		return try(name)
	}
	path, ok := k.getenv("PATH")
	if !ok {
		path = "/bin:/usr/bin"
	}
	result := syscall.ENOENT
	for more := true; more; {
		var dir string
		dir, path, more = cut(path, ':')
		if dir == "" {
			dir = "."
		}
		file := dir + "/" + name
		err := executable(file)
		if err == 0 {
			err = try(file)
		}
		switch err {
		case syscall.ENOENT, syscall.ENOTDIR, syscall.ESTALE, syscall.ENODEV, syscall.ETIMEDOUT, syscall.ENAMETOOLONG:
		case syscall.EACCES:
			result = err
		default:
			return err // 0 too
		}
	}
	return result
}

// executable says why exec would refuse a file at once, so that no process is forked in vain.
func executable(file string) syscall.Errno {
	var st syscall.Stat_t
	if err := syscall.Stat(file, &st); err != nil {
		return errnoOf(err)
	}
	if st.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		return syscall.EACCES
	}
	if err := syscall.Faccessat(atCWD, file, mayExecute, atEffective); err != nil {
		return errnoOf(err)
	}
	return 0
}
