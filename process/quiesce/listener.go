package quiesce

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// Listener is an address that a program listens at, with duplicates of its sockets: one, or several where the program
// uses SO_REUSEPORT. Its methods may be called from several goroutines.
type Listener struct {
	address
	mu       sync.Mutex
	sockets  []*socket
	way      Way
	sentinel *sentinel
	closed   bool
}

// socket is one listening socket and what was changed about it.
type socket struct {
	inode   uint64
	uid     uint32 // whose it is for SO_REUSEPORT
	fd      int    // the duplicate, or -1
	refused error  // why there is none
	pids    []int
	row     row
	ttl     map[ttlOption]int // the bounds it had
	joined  bool              // SO_REUSEPORT was set by us
}

// Own makes a listener of an own descriptor, which stays the caller's: what was opened to be handed to a program is
// quiesced without asking the program's processes.
func Own(fd int) (*Listener, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot duplicate an own socket: %w", err)
	}
	s := &socket{fd: dup}
	if s.inode, s.uid, err = inode(dup); err != nil {
		s.close()
		return nil, err
	}
	a, err := s.describe()
	if err != nil {
		s.close()
		return nil, fmt.Errorf("cannot take an own socket for a listener: %w", err)
	}
	return &Listener{address: a, sockets: []*socket{s}}, nil
}

var (
	errNoListener = errors.New("it does not listen")
	errClosed     = errors.New("our side of it was closed")
)

// describe asks the kernel where a socket listens.
func (s *socket) describe() (address, error) {
	a := address{domain: s.row.domain, addr: s.row.addr, path: s.row.path, blind: true}
	if s.fd < 0 {
		return a, nil
	}
	a.blind = false
	if on, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || on == 0 {
		return a, errNoListener
	}
	domain, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return a, fmt.Errorf("cannot read SO_DOMAIN: %w", err)
	}
	sa, err := unix.Getsockname(s.fd)
	if err != nil {
		return a, fmt.Errorf("cannot read its address: %w", err)
	}
	a.domain = domain
	if u, ok := sa.(*unix.SockaddrUnix); ok {
		a.path = u.Name
		return a, nil
	}
	var ok bool
	if a.addr, ok = fromSockaddr(sa); !ok {
		return a, fmt.Errorf("no way is known for sockets of family %d", domain)
	}
	if domain == unix.AF_INET6 {
		only, err := unix.GetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err != nil {
			return a, fmt.Errorf("cannot read IPV6_V6ONLY: %w", err)
		}
		a.v6only = only != 0
	}
	a.device, err = unix.GetsockoptString(s.fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
	if err != nil {
		return a, fmt.Errorf("cannot read SO_BINDTODEVICE: %w", err)
	}
	return a, nil
}

func (s *socket) close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}

// Addr is the address of a TCP listener, and not valid for a unix socket.
func (l *Listener) Addr() netip.AddrPort { return l.addr }

// PIDs are the processes that have the listener open, as far as they were asked for when it was found.
func (l *Listener) PIDs() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	var pids []int
	for _, s := range l.sockets {
		pids = append(pids, s.pids...)
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// Inodes are those of its sockets, as /proc and sock_diag(7) show them.
func (l *Listener) Inodes() []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var inodes []uint64
	for _, s := range l.sockets {
		inodes = append(inodes, s.inode)
	}
	return inodes
}

// Way is how connections are turned away now, None if they are not.
func (l *Listener) Way() Way {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.way
}

// Quiesce turns new connections away by the first of the ways (Best, if none is given) that can be had and that an own
// connection proves. Everything that is in or queued goes on. Where none can be had it returns a RefusedError and the
// listener is as it was. A listener that is quiesced already stays so.
func (l *Listener) Quiesce(ways ...Way) (Way, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return None, fmt.Errorf("cannot turn new connections away from %s: %w", l, errClosed)
	}
	if l.way != None {
		return l.way, nil
	}
	way, err := first(l.String(), ways, l.attempt)
	l.way = way // none, where there is an error
	return way, err
}

