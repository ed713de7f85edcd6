package quiesce

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// sentinel is a socket of ours in the listener's SO_REUSEPORT group that gets every new SYN and drops it.
type sentinel struct {
	fd     int
	inode  uint64
	steers bool  // its program is attached
	plugs  []int // own connections that fill its accept queue, for whoever sends with a TTL of 255
}

// steer is a program of SO_ATTACH_REUSEPORT_CBPF (socket(7)): its result is the index of the socket in the group.
func steer(place int) []unix.SockFilter {
	return []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: uint32(place)}}
}

var sentinelWords = map[unix.Errno]string{
	unix.EADDRINUSE: "it needs a duplicate or a listener with SO_REUSEPORT, of the same user, with SO_REUSEADDR " +
		"where it has connections",
	unix.EACCES: "below port 1024 it needs CAP_NET_BIND_SERVICE",
	unix.EPERM:  "the listener is another user's, and CAP_CHOWN is missing",
}

// raise opens the sentinel, finds its place, and proves it. What was begun is undone by lower.
func (l *Listener) raise() error {
	if err := l.alone(); err != nil {
		return err
	}
	if err := l.openGroup(); err != nil {
		return err
	}
	return l.eachGuess(func() error {
		if err := l.listenBeside(); err != nil {
			return err
		}
		return l.findPlace()
	})
}

// alone says whether no stranger would be cut off too.
func (l *Listener) alone() error {
	switch n, err := l.strangers(); {
	case err != nil:
		return err
	case n > 0:
		return fmt.Errorf("%w (%d)", ErrShared, n)
	default:
		return nil
	}
}

// eachGuess opens a sentinel and does something with it, until that works.
func (l *Listener) eachGuess(do func() error) error {
	var errs []error
	for _, v6only := range l.guesses() {
		err := l.openSentinel(v6only)
		if err == nil {
			err = do()
		}
		if err == nil {
			return nil
		}
		if n := len(errs); n == 0 || errs[n-1].Error() != err.Error() {
			errs = append(errs, err)
		}
		if err := l.closeSentinel(); err != nil {
			errs = append(errs, err)
		}
	}
	for _, s := range l.sockets {
		if s.refused != nil {
			errs = append(errs, fmt.Errorf("%w: %w", ErrNoDuplicate, s.refused))
			break
		}
	}
	return errors.Join(errs...)
}

// guesses are what IPV6_V6ONLY may be: without a duplicate it is not known of a wildcard.
func (l *Listener) guesses() []bool {
	if l.blind && l.domain == unix.AF_INET6 && l.addr.Addr().IsUnspecified() {
		return []bool{true, false}
	}
	return []bool{l.v6only}
}

// openGroup sets SO_REUSEPORT on the duplicates, which is allowed while they listen.
func (l *Listener) openGroup() error {
	for _, s := range l.sockets {
		if s.fd < 0 || s.joined {
			continue
		}
		on, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT)
		if err == nil && on == 0 {
			err = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			s.joined = err == nil
		}
		if err != nil {
			return fmt.Errorf("cannot set SO_REUSEPORT: %w", err)
		}
	}
	return nil
}

// openSentinel opens a socket that may join the listener's group: same user, same options.
func (l *Listener) openSentinel(v6only bool) error {
	fd, err := unix.Socket(l.domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
	if err != nil {
		return fmt.Errorf("cannot open a sentinel: %w", err)
	}
	l.sentinel = &sentinel{fd: fd}
	if err := l.dress(fd, v6only); err != nil {
		return err
	}
	ino, uid, err := inode(fd)
	if err != nil {
		return err
	}
	l.sentinel.inode = ino
	if want := l.sockets[0].uid; uid != want {
		if err := unix.Fchown(fd, int(want), -1); err != nil {
			return explain("cannot give the sentinel to the listener's user", err, sentinelWords)
		}
	}
	return nil
}

// bindBeside gives the sentinel the listener's address.
func (l *Listener) bindBeside() error {
	err := unix.Bind(l.sentinel.fd, toSockaddr(l.domain, l.addr))
	return explain("cannot bind a sentinel beside it", err, sentinelWords)
}

// listenBeside makes the sentinel a member of the group.
func (l *Listener) listenBeside() error {
	if err := l.bindBeside(); err != nil {
		return err
	}
	return explain("cannot listen beside it", unix.Listen(l.sentinel.fd, 0), sentinelWords)
}

// dress sets the options of a sentinel: those of the group, and the minimum TTL by which it drops what it gets.
func (l *Listener) dress(fd int, v6only bool) error {
	type option struct{ level, opt, val int }
	opts := []option{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1},
		{unix.IPPROTO_IP, unix.IP_FREEBIND, 1},
	}
	if l.domain == unix.AF_INET6 {
		only := 0
		if v6only {
			only = 1
		}
		opts = append(opts, option{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only})
	}
	for _, o := range ttlOptions(l.domain) {
		opts = append(opts, option{o.level, o.opt, maxTTL})
	}
	for _, o := range opts {
		if err := unix.SetsockoptInt(fd, o.level, o.opt, o.val); err != nil {
			return fmt.Errorf("cannot prepare a sentinel: %w", err)
		}
	}
	if l.device != "" {
		if err := unix.BindToDevice(fd, l.device); err != nil {
			return fmt.Errorf("cannot bind a sentinel to %s: %w", l.device, err)
		}
	}
	return nil
}

