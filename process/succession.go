package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A succession is an exec (execve(2)) by which another program goes on in this process, with its children, its
// descriptors and its state. The state is in a memory file (memfd_create(2)) that is sealed: nobody can change it.

// seals are those that a state has.
const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// SealState puts a state into a memory file. Kernels from 6.3 on are told that nobody will execute it.
func SealState(state []byte) (*os.File, error) {
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("lastout state", flags|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate("lastout state", flags)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot make a memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "state")
	_, err = f.Write(state)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot seal the state: %w", err)
	}
	return f, nil
}

// ReadState reads what SealState wrote, in the program that goes on, and closes the descriptor.
func ReadState(fd int) ([]byte, error) {
	got, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || got&seals != seals {
		return nil, errors.New("cannot read the state: its file is not sealed")
	}
	f := os.NewFile(uintptr(fd), "state")
	defer f.Close()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("cannot read the state: %w", err)
	}
	return io.ReadAll(f)
}

// Succeed executes another program in this process, with these descriptors kept open. It returns only when that failed;
// then all is as it was. It is called on the thread that is the children's parent: an exec ends all others, and the
// parent-death signals of what they had started would come.
func Succeed(path string, argv, env []string, fds []int) error {
	for _, fd := range fds {
		if err := setCloseOnExec(fd, false); err != nil {
			return fmt.Errorf("cannot hand descriptor %d on: %w", fd, err)
		}
	}
	err := syscall.Exec(path, argv, env)
	for _, fd := range fds {
		_ = setCloseOnExec(fd, true)
	}
	return fmt.Errorf("exec %s: %w", path, err)
}

func setCloseOnExec(fd int, on bool) error {
	flags := 0
	if on {
		flags = unix.FD_CLOEXEC
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, flags)
	return err
}

// Hold returns the signals that have come and were not taken, and has those that come from now on ignored, over an exec
// too, until Release: else one would end the next program before it can listen. It is the last thing before an exec. What
// it cannot help is TERM between the begin of the next program's Go runtime, which always catches it, and its Boot.
func (b *Booted) Hold() (pending []syscall.Signal) {
	// Stop returns when all that the runtime has caught are in their channels.
	last := make(chan os.Signal, cap(b.Signals))
	signal.Notify(last, b.meant...)
	signal.Stop(last)
	pending = b.come()
	signal.Ignore(b.meant...)
	return pending
}

// come takes the signals that have come.
func (b *Booted) come() (pending []syscall.Signal) {
	for {
		select {
		case s := <-b.Signals:
			pending = append(pending, s.(syscall.Signal))
		default:
			return pending
		}
	}
}

// Meant are the signals that are meant for the program.
func (b *Booted) Meant() (all []syscall.Signal) {
	for _, s := range b.meant {
		all = append(all, s.(syscall.Signal))
	}
	return all
}

// Yield executes another program in this process, which was started a moment ago and has no children yet, and returns
// only when that failed. The program gets the descriptors that this one was started with, and fds. entry makes an entry
// of its environment of the signals that have come. Those that come from then on are the caller's to catch.
func (b *Booted) Yield(path string, fds []int, entry func(pending []syscall.Signal) string) error {
	signal.Stop(b.Signals)
	pending := b.come()
	err := Succeed(path, os.Args, append(os.Environ(), entry(pending)), append(fds, b.inherited...))
	b.Release(pending)
	return err
}

// Release ends a Hold.
func (b *Booted) Release(pending []syscall.Signal) {
	b.Again(pending)
	signal.Notify(b.Signals, b.meant...)
}

// Again has signals come as if they came just now, those that are meant for the program. It does not wait: where there is
// no room, as many wait already as there can be meant at once.
func (b *Booted) Again(pending []syscall.Signal) {
	for _, s := range pending {
		if !slices.Contains(b.meant, os.Signal(s)) {
			continue
		}
		select {
		case b.Signals <- s:
		default:
		}
	}
}

// WithoutVariable is an environment without a variable.
func WithoutVariable(env []string, name string) []string {
	var rest []string
	for _, entry := range env {
		if !strings.HasPrefix(entry, name+"=") {
			rest = append(rest, entry)
		}
	}
	return rest
}
