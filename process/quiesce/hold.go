package quiesce

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"lastout/process/sockdiag"
)

// Hold is an accepted connection of a program to which nothing more comes for a while: what its client sends is dropped
// as if the network had lost it, and not acknowledged, so that the client sends it again later. What the program sends
// goes out as ever.
//
// A program that is asked to finish closes the connections it keeps without looking whether a request has just come in
// on one; the request is reset then although its client knows that it has arrived. Of a request that was held back the
// client knows that it never did, and sends it elsewhere (RFC 9110, 9.2.2).
type Hold struct {
	fd  int
	ino uint64
	was map[ttlOption]int
	at  string // the program's descriptor, in /proc
}

// HoldBack begins to hold a connection back, which a program has as a descriptor of its own: by a minimum TTL (ip(7),
// IP_MINTTL, and IPV6_MINHOPCOUNT) on a duplicate, which wants no privilege but that of a duplicate. Who sends with a
// TTL of 255 is not held back.
func HoldBack(pid, fd int, ino uint64) (*Hold, error) {
	pidfd, err := sockdiag.OpenProcess(pid)
	if err == unix.ESRCH {
		return nil, ErrGone
	}
	if err != nil {
		return nil, explain("pidfd_open", err, duplicateWords)
	}
	defer unix.Close(pidfd)
	dup, err := duplicate(pidfd, fd, ino)
	if errors.Is(err, errOther) || errors.Is(err, unix.EBADF) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, err
	}
	s := &socket{fd: dup}
	domain, err := unix.GetsockoptInt(dup, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err == nil {
		err = setMinTTL(s, domain)
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("cannot hold a connection back: %w", err), restoreTTL(dup, s.ttl))
		unix.Close(dup)
		return nil, err
	}
	return &Hold{fd: dup, ino: ino, was: s.ttl, at: fmt.Sprintf("/proc/%d/fd/%d", pid, fd)}, nil
}

// Dropped says that the program has closed the connection, or is gone.
func (h *Hold) Dropped() bool {
	ino, ok := socketInode(h.at)
	return !ok || ino != h.ino
}

// Release lets everything come in again. A connection that its program has closed meanwhile ends by that; where it is
// certain that nobody else has it, End is better.
func (h *Hold) Release() {
	_ = restoreTTL(h.fd, h.was) // it was set on this very descriptor
	unix.Close(h.fd)
}

// End ends a connection that nobody has but us. Between letting in and the close of Release a request may come in, which
// would be acknowledged and then reset. Here the end is on its way first, and a connection that has sent its end, and
// that nobody will read from, acknowledges no data (shutdown(2) with SHUT_RDWR; RFC 9293, 3.10.7.4).
func (h *Hold) End() {
	_ = h.shut()
	h.Release()
}

func (h *Hold) shut() error { return unix.Shutdown(h.fd, unix.SHUT_RDWR) }