// findPlace directs all to one place of the group after the other until own connections show that it is the sentinel's.
// Who joins a group last is at its end, so that is tried first.
func (l *Listener) findPlace() error {
	members, err := l.members()
	if err != nil {
		return err
	}
	places := []int{len(members) - 1}
	for i := range members {
		places = append(places, i)
	}
	err = fmt.Errorf("%w: the sentinel is not seen to listen", ErrUnproven)
	for _, place := range places {
		prog := program(steer(max(place, 0)))
		if err := unix.SetsockoptSockFprog(l.sentinel.fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, prog); err != nil {
			return explain("cannot direct connections to the sentinel", err, sentinelWords)
		}
		l.sentinel.steers = true
		if err = l.eachTarget(l.sentinel.provePlace); err == nil {
			return nil
		}
	}
	return err
}

// arrivals are how many own connections must come to the sentinel one after the other. A place behind the end of the
// group lets the kernel spread connections, and one or two could come to the sentinel by chance; at two members all of
// these do so once in four billion times.
const arrivals = 32

// provePlace proves that the sentinel gets all: own connections with the highest TTL come to it, one more fills its
// queue, and a plain one is dropped there.
func (b *sentinel) provePlace(t target) error {
	b.unplug()
	for range arrivals {
		fd, err := b.arrive(t)
		if err != nil {
			return err
		}
		took := b.took(fd)
		reset(fd)
		if !took {
			return fmt.Errorf("%w: an own connection to %s did not come to the sentinel", ErrUnproven, t.addr)
		}
	}
	plug, err := b.arrive(t)
	if err != nil {
		return err
	}
	b.plugs = append(b.plugs, plug)
	return b.proveDrop(t)
}

// proveDrop proves that the sentinel drops a plain connection.
func (b *sentinel) proveDrop(t target) error {
	switch dropped, taken, err := turnedAway(t, []int{b.fd}, 1); {
	case err != nil:
		return err
	case dropped == 0 || taken > 0:
		return fmt.Errorf("%w: an own connection to %s was not dropped by the sentinel", ErrUnproven, t.addr)
	default:
		return nil
	}
}

// arrive makes an own connection that somebody takes into his queue, the sentinel if its place is right.
func (b *sentinel) arrive(t target) (int, error) {
	fd, err := knock(t, maxTTL)
	if err != nil {
		return -1, err
	}
	in, err := established(fd)
	if err == nil && !in {
		err = fmt.Errorf("%w: an own connection to %s was not taken by the sentinel", ErrUnproven, t.addr)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// arrivalBound is how long the last step of a handshake may take: the client's side is established before it.
const arrivalBound = 100 * time.Millisecond

// took says whether an own connection came to the sentinel's queue, which it empties.
func (b *sentinel) took(own int) bool {
	sa, err := unix.Getsockname(own)
	if err != nil {
		return false
	}
	want, _ := fromSockaddr(sa)
	for end := time.Now().Add(arrivalBound); ; {
		fd, sa, err := unix.Accept4(b.fd, unix.SOCK_CLOEXEC)
		if err == nil {
			reset(fd)
			from, _ := fromSockaddr(sa)
			if from.Port() == want.Port() && from.Addr().Unmap() == want.Addr().Unmap() {
				return true
			}
			continue
		}
		left := time.Until(end)
		if err != unix.EAGAIN || left <= 0 {
			return false
		}
		p := []unix.PollFd{{Fd: int32(b.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, int(left.Milliseconds())+1); err != nil && err != unix.EINTR {
			return false
		}
	}
}

// unplug empties the sentinel's queue.
func (b *sentinel) unplug() {
	for {
		fd, _, err := unix.Accept4(b.fd, unix.SOCK_CLOEXEC)
		if err != nil {
			break
		}
		reset(fd)
	}
	for _, fd := range b.plugs {
		unix.Close(fd)
	}
	b.plugs = nil
}

// reset closes a connection without a TIME_WAIT that would hold the port.
func reset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(fd)
}

// reproveSentinel proves the sentinel's place again, and looks for it where it moved.
func (l *Listener) reproveSentinel() error {
	if err := l.openGroup(); err != nil {
		return err
	}
	if err := l.eachTarget(l.sentinel.provePlace); err == nil {
		return nil
	}
	return l.findPlace()
}

// lower takes the sentinel away and lets the group be as it was.
func (l *Listener) lower() error {
	err := l.closeSentinel()
	for _, s := range l.sockets {
		if s.joined && s.fd >= 0 {
			s.joined = false
			err = errors.Join(err, explain("cannot restore SO_REUSEPORT",
				unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 0), nil))
		}
	}
	return err
}

// closeSentinel closes it before its program is detached, where a duplicate can do that: the program points behind the
// end of the group then, and the kernel spreads connections over who is left. Else a SYN between the two could be
// dropped once more, and comes again a second later.
func (l *Listener) closeSentinel() error {
	b := l.sentinel
	if b == nil {
		return nil
	}
	l.sentinel = nil
	b.unplug()
	if !b.steers {
		b.end()
		return nil
	}
	other := slices.IndexFunc(l.sockets, func(s *socket) bool { return s.fd >= 0 && detachable(s.fd) })
	fd := b.fd
	if other >= 0 {
		b.end()
		fd = l.sockets[other].fd
	} else {
		defer b.end()
	}
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_REUSEPORT_BPF, 0)
	if err == unix.ENOENT {
		return nil
	}
	return explain("cannot detach the sentinel's program", err, nil)
}

// end makes it leave the group at once: to close it would not do while a fork under way holds its descriptor too.
func (b *sentinel) end() {
	_ = unix.Shutdown(b.fd, unix.SHUT_RDWR) // refused where it does not listen yet
	unix.Close(b.fd)
}

// detachable says whether a socket takes options of its group: one of MPTCP does not.
func detachable(fd int) bool {
	proto, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	return err == nil && proto == unix.IPPROTO_TCP
}
