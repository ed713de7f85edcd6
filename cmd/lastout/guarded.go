package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lastout/cmd/lastout/guardian"
	"lastout/process"
)

// guard is the line to the guardian, which is our parent. A nil one is nobody's.
type guard struct {
	guardian.Master
	conn  *os.File
	dead  chan struct{} // closed when the guardian is
	rests chan struct{} // closed when nothing is read
}

// openGuard finds the guardian by the environment. What the service manager meant for the process that it had started is
// meant for us.
func openGuard() *guard {
	m, ok := guardian.ParseMaster(os.Getenv(guardian.MasterVariable))
	_ = os.Unsetenv(guardian.MasterVariable)
	if kind, err := unix.GetsockoptInt(m.FD, unix.SOL_SOCKET, unix.SO_TYPE); !ok || err != nil || kind != unix.SOCK_SEQPACKET {
		return nil
	}
	parent, own := strconv.Itoa(os.Getppid()), strconv.Itoa(os.Getpid())
	for _, name := range []string{"LISTEN_PID", "WATCHDOG_PID"} {
		if os.Getenv(name) == parent {
			_ = os.Setenv(name, own)
		}
	}
	return &guard{Master: m, conn: os.NewFile(uintptr(m.FD), "guardian"), dead: make(chan struct{})}
}

// first says whether this is PID 1, or stands in for it.
func (p *program) first() bool { return os.Getpid() == 1 || p.guard != nil && p.guard.First }

// takeSignals is the first act of run.
func (p *program) takeSignals() {
	p.guard = openGuard()
	p.boot = process.Boot(p.first())
	p.boot.Again(guardian.HandBack())
	p.guard.goOn(p.boot)
}

// goOn has the signals come that the guardian passes on.
func (g *guard) goOn(boot *process.Booted) {
	if g == nil || g.bereft() {
		return
	}
	_ = g.conn.SetReadDeadline(time.Time{})
	g.rests = make(chan struct{})
	go g.read(boot.Signals)
}

func (g *guard) read(signals chan<- os.Signal) {
	defer close(g.rests)
	word := make([]byte, 16)
	for {
		_, err := g.conn.Read(word)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return
		case err != nil:
			close(g.dead)
			return
		}
		select {
		case signals <- syscall.Signal(word[0]):
		default: // there are so many of them that each was there already
		}
	}
}

// rest has no more signals come; they wait for goOn, in this program or in the next in this process.
func (g *guard) rest() {
	if g != nil {
		_ = g.conn.SetReadDeadline(time.Now())
		<-g.rests
	}
}

// bereft says that the guardian is dead.
func (g *guard) bereft() bool {
	select {
	case <-g.dead:
		return true
	default:
		return false
	}
}

// died is closed when the guardian is dead.
func (g *guard) died() <-chan struct{} {
	if g == nil {
		return nil
	}
	return g.dead
}

// tell says a word. It does not wait: a guardian that does not read at all is none.
func (g *guard) tell(word []byte) error {
	if g == nil {
		return nil
	}
	return unix.Send(g.FD, word, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

// handOn is what a successor needs: a descriptor, and an entry of the environment.
func (g *guard) handOn(fds []int, env []string) ([]int, []string) {
	if g == nil {
		return fds, env
	}
	return append(fds, g.FD), append(env, g.Variable())
}

// becomeGuardian makes this process the guardian of another lastout, which is started with all that this one was. It
// returns only when that failed.
func (p *program) becomeGuardian() error {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot tell which binary runs: %w", err)
	}
	fd, err := unix.MemfdCreate("lastout register", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("cannot make a memory file: %w", err)
	}
	defer unix.Close(fd)
	return p.boot.Yield(binary, []int{fd}, func(meant, pending []syscall.Signal) string {
		return guardian.Order{Take: meant, Pending: pending, Register: fd, Binary: binary}.Variable()
	})
}
