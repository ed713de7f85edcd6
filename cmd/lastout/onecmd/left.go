package onecmd

import (
	"syscall"
	"time"

	"lastout/process/signame"
)

// left is what is known of those whom the command left behind.
type left struct {
	since time.Time    // the command is reaped
	until time.Time    // they may stay; zero: they were not told yet
	told  map[int]bool // whom the last signal was sent to
	last  syscall.Signal
	named bool // it was said for whom we wait
	dying bool // they got SIGKILL
}

const (
	// killPatience is for how long whoever got SIGKILL is waited for.
	killPatience = time.Second
	// lateGrace is what they have where the command used up all of the grace itself, or we were told again to leave.
	lateGrace = time.Second
	// sayAfter is after what time of waiting it is said for whom.
	sayAfter = time.Second
)

// beforeReap is called when the command has ended and is still a zombie, so that the number of its group is still taken.
func (k *keeper) beforeReap() {
	if k.adopt && k.home != ourGroup && syscall.Getpid() != 1 {
		_ = syscall.Kill(-k.pid, k.farewell())
		_ = syscall.Kill(-k.pid, syscall.SIGCONT)
	}
	k.tty.takeBack(k.pid)
}

// farewell is the signal by which those who are left are told: SIGTERM, or what that is rewritten to.
func (k *keeper) farewell() syscall.Signal {
	if s := k.rewrite[syscall.SIGTERM]; s != 0 {
		return s
	}
	return syscall.SIGTERM
}

// settle decides, when nobody is to be reaped, how to go on with those who are left. It says whether we are done.
func (k *keeper) settle() (done bool) {
	if k.pid != 0 {
		return false
	}
	now := time.Now()
	switch {
	case !k.adopt:
		return true // they are not ours
	case k.left.until.IsZero():
		k.left.until = k.deadline()
		k.tell(k.farewell())
	case now.Before(k.left.until):
		k.reach()
		k.sayWhom(now)
	case !k.left.dying:
		k.warn("kills " + k.names())
		k.left.dying, k.left.until = true, now.Add(killPatience)
		k.tell(syscall.SIGKILL)
	default:
		k.warn("leaves without " + k.names())
		return true
	}
	return false
}

// deadline is until when those who are left may stay: the grace counts from the first signal that asked to leave, if
// there was one.
func (k *keeper) deadline() time.Time {
	within := Within(k.grace)
	if k.asked.IsZero() {
		return k.left.since.Add(within)
	}
	end, least := k.asked.Add(within), k.left.since.Add(min(within, lateGrace))
	if end.Before(least) {
		return least
	}
	return end
}

// patience is for how long to wait for signals; negative: for ever.
func (k *keeper) patience() time.Duration {
	if k.left.until.IsZero() {
		return -1
	}
	next := k.left.until
	if say := k.left.since.Add(sayAfter); !k.left.named && say.Before(next) {
		next = say
	}
	return max(time.Until(next), 0)
}

// hurry takes a signal that comes when the command has ended: to be asked again to leave shortens the wait.
func (k *keeper) hurry(s syscall.Signal) {
	to := k.rewrite[s]
	if to == 0 || !asksToLeave(s, to) || k.left.dying {
		k.note(2, "drops "+signame.Of(s)+": the command has ended")
		return
	}
	if soon := time.Now().Add(lateGrace); soon.Before(k.left.until) {
		k.left.until = soon
	}
	k.tell(to)
}

// sayWhom says for whom we wait, once it takes long.
func (k *keeper) sayWhom(now time.Time) {
	if k.left.named || now.Before(k.left.since.Add(sayAfter)) {
		return
	}
	k.left.named = true
	if !k.left.dying {
		k.warn("waits " + k.left.until.Sub(now).Round(100*time.Millisecond).String() + " more for " + k.names())
	}
}