func (l *Listener) attempt(way Way) error {
	if l.domain == unix.AF_UNIX {
		return ErrUnix
	}
	var err error
	switch way {
	case Filter, MinTTL:
		if err = l.onSockets(way); err == nil {
			err = l.proveDrops()
		}
	case Sentinel:
		err = l.raise()
	case None:
		return errors.New("it is not wanted")
	}
	if err != nil {
		err = errors.Join(err, l.takeBack(way))
	}
	return err
}

// onSockets does to each socket what a way does to it.
func (l *Listener) onSockets(way Way) error {
	for _, s := range l.sockets {
		if err := s.turn(way, l.domain); err != nil {
			return err
		}
	}
	return nil
}

func (s *socket) turn(way Way, domain int) error {
	if err := s.missing(); err != nil {
		return err
	}
	if way == Filter {
		return attachFilter(s)
	}
	return setMinTTL(s, domain)
}

// missing says why there is no duplicate.
func (s *socket) missing() error {
	switch {
	case s.fd >= 0:
		return nil
	case s.refused != nil:
		return fmt.Errorf("%w: %w", ErrNoDuplicate, s.refused)
	default:
		return ErrNoDuplicate
	}
}

// takeBack undoes a way, also one that was begun only.
func (l *Listener) takeBack(way Way) error {
	var errs []error
	if way == Sentinel {
		errs = append(errs, l.lower())
	}
	for _, s := range l.sockets {
		switch {
		case way == Filter && s.fd >= 0:
			errs = append(errs, detachFilter(s))
		case way == MinTTL && s.fd >= 0:
			errs = append(errs, restoreTTL(s.fd, s.ttl))
			s.ttl = nil
		}
	}
	return errors.Join(errs...)
}

// Undo lets new connections in again and proves it by an own one. It is an error after Release, except for a sentinel.
func (l *Listener) Undo() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.way == None {
		return nil
	}
	way := l.way
	if way != Sentinel && !l.duplicated() {
		return fmt.Errorf("cannot let new connections in at %s again: %w", l, ErrNoDuplicate)
	}
	if err := l.takeBack(way); err != nil {
		return fmt.Errorf("cannot let new connections in at %s again: %w", l, err)
	}
	l.way = None
	if err := l.proveOpen(); err != nil {
		return fmt.Errorf("new connections are let in at %s again, but %w", l, err)
	}
	return nil
}

func (l *Listener) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

func (l *Listener) duplicated() bool {
	return !slices.ContainsFunc(l.sockets, func(s *socket) bool { return s.fd < 0 })
}

// Reprove is to be called when sockets may have joined or left the group that listens at the address, which moves the
// place of a sentinel in it. It proves again that connections are turned away, and finds the sentinel's place again. It
// is an error after Release, except for a sentinel.
func (l *Listener) Reprove() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	switch l.way {
	case None:
		return nil
	case Filter, MinTTL:
		err = l.proveDrops()
	case Sentinel:
		err = l.reproveSentinel()
	}
	if err != nil {
		return fmt.Errorf("cannot prove again that new connections are turned away from %s: %w", l, err)
	}
	return nil
}

// adopt takes a socket that was found at the address, and turns connections away from it where the others do.
func (l *Listener) adopt(s *socket) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sockets = append(l.sockets, s)
	switch l.way {
	case Filter, MinTTL:
		return s.turn(l.way, l.domain)
	case Sentinel:
		return l.reproveSentinel()
	default:
		return nil
	}
}

// Release closes the duplicates and leaves what they did in force. They keep a socket listening whose program closed
// it, so this comes before the program is asked to leave: then the port is free, and its queue is answered, when the
// program closes it. A sentinel stays until Close, for without it connections would get in again.
func (l *Listener) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sockets {
		s.close()
	}
}

// Close closes the duplicates and the sentinel: the port is free as soon as the program closed its own sockets. It does
// not undo a filter or a minimum TTL.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.lower()
	for _, s := range l.sockets {
		s.close()
	}
	l.sockets, l.way, l.closed = nil, None, true
	return err
}
