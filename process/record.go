package process

import (
	"os"

	"golang.org/x/sys/unix"

	"lastout/process/register"
)

// enter puts a run that has begun on record. The lock is held, so that it is not reaped and its pid is its own. One that
// was reaped before that leaves nothing to record but its family, whose marks tell of it.
func (r *Reaper) enter(x *run) {
	if r.record == nil {
		return
	}
	s, err := r.proc.stat(x.pid)
	if err != nil {
		return
	}
	r.record.Live(register.Row{
		Run: x.id, Life: x.life, PID: x.pid, Start: s.start, Name: x.name, Hook: x.hook, Grouped: x.group != "",
		Pipes: x.pipes,
	})
}

// pipesOf are the inodes of the pipes among stdout and stderr.
func pipesOf(files []*os.File) (inodes [2]uint64) {
	for n := range inodes {
		if n+1 < len(files) && files[n+1] != nil {
			inodes[n] = pipeInode(int(files[n+1].Fd()))
		}
	}
	return inodes
}

// pipeInode is that of a pipe; 0: it is none.
func pipeInode(fd int) uint64 {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return 0
	}
	return st.Ino
}

// OpenOutput opens the pipe that stdout (0) or stderr (1) of a main process was when it was begun, for reading, if it is
// that still; nil: it is not, or there was none.
func (r *Reaper) OpenOutput(row *register.Row, which int) *os.File {
	if row.Pipes[which] == 0 || row.Exited {
		return nil
	}
	fd, err := openat(r.proc.dir, itoa(row.PID)+"/fd/"+itoa(which+1), unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil
	}
	if s, err := r.proc.stat(row.PID); err != nil || s.start != row.Start || pipeInode(fd) != row.Pipes[which] {
		unix.Close(fd)
		return nil
	}
	return os.NewFile(uintptr(fd), "|output")
}

// Self is this process as the owner of a register.
func Self() (register.Owner, error) {
	proc := openProc()
	defer proc.close()
	s, err := proc.stat(proc.own)
	if err != nil {
		return register.Owner{}, err
	}
	o := register.Owner{PID: proc.own, Start: s.start}
	boot, err := proc.read("sys/kernel/random/boot_id")
	if err != nil {
		return o, err
	}
	o.Boot = string(trimLine(boot))
	if o.Space, err = os.Readlink("/proc/self/ns/pid"); err != nil {
		o.Space = "unknown" // proc_pid_ns(5): a kernel without PID namespaces
	}
	return o, nil
}

func trimLine(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	return b
}

// Trees is how descendants are told apart, for whoever takes them over.
type Trees struct {
	Root, Path string // of the control groups; empty: there are none
	Inode      uint64 // of that folder: no other one ever has it (cgroups(7))
	Base, Step uint64 // of the tags
	Session    int    // in which everybody is begun
}

// Trees tells it.
func (r *Reaper) Trees() Trees {
	t := Trees{Base: r.tags.base, Step: r.tags.step}
	t.Session, _ = unix.Getsid(0) // it cannot fail for ourselves: getsid(2)
	if g := r.grouped(); g != nil {
		t.Root, t.Path, t.Inode = g.root, g.path, inodeOf(g.root)
	}
	return t
}

// inodeOf is that of a folder; 0: there is none.
func inodeOf(dir string) uint64 {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return 0
	}
	return st.Ino
}
