package process

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lastout/process/register"
)

// A stranger is a run of a dead supervisor that is no child of ours: somebody else reaps it, and its main process is
// watched by its pidfd. Its tree is known by what cannot be mistaken: who was begun in the register, by pid and start
// time; the members of its cgroup; everybody below one of these; and who is in its process group and carries its tag.
// Who was seen once is followed by pid and start time, whoever becomes his parent.

// strange is what is known of a stranger.
type strange struct {
	trees Trees
	start uint64 // of the main process
	met   map[identity]bool
}

// strangerLook is between two looks whether the rest of a tree is gone, whose main process is: no pidfd tells it.
const strangerLook = 50 // ms

// AdoptStrangers is New for what another supervisor left that is nobody of ours. It returns how many of the runs live, or
// processes of none of them, and nothing else where there is nobody.
func AdoptStrangers(o Options, l Legacy) (r *Reaper, living int, err error) {
	if r, err = newHere(o); err != nil {
		return nil, 0, err
	}
	r.noGroup = fmt.Errorf("they are those of another supervisor")
	r.highest = l.Highest + 1
	if l.Root != "" && inodeOf(l.Root) == l.Inode {
		r.left = l.Root
	} else {
		l.Root = ""
	}
	all := r.everybody()
	for i := range l.Rows {
		if lives, err := r.adoptStranger(&l.Rows[i], l.Trees, all); err != nil {
			r.letGo()
			return nil, 0, err
		} else if lives {
			living++
		}
	}
	if living += len(r.strangeStrays()); living == 0 {
		if r.left != "" {
			removeLeft(r.proc, r.left)
		}
		r.letGo()
		return nil, 0, nil
	}
	r.watch = newGroupWatch(r.groupChanged)
	r.run()
	r.watchers.Go(r.watchStrangers)
	return r, living, nil
}

// letGo gives back what a reaper holds that did not begin.
func (r *Reaper) letGo() {
	for _, x := range r.runs {
		x.closePidfd()
	}
	r.null.Close()
	r.proc.close()
}

// adoptStranger takes up a run, and says whether anybody of it lives. A process is ours to end only by a pidfd that was
// opened before its start time was compared.
func (r *Reaper) adoptStranger(row *register.Row, t Trees, all map[int]stat) (lives bool, err error) {
	x := &run{
		id: row.Run, name: row.Name, life: row.Life, hook: row.Hook, pid: row.PID, pidfd: -1, group: t.group(row),
		strange: &strange{trees: t, start: row.Start, met: map[identity]bool{}},
	}
	r.runs[x.id] = x
	fd, err := unix.PidfdOpen(x.pid, 0)
	if err == nil {
		x.pidfd = fd
	} else if err != unix.ESRCH && err != unix.EINVAL {
		return false, fmt.Errorf("cannot watch over pid %d: pidfd_open: %w", x.pid, err)
	}
	s, failed := r.proc.stat(x.pid)
	if x.pidfd < 0 || failed != nil || s.start != row.Start || s.dead() {
		x.closePidfd()
		x.exited, x.status = true, StatusUnknown
		r.pending[x.id] = x
		r.mark(x)
	}
	return len(r.strangers(x, all)) > 0, nil
}

// everybody lists all processes but the dead and our own children.
func (r *Reaper) everybody() map[int]stat {
	names, _ := r.proc.names(".")
	all := make(map[int]stat, len(names))
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil || pid == r.proc.own {
			continue
		}
		if s, err := r.proc.stat(pid); err == nil && !s.dead() && s.ppid != r.proc.own {
			all[pid] = s
		}
	}
	return all
}

// everybodyTwice lists all who were seen in one of two looks, where one of the runs is a stranger. Who forks while we look,
// and ends, may be missed with his child in a single one; whoever has ended since the first is no longer seen in the next
// settling.
func (r *Reaper) everybodyTwice(runs []*run) map[int]stat {
	if !slices.ContainsFunc(runs, func(x *run) bool { return x.strange != nil }) {
		return nil
	}
	all := r.everybody()
	maps.Copy(all, r.everybody())
	return all
}

