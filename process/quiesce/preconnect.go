package quiesce

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"lastout/process/sockdiag"
)

// Preconnect is a connection of a program that never carried a byte towards it. Its program may have it open (PID and
// its descriptor, or -1 where only the inode is known). The cookie is that of sock_diag(7), 0 where it is not known.
type Preconnect struct {
	PID    int
	FD     int
	Inode  uint64
	Local  netip.AddrPort // the program's side
	Remote netip.AddrPort
	Cookie uint64
}

// Ending is how a preconnect was ended.
type Ending uint8

// The endings.
const (
	Kept      Ending = iota // it was not
	Shutdown                // the program reads end of file; a byte that comes late can still be answered
	Destroyed               // the program sees ECONNABORTED and the client a reset
)

func (e Ending) String() string {
	switch e {
	case Kept:
		return "kept"
	case Shutdown:
		return "shut down"
	case Destroyed:
		return "destroyed"
	default:
		return fmt.Sprintf("ending %d", uint8(e))
	}
}

// ErrCarried says that a connection is no preconnect any more.
var ErrCarried = errors.New("it has carried bytes")

// ErrGone says that a connection is not there any more.
var ErrGone = errors.New("it is gone")

// EndPreconnect ends a connection that has not carried a byte, so that a program's own graceful stop does not wait for
// it: by shutdown(2) of the reading side on a duplicate, else, where destroy allows it, by SOCK_DESTROY (sock_diag(7)),
// which wants CAP_NET_ADMIN. The second resets a client whose first byte is on its way, so it is for older connections.
// It looks again right before whether bytes have come. The error says why a way was refused, also where a later one
// did.
func EndPreconnect(p Preconnect, destroy bool) (Ending, error) {
	err := p.shutdown()
	if err == nil {
		return Shutdown, nil
	}
	if errors.Is(err, ErrCarried) || errors.Is(err, ErrGone) || !destroy {
		return Kept, fmt.Errorf("cannot end the preconnect of %s: %w", p.Remote, err)
	}
	if killed := p.destroy(); killed != nil {
		return Kept, fmt.Errorf("cannot end the preconnect of %s: %w", p.Remote, errors.Join(err, killed))
	}
	return Destroyed, err
}

func (p Preconnect) shutdown() error {
	if p.PID == 0 {
		return ErrNoDuplicate
	}
	pidfd, err := sockdiag.OpenProcess(p.PID)
	if err == unix.ESRCH {
		return ErrGone
	}
	if err != nil {
		return explain("pidfd_open", err, duplicateWords)
	}
	defer unix.Close(pidfd)
	fd := p.FD
	if fd < 0 {
		if fd, err = descriptor(p.PID, p.Inode); err != nil {
			return err
		}
	}
	dup, err := duplicate(pidfd, fd, p.Inode)
	if errors.Is(err, errOther) || errors.Is(err, unix.EBADF) {
		return ErrGone
	}
	if err != nil {
		return err
	}
	defer unix.Close(dup)
	if err := untouched(dup); err != nil {
		return err
	}
	if err := unix.Shutdown(dup, unix.SHUT_RD); err != nil && err != unix.ENOTCONN {
		return fmt.Errorf("cannot shut it down: %w", err)
	}
	return nil
}

// descriptor finds a socket among the descriptors of a process.
func descriptor(pid int, ino uint64) (int, error) {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	fds, err := os.ReadDir(dir)
	if err != nil {
		return -1, err
	}
	for _, e := range fds {
		if n, ok := socketInode(dir + "/" + e.Name()); ok && n == ino {
			return strconv.Atoi(e.Name())
		}
	}
	return -1, ErrGone
}

// untouched says whether a socket is a connection on which nothing has come in.
func untouched(fd int) error {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return fmt.Errorf("cannot read TCP_INFO: %w", err)
	}
	unread, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
	if err != nil {
		return fmt.Errorf("cannot read its queue: %w", err)
	}
	return judge(info.State, info.Bytes_received, uint32(unread))
}

const tcpEstablished = 1 // TCP_ESTABLISHED, net/tcp_states.h

func judge(state uint8, received uint64, unread uint32) error {
	switch {
	case state != tcpEstablished:
		return ErrGone
	case received > 0 || unread > 0:
		return ErrCarried
	default:
		return nil
	}
}
