package onecmd

import (
	"os"
	"strconv"
	"syscall"
)

// tell sends everybody who is left a signal: our children, and all below them. One who is frozen is woken up, to hear it.
// As PID 1 we can reach all at one moment, in which nobody can fork; that is for SIGKILL, and for a world without /proc.
func (k *keeper) tell(s syscall.Signal) {
	k.left.last, k.left.told = s, map[int]bool{}
	if syscall.Getpid() == 1 && (s == syscall.SIGKILL || len(ours()) == 0) {
		_ = syscall.Kill(-1, s)
		_ = syscall.Kill(-1, syscall.SIGCONT)
	}
	k.reach()
}

// reach sends the last signal to those who did not get it yet. Each gets it before his own children are listed: with
// SIGKILL pending he has no more of them. Who is born later becomes our child when his parent is gone, and is found
// then, for this is called after each reap.
func (k *keeper) reach() {
	todo := ours()
	for len(todo) > 0 {
		pid := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if k.left.told[pid] {
			continue
		}
		k.left.told[pid] = true
		_ = syscall.Kill(pid, k.left.last)
		_ = syscall.Kill(pid, syscall.SIGCONT)
		todo = append(todo, children(strconv.Itoa(pid))...)
	}
}

// names lists who is left, as far as /proc shows.
func (k *keeper) names() string {
	const most = 5
	all := ours()
	if len(all) == 0 {
		return "somebody whom /proc does not show"
	}
	text := ""
	for i, pid := range all {
		if i == most {
			return text + " and " + strconv.Itoa(len(all)-most) + " more"
		}
		if i > 0 {
			text += ", "
		}
		comm, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
		line, _, _ := cut(string(comm), '\n')
		text += line + " (" + strconv.Itoa(pid) + ")"
	}
	return text
}

// ours lists our children. Nobody is found where there is no /proc, or that of another PID namespace.
func ours() []int {
	var name [16]byte
	pid := strconv.Itoa(syscall.Getpid())
	if n, err := syscall.Readlink("/proc/self", name[:]); err != nil || string(name[:n]) != pid {
		return nil
	}
	return children(pid)
}

// children lists the children of a process (proc_pid_task(5)).
func children(pid string) []int {
	dir := "/proc/" + pid + "/task/"
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var all []int
	for _, t := range tasks {
		text, _ := os.ReadFile(dir + t.Name() + "/children") // or that thread has ended
		for field, rest, more := cut(string(text), ' '); more; field, rest, more = cut(rest, ' ') {
			if n, err := strconv.Atoi(field); err == nil {
				all = append(all, n)
			}
		}
	}
	return all
}
