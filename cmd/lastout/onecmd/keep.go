package onecmd

import (
	"strconv"
	"syscall"
	"time"

	"lastout/cmd/lastout/bare"
	"lastout/process/signame"
)

// keeper keeps one command.
type keeper struct {
	*options
	in      *bare.Signals
	tty     terminal
	pid     int // of the command; 0: not started yet, or reaped
	code    int // its exit code
	asked   time.Time
	stopped bool // we stop, or stopped, because the command did
	bereft  bool // our parent died before the command was started
	left    left
}

// run keeps the command to its end, and returns the exit code. What comes first is to take the signals.
func run(o *options) int {
	in, err := bare.Catch(bare.Catchable())
	if err != nil {
		o.say(o.prefix() + "cannot take signals: " + err.Error())
		return 1
	}
	k := &keeper{options: o, in: in, tty: openTerminal()}
	k.bind()
	if err := k.spawn(); err != 0 {
		k.sayUnstarted(err)
		return o.dialect.execCode(err)
	}
	in.CatchIgnored()
	bare.Unblock(^uint64(0)) // what we were started with is the command's; we hear everything
	blockTerminal()
	if k.home == ownGroup {
		k.tty.give(k.pid)
	}
	k.letGo()
	k.note(1, "runs "+o.argv[0]+" with pid "+strconv.Itoa(k.pid))
	if !bare.Entered() {
		k.note(1, "was built without its entry point (see make build): not all ignored and blocked signals were inherited")
	}
	if k.bereft {
		k.forward(k.parentDeath)
	}
	for !k.reap() {
		k.act(in.Wait(k.patience()))
	}
	return k.code
}

// bind ties us to our parent and to our orphans.
func (k *keeper) bind() {
	if k.parentDeath != 0 {
		parent := syscall.Getppid()
		if err := bare.Prctl(syscall.PR_SET_PDEATHSIG, uintptr(k.parentDeath)); err != 0 {
			k.warn("cannot learn of the parent's death: " + err.Error())
		}
		if syscall.Getppid() != parent {
			k.bereft = true // before the kernel knew that we want to know
		}
	}
	if syscall.Getpid() == 1 {
		k.adopt = k.home != ourGroup
		return
	}
	if !k.adopt && k.home != ourGroup {
		k.warn("not PID 1 and not a subreaper: orphans go to somebody else, and zombie reaping won't work; " +
			"use -s or set TINI_SUBREAPER, or be PID 1")
	}
	if k.adopt {
		if err := bare.Prctl(bare.SetSubreaper, 1); err != 0 {
			k.adopt = false
			k.warn("cannot become a subreaper, so orphans go to somebody else: " + err.Error())
		}
	}
}

// letGo drops what only the command should hold: descriptors that were handed down, and the working directory. Our own
// descriptors, and those of Go's runtime, are closed on exec; they were given the lowest numbers that were free.
func (k *keeper) letGo() {
	_ = syscall.Chdir("/")
	last := max(k.in.Highest(), k.tty.fd) + 16
	for fd := 3; fd <= last; fd++ {
		if !bare.ClosedOnExec(fd) {
			_ = syscall.Close(fd)
		}
	}
	bare.CloseRange(last + 1)
}

func (k *keeper) sayUnstarted(err syscall.Errno) {
	text := err.Error()
	if err == syscall.ENOENT && !hasSlash(k.argv[0]) {
		path, _ := k.getenv("PATH")
		text += " in PATH (" + path + ")"
	}
	k.say(k.prefix() + k.argv[0] + ": " + text)
}

// act does what the signals ask for.
func (k *keeper) act(records []bare.Record) {
	self := int32(syscall.Getpid())
	for _, r := range records {
		switch s := r.Signal(); {
		case r.PID == self && r.Sent():
			// The runtime preempts, the kernel tells of a broken pipe, a terminal is let go: that is about us.
		case s == syscall.SIGCHLD && !r.Sent():
			// Somebody ended. The loop looks anyway, for equal signals are merged.
		case !r.Sent() && k.fromTerminal(s):
		case k.pid == 0:
			k.hurry(s)
		case s == syscall.SIGCONT:
			k.resume()
		default:
			k.forward(s)
		}
	}
}

// fromTerminal says that the terminal sent a signal that is not the command's, or that the command got too.
func (k *keeper) fromTerminal(s syscall.Signal) bool {
	switch s {
	case syscall.SIGTTIN, syscall.SIGTTOU:
		return true
	case syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGWINCH:
		return k.home == ourGroup
	}
	return false
}

// forward passes a signal on.
func (k *keeper) forward(s syscall.Signal) {
	to := k.rewrite[s]
	if to == 0 {
		k.note(2, "drops "+signame.Of(s))
	} else {
		k.note(2, "passes "+signame.Of(s)+" on as "+signame.Of(to))
		k.signal(to, k.group || to == syscall.SIGCONT) // a terminal stops whole groups
		if k.asked.IsZero() && asksToLeave(s, to) {
			k.asked = time.Now()
		}
	}
	if k.suspend && (s == syscall.SIGTSTP || s == syscall.SIGTTIN || s == syscall.SIGTTOU) {
		k.stop()
	}
}

// asksToLeave says that a signal, as it came or as it is passed on, is one by which programs are stopped.
func asksToLeave(came, goes syscall.Signal) bool {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		if s == came || s == goes {
			return true
		}
	}
	return false
}

// signal signals the command, which is not reaped, or its group.
func (k *keeper) signal(s syscall.Signal, group bool) {
	pid := k.pid
	if group && k.home != ourGroup {
		pid = -pid
	}
	if err := syscall.Kill(pid, s); err != nil && err != syscall.ESRCH {
		k.warn("cannot pass " + signame.Of(s) + " on: " + err.Error())
	}
}

// halted is called when the command was stopped by a signal.
func (k *keeper) halted(s syscall.Signal) {
	k.note(2, "was stopped by "+signame.Of(s)+": "+k.argv[0])
	switch s {
	case syscall.SIGTSTP:
	case syscall.SIGTTIN, syscall.SIGTTOU:
		if k.home == ownGroup && (k.tty.foreground() == k.pid || k.tty.give(k.pid)) {
			k.signal(syscall.SIGCONT, true) // it has the terminal now that it reached for
			return
		}
	default:
		return // by somebody's hand, which will continue it too
	}
	k.stop()
}

// stop stops us, for a shell to see, once until we are told to go on. The kernel lets no PID 1 be stopped from within.
func (k *keeper) stop() {
	if k.stopped || syscall.Getpid() == 1 {
		return
	}
	k.stopped = true
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
}

// resume is called when we were continued. Whoever was stopped along with the command goes on with it.
func (k *keeper) resume() {
	if k.home == ownGroup {
		k.tty.give(k.pid)
	}
	if k.stopped {
		k.stopped = false
		k.signal(syscall.SIGCONT, true)
		return
	}
	k.forward(syscall.SIGCONT)
}
