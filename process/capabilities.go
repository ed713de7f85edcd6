package process

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Capabilities is what was found at start, for the log.
type Capabilities struct {
	Cgroup     string // the folder of our cgroups; empty: trees are told by descent alone
	NoCgroup   string // why there is none
	CgroupKill bool   // cgroup.kill reaches also whom kill(2) may not
	Pidfd      bool   // signals cannot hit a pid that is used again
	Nested     bool   // we were started by a supervisor that tags its runs as we do, or under a limit of RLIMIT_RTTIME
	PID1       bool
	NoProc     string // why there is no /proc; empty: there is one
}

// Capabilities tells what is used here. What clone3 may do shows only at the first child.
func (r *Reaper) Capabilities() Capabilities {
	c := Capabilities{Nested: r.tags.step == 1, PID1: r.proc.own == 1}
	if fd, err := unix.PidfdOpen(r.proc.own, 0); err == nil {
		unix.Close(fd)
		c.Pidfd = true
	}
	if r.proc.missing != nil {
		c.NoProc = r.proc.missing.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.noGroup != nil {
		c.NoCgroup = r.noGroup.Error()
		return c
	}
	c.Cgroup = r.groups.root
	_, err := os.Stat(filepath.Join(c.Cgroup, "cgroup.kill"))
	c.CgroupKill = err == nil
	return c
}
