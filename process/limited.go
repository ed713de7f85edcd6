package process

import (
	"bytes"
	"errors"
	"strconv"
	"syscall"
	"time"

	"lastout/process/cgroup"
)

// limit limits the cgroup of a run, before anybody is in it, and returns what cannot be kept. A group that counts who is
// killed for want of memory is watched, limit or not: the limit may be one above it.
func (r *Reaper) limit(x *run, g *groups, limits *cgroup.Limits) []cgroup.Unkept {
	if x.group == "" {
		if !limits.Any() {
			return nil
		}
		return unkeptAll(limits, r.whyNoGroup())
	}
	unkept := g.domain.Apply(x.group, limits)
	x.memory = g.counts(x.group)
	r.watchMemory(x)
	return unkept
}

func unkeptAll(limits *cgroup.Limits, why error) (unkept []cgroup.Unkept) {
	for _, l := range limits.List() {
		unkept = append(unkept, cgroup.Unkept{Limit: l, Why: why})
	}
	return unkept
}

// tellUnkept says which limits of a run are not kept. The lock is held.
func (r *Reaper) tellUnkept(run uint64, unkept []cgroup.Unkept) {
	for _, u := range unkept {
		r.emit(Unlimited{Run: run, Unkept: u})
	}
}

// whyNoGroup says why a run has no cgroup.
func (r *Reaper) whyNoGroup() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.noGroup != nil {
		return r.noGroup
	}
	return errors.New("the kernel has no control group to spare")
}

func (r *Reaper) watchMemory(x *run) {
	if x.memory && r.watch != nil {
		r.watch.add(cgroup.MemoryEvents(x.group))
	}
}

// readOOM says whether the main process of a run, which has ended, was killed for want of memory, and tells of others
// who were. A SIGKILL of our own is none of the kernel's.
func (r *Reaper) readOOM(x *run) (main OOM, others *OutOfMemory) {
	if !x.memory {
		return NoOOM, nil
	}
	now := cgroup.ReadOOM(x.group)
	r.mu.Lock()
	defer r.mu.Unlock()
	since := now.Since(x.oom)
	if since.Kills == 0 {
		return NoOOM, nil
	}
	x.oom = now
	kind := kindOf(since)
	if !x.told && !x.killing && x.status.Signaled() && x.status.Signal() == syscall.SIGKILL {
		since.Kills--
		main = kind
	}
	if since.Kills > 0 {
		others = &OutOfMemory{Run: x.id, Kills: since.Kills, OOM: kind}
	}
	return main, others
}

func kindOf(since cgroup.OOM) OOM {
	if since.Reached > 0 {
		return OwnOOM
	}
	return OuterOOM
}

// oomPause is between the kernel's word that somebody was killed for want of memory and the look who that was: it counts
// it right before it does it. That its limit was reached it says earlier, so that a look tells of what the one before saw.
const oomPause = 100 * time.Millisecond

// lookSoon has it looked for kills, where there is a run that counts them. The lock is held.
func (r *Reaper) lookSoon() {
	if r.looking || r.closed {
		return
	}
	for _, x := range r.runs {
		if x.memory && !x.exited {
			r.looking = true
			time.AfterFunc(oomPause, r.lookForOOM)
			return
		}
	}
}

// lookForOOM tells of those who were killed while the main process lives on. What the kernel did to a main process that
// is about to end is told with its end.
func (r *Reaper) lookForOOM() {
	r.mu.Lock()
	r.looking = false
	again := false
	for _, x := range r.runs {
		if r.closed || !x.memory || x.exited || x.pid == 0 || x.forgotten {
			continue
		}
		now := cgroup.ReadOOM(x.group)
		if now.Since(x.oom).Kills == 0 || r.proc.dying(x.pid) {
			continue
		}
		if others := x.oomBefore(now); others != nil {
			r.emit(*others)
		}
		again = again || x.oomSeen > x.oom.Kills
	}
	if again {
		r.lookSoon()
	}
	r.mu.Unlock()
	r.deliver()
}

// oomBefore is what is to be told of kills that were counted at the last look already.
func (x *run) oomBefore(now cgroup.OOM) *OutOfMemory {
	seen := cgroup.OOM{Kills: x.oomSeen, Reached: now.Reached}
	x.oomSeen = now.Kills
	since := seen.Since(x.oom)
	if since.Kills == 0 {
		return nil
	}
	x.oom.Kills = seen.Kills
	if seen.Kills == now.Kills {
		x.oom = now
	}
	return &OutOfMemory{Run: x.id, Kills: since.Kills, OOM: kindOf(since)}
}

// dying says whether a process has ended, or has been killed and has not noticed yet (SigPnd of proc_pid_status(5)). That
// is looked at first: when it notices, the signal is pending no more, and from then on it exits.
func (p *procfs) dying(pid int) bool {
	status, err := p.read(itoa(pid) + "/status")
	if err != nil || killPending(status) {
		return true
	}
	s, err := p.stat(pid)
	return err != nil || s.dead() || s.exiting
}

func killPending(status []byte) bool {
	for line := range bytes.Lines(status) {
		value, ok := bytes.CutPrefix(line, []byte("SigPnd:"))
		if !ok {
			continue
		}
		mask, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 16, 64)
		return err == nil && mask&(1<<(syscall.SIGKILL-1)) != 0
	}
	return false
}
