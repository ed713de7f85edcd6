package process

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"lastout/process/cgroup"
	"lastout/process/register"
)

// Legacy is what another supervisor has left.
type Legacy struct {
	Trees
	Highest uint64 // the highest run number it gave out
	Rows    []register.Row
}

// StatusUnknown is the status of a main process that ended unseen by us: another one reaped it.
const StatusUnknown = ^syscall.WaitStatus(0)

// Adopt is New for what another supervisor left, which was a child of this process: what it left are our own children
// by now. Each run brings its Exited and Empty, also where nothing of it lives any more.
func Adopt(o Options, l Legacy) (*Reaper, error) {
	r, err := newHere(o)
	if err != nil {
		return nil, err
	}
	if l.Root != "" {
		r.groups, r.proven = &groups{root: l.Root, path: l.Path}, true
		r.groups.domain = domainOf(r.proc, filepath.Dir(l.Root), l.Root, cgroup.Found(l.Root))
		r.watch = newGroupWatch(r.groupChanged)
	} else {
		r.noGroup = errors.New("the tree that is left had none")
	}
	// The last child may have been forked and not be on record: it carries the next number.
	r.highest = l.Highest + 1
	for i := range l.Rows {
		r.adoptRun(&l.Rows[i], l.Trees)
	}
	r.run()
	return r, nil
}

// adoptRun takes up a run. Its main process is one of our children, or was reaped by another one.
func (r *Reaper) adoptRun(row *register.Row, t Trees) {
	x := &run{id: row.Run, name: row.Name, life: row.Life, hook: row.Hook, pid: row.PID, pidfd: -1, group: t.group(row)}
	r.runs[x.id] = x
	s, err := r.proc.stat(x.pid)
	if !row.Exited && err == nil && s.start == row.Start && s.ppid == r.proc.own {
		if fd, err := unix.PidfdOpen(x.pid, 0); err == nil {
			x.pidfd = fd
		}
		r.leaders[x.pid] = x
		return
	}
	x.exited, x.status = true, StatusUnknown
	r.pending[x.id] = x
	r.mark(x)
}

// group is the cgroup of a run.
func (t Trees) group(row *register.Row) string {
	if !row.Grouped || t.Root == "" {
		return ""
	}
	return filepath.Join(t.Root, groupName(row.Run, row.Name))
}

// groupName is the name of a run's cgroup.
func groupName(run uint64, name string) string {
	return strings.ReplaceAll(name, "/", "-") + "." + strconv.FormatUint(run, 10)
}