// strangers lists who lives of the tree of a stranger, its main process first.
func (r *Reaper) strangers(x *run, all map[int]stat) []int {
	in := map[int]bool{}
	for _, pid := range r.groupOfStranger(x) {
		in[pid] = true
	}
	// A number that is a pid anew was free before: nobody was left of the old process group.
	main, taken := all[x.pid]
	anew := taken && main.start != x.strange.start
	for pid, s := range all {
		switch id := (identity{pid, s.start}); {
		case id == identity{x.pid, x.strange.start}, x.strange.met[id],
			!anew && s.pgid == x.pid && r.tagged(x, s):
			in[pid] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for pid, s := range all {
			if !in[pid] && in[s.ppid] {
				in[pid], grown = true, true
			}
		}
	}
	var pids []int
	for pid := range in {
		if s, ok := all[pid]; ok {
			x.strange.met[identity{pid, s.start}] = true
			pids = append(pids, pid)
		}
	}
	slices.SortFunc(pids, func(a, b int) int {
		if a == x.pid || b == x.pid {
			return map[bool]int{true: -1, false: 1}[a == x.pid]
		}
		return a - b
	})
	return pids
}

func (r *Reaper) groupOfStranger(x *run) []int {
	if x.group == "" {
		return nil
	}
	return groupMembers(x.group)
}

// tagged says whether a process carries the tag of a stranger, is no older than it, and is in the session that its
// supervisor was in. The number of a process group stays taken as long as anybody is in it, and it is in one session;
// with the tag that tells that it is still the same one.
func (r *Reaper) tagged(x *run, s stat) bool {
	if sid, err := unix.Getsid(s.pid); s.start < x.strange.start || err != nil || sid != x.strange.trees.Session {
		return false
	}
	b, err := r.proc.read(itoa(s.pid) + "/limits")
	if err != nil {
		return false
	}
	hard, ok := hardRTTime(b)
	t := x.strange.trees
	return ok && t.Step > 0 && hard <= t.Base && (t.Base-hard)/t.Step == x.id && (t.Base-hard)%t.Step == 0
}

// watchStrangers learns of the ends of main processes by their pidfds, and has the trees of those that have ended looked
// at now and then, until the reaper stops.
func (r *Reaper) watchStrangers() {
	for {
		select {
		case <-r.stop:
			return
		default:
		}
		polls, runs := r.strangersToPoll()
		_, _ = unix.Poll(polls, strangerLook) // the time that it takes where there is nobody, too
		r.mu.Lock()
		for i, p := range polls {
			if x := runs[i]; p.Revents != 0 && !x.exited {
				x.status = StatusUnknown
				r.leaderEnded(x, StatusUnknown)
			}
		}
		for _, x := range r.pending {
			if x.strange != nil {
				r.mark(x)
			}
		}
		if r.sweep != nil {
			r.sweep.dirty = true
		}
		r.mu.Unlock()
		r.poke()
	}
}

// strangeStrays lists the strangers that belong to no living run: who is in a cgroup that the dead supervisor made for
// a run that is gone or was given up, and who is left of one that was given up. The lock is held, or nobody else is there.
func (r *Reaper) strangeStrays() (pids []int) {
	var given []*run
	for _, x := range r.runs {
		if x.strange != nil && x.forgotten {
			given = append(given, x)
		}
	}
	all := r.everybodyTwice(given)
	for _, x := range given {
		pids = append(pids, r.strangers(x, all)...)
	}
	if r.left == "" {
		return pids
	}
	dirs, _ := os.ReadDir(r.left)
	for _, d := range dirs {
		name := d.Name()
		id, err := strconv.ParseUint(name[strings.LastIndexByte(name, '.')+1:], 10, 64)
		if err != nil || !d.IsDir() || r.runs[id] != nil && !r.runs[id].forgotten {
			continue
		}
		pids = append(pids, groupMembers(filepath.Join(r.left, name))...)
	}
	return pids
}

func (r *Reaper) strangersToPoll() (polls []unix.PollFd, runs []*run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.runs {
		if x.strange != nil && !x.exited && x.pidfd >= 0 {
			polls, runs = append(polls, unix.PollFd{Fd: int32(x.pidfd), Events: unix.POLLIN}), append(runs, x)
		}
	}
	return polls, runs
}
