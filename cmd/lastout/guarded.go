package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lastout/cmd/lastout/bare"
	"lastout/cmd/lastout/guardian"
	"lastout/process"
)

// guard is the line to the guardian, which is our parent. A nil one is nobody's.
type guard struct {
	guardian.Master
	conn  *os.File
	dead  chan struct{}  // closed when the guardian is
	halt  chan struct{}  // closed when nothing is to be read any more; nil: nothing is
	rests chan struct{}  // closed when nothing is read
	next  syscall.Signal // that was read and not taken; 0: none. Of the reader, and of whoever has it rest
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
}

// goOn has the signals come that the guardian passes on. It is called when somebody takes them: until then they wait in
// the socket, which has room for more than a channel.
func (g *guard) goOn(boot *process.Booted) {
	if g == nil || g.bereft() {
		return
	}
	_ = g.conn.SetReadDeadline(time.Time{})
	g.halt, g.rests = make(chan struct{}), make(chan struct{})
	go g.read(boot.Signals, g.halt)
}

func (g *guard) read(signals chan<- os.Signal, halt <-chan struct{}) {
	defer close(g.rests)
	for g.next != 0 || g.receive() {
		select {
		case signals <- g.next:
			g.next = 0
		case <-halt:
			return
		}
	}
}

// receive reads the next signal; false: there will be none.
func (g *guard) receive() bool {
	word := make([]byte, 16)
	_, err := g.conn.Read(word)
	if err == nil {
		g.next = syscall.Signal(word[0])
		return true
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		close(g.dead)
	}
	return false
}

// rest has no more signals come; they wait for goOn, in this program or in the next in this process.
func (g *guard) rest() {
	if g != nil && g.halt != nil {
		close(g.halt)
		g.halt = nil
		_ = g.conn.SetReadDeadline(time.Now())
		<-g.rests
	}
}

// unsent adds to signals the one that was read, and that nobody has taken yet.
func (g *guard) unsent(signals []syscall.Signal) []syscall.Signal {
	if g == nil || g.next == 0 {
		return signals
	}
	return append(slices.Clip(signals), g.next)
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
	// Those that come meanwhile go through a pipe to the next program: this thread, the only one that an exec leaves, takes
	// none, for the kernel would drop them if this is PID 1 and nobody catches them.
	meant := p.boot.Meant()
	in, err := bare.Catch(meant)
	if err != nil {
		return fmt.Errorf("cannot take signals: %w", err)
	}
	in.CatchIgnored()
	bare.Block(^uint64(0))
	came := in.Leave()
	err = p.boot.Yield(binary, []int{fd, came}, func(pending []syscall.Signal) string {
		return guardian.Order{Take: meant, Pending: pending, Register: fd, Came: came, Binary: binary}.Variable()
	})
	bare.Unblock(^uint64(0))
	for _, r := range in.GiveBack() {
		p.boot.Again([]syscall.Signal{r.Signal()})
	}
	return err
}
