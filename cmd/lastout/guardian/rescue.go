package guardian

import (
	"os"
	"strconv"
	"syscall"

	"lastout/cmd/lastout/bare"
)

const (
	// RescueVariable tells `lastout run` the descriptor of the register of a master that has died: its processes are
	// this process's children now.
	RescueVariable = "LASTOUT_RESCUE"
	// ExitVariable tells it the exit code that the death makes.
	ExitVariable = "LASTOUT_RESCUE_EXIT"
	// leftVariable tells another build the descriptor of the signals that came, and which are meant for the program.
	leftVariable = "LASTOUT_GUARDIAN_LEFT"
)

// announce tells the rest of the program, or the program that is executed, what there is to do.
func (g *stage) announce() {
	_ = syscall.Setenv(RescueVariable, strconv.Itoa(g.Register))
	_ = syscall.Setenv(ExitVariable, strconv.Itoa(g.code()))
}

// succeed executes the build that the master had become. Should that fail, this one does what it can.
//
// The signals that come until that has taken them are held back by this thread, which is the one that goes on. TERM and
// QUIT end a Go program that has not come so far (the runtime unblocks them), within its first millisecond.
func (g *stage) succeed() {
	bare.Block(mask(g.Take))
	text := leftVariable + "=" + strconv.Itoa(g.in.Leave()) + ";" + numbers(g.Take)
	_, _, _ = syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(g.Register), syscall.F_SETFD, 0)
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} { // these Go leaves ignored
		g.in.Ignore(s)
	}
	err := syscall.Exec(g.binary, os.Args, append(syscall.Environ(), text))
	bare.Say(2, "lastout: guardian: cannot execute "+g.binary+": "+err.Error()+"\n")
	g.in.CatchIgnored()
	bare.Unblock(mask(g.Take))
}

func mask(all []syscall.Signal) (mask uint64) {
	for _, s := range all {
		mask |= 1 << (s - 1)
	}
	return mask
}

// takeUp takes the signals over from the build that was executed before in this process.
func takeUp(text string) *stage {
	fd, rest, _ := cut(text, ';')
	take, ok := signals(rest)
	n, err := strconv.Atoi(fd)
	if !ok || err != nil {
		return nil
	}
	g := &stage{}
	if g.in, err = bare.Catch(take); err != nil {
		fail("cannot take signals: " + err.Error())
	}
	g.in.CatchIgnored()
	bare.Unblock(mask(take))
	for _, r := range bare.Rest(n) {
		g.Pending = append(g.Pending, r.Signal())
	}
	return g
}

// HandBack ends what a guardian does with signals, when the rest of the program takes them already, and returns those
// that came before. Where there was no guardian, those are the ones that came before anybody took signals.
func HandBack() []syscall.Signal {
	if left == nil {
		return bare.Came()
	}
	for _, r := range left.in.GiveBack() {
		if len(left.Pending) < 64 && r.Signal() != syscall.SIGCHLD {
			left.Pending = append(left.Pending, r.Signal())
		}
	}
	pending := left.Pending
	left = nil
	return pending
}
