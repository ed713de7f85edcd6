package quiesce

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// proofBound is how long an own connection waits for an answer. It is hardly ever waited for: over the loopback device
// a SYN is taken or dropped while connect(2) runs, and a drop is counted at the socket.
const proofBound = time.Second

// target is where an own connection goes to reach a listener.
type target struct {
	domain int
	addr   netip.AddrPort
	unsure bool // it may be nobody's: whether an IPv6 listener takes IPv4 is not known without a duplicate
}

// targets are an address of each family that a listener takes.
func (l *Listener) targets(rows []row) ([]target, error) {
	if l.device != "" && l.device != "lo" {
		return nil, fmt.Errorf("%w: it is bound to %s, where own connections do not come from", ErrUnproven, l.device)
	}
	ip, port := l.addr.Addr(), l.addr.Port()
	switch {
	case l.domain == unix.AF_INET || ip.Is4In6():
		if !ip.Unmap().IsUnspecified() {
			return []target{{domain: unix.AF_INET, addr: netip.AddrPortFrom(ip.Unmap(), port)}}, nil
		}
		return reachable(rows, unix.AF_INET, port), nil
	case !ip.IsUnspecified():
		return []target{{domain: unix.AF_INET6, addr: l.addr}}, nil
	}
	out := reachable(rows, unix.AF_INET6, port)
	v4any := netip.AddrPortFrom(netip.IPv4Unspecified(), port)
	shadowed := slices.ContainsFunc(rows, func(r row) bool { return r.domain == unix.AF_INET && r.addr == v4any })
	if !l.v6only && !shadowed {
		for _, t := range reachable(rows, unix.AF_INET, port) {
			t.unsure = l.blind
			out = append(out, t)
		}
	}
	return out, nil
}

// reachable finds an own address at which a wildcard listener is reached: one that nobody listens at by itself.
func reachable(rows []row, domain int, port uint16) []target {
	free := func(ip netip.Addr) bool {
		return !slices.ContainsFunc(rows, func(r row) bool {
			return r.domain != unix.AF_UNIX && r.addr.Port() == port && r.addr.Addr().Unmap() == ip
		})
	}
	for _, own := range []func(int) []netip.Addr{loopback, interfaces} {
		addrs := own(domain)
		if i := slices.IndexFunc(addrs, free); i >= 0 {
			return []target{{domain: domain, addr: netip.AddrPortFrom(addrs[i], port)}}
		}
	}
	return nil
}

func loopback(domain int) []netip.Addr {
	if domain == unix.AF_INET6 {
		return []netip.Addr{netip.IPv6Loopback()}
	}
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.AddrFrom4([4]byte{127, 0, 0, 2})}
}

func interfaces(domain int) []netip.Addr {
	var out []netip.Addr
	ifs, _ := net.InterfaceAddrs() // without them nothing is proven, which is said
	for _, a := range ifs {
		if n, ok := a.(*net.IPNet); ok {
			ip, _ := netip.AddrFromSlice(n.IP)
			ip = ip.Unmap()
			if ip.Is4() == (domain == unix.AF_INET) && !ip.IsLinkLocalUnicast() {
				out = append(out, ip)
			}
		}
	}
	return out
}

// unreachable are errors of connect(2) that say that this family is not in use here at all.
var unreachable = []error{unix.EAFNOSUPPORT, unix.EADDRNOTAVAIL, unix.ENETUNREACH, unix.EHOSTUNREACH}

// eachTarget asks for a proof in each family that can be reached here, and for one at least.
func (l *Listener) eachTarget(prove func(target) error) error {
	rows, err := listening()
	if err != nil {
		return err
	}
	targets, err := l.targets(rows)
	if err != nil {
		return err
	}
	proven, last := false, error(nil)
	for _, t := range targets {
		err := prove(t)
		switch {
		case err == nil:
			proven = true
		case isAny(err, unreachable), t.unsure && errors.Is(err, unix.ECONNREFUSED):
			last = err
		default:
			return err
		}
	}
	switch {
	case proven:
		return nil
	case last == nil:
		return fmt.Errorf("%w: no own address reaches it", ErrUnproven)
	default:
		return fmt.Errorf("%w: %w", ErrUnproven, last)
	}
}

func isAny(err error, of []error) bool {
	return slices.ContainsFunc(of, func(e error) bool { return errors.Is(err, e) })
}

// knock begins an own connection. Its close is for the caller. A TTL of 0 is the system's own.
func knock(t target, ttl int) (int, error) {
	fd, err := unix.Socket(t.domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
	if err != nil {
		return -1, fmt.Errorf("cannot open an own connection: %w", err)
	}
	if ttl != 0 {
		o := ttlOption{unix.IPPROTO_IP, unix.IP_TTL}
		if t.domain == unix.AF_INET6 {
			o = ttlOption{unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS}
		}
		err = unix.SetsockoptInt(fd, o.level, o.opt, ttl)
	}
	if err == nil {
		err = unix.Connect(fd, toSockaddr(t.domain, t.addr))
	}
	if err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return -1, fmt.Errorf("cannot connect to %s: %w", t.addr, err)
	}
	return fd, nil
}

// established waits until an own connection is, and says whether it was in time.
func established(fd int) (bool, error) {
	n, err := settled([]int{fd}, func(n int) (bool, error) { return n == 1, nil })
	return n == 1, err
}

// settled waits until enough of some own connections are established, and counts them. It asks every millisecond, and
// once at least, for what is dropped wakes nobody.
func settled(fds []int, enough func(established int) (bool, error)) (int, error) {
	p := make([]unix.PollFd, len(fds))
	for i, fd := range fds {
		p[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}
	}
	count := 0
	for end := time.Now().Add(proofBound); ; {
		// A SYN is taken or dropped while connect(2) runs, so that there is mostly nothing to wait for.
		if ok, err := enough(count); ok || err != nil || time.Now().After(end) {
			return count, err
		}
		if _, err := unix.Poll(p, 1); err != nil && err != unix.EINTR {
			return count, fmt.Errorf("cannot poll own connections: %w", err)
		}
		for i := range p {
			if p[i].Fd < 0 || p[i].Revents == 0 {
				continue
			}
			if err := failure(fds[i]); err != nil {
				return count, fmt.Errorf("an own connection failed: %w", err)
			}
			p[i].Fd = -1 // poll(2) passes over it
			count++
		}
	}
}

// failure tells why a connection was not established. One that was reset had been: a handshake is refused otherwise.
func failure(fd int) error {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if errno == 0 || unix.Errno(errno) == unix.ECONNRESET {
		return nil
	}
	return unix.Errno(errno)
}

// dropsSince counts what sockets drop from now on.
func dropsSince(fds []int) (func() (uint32, error), error) {
	was := make([]uint32, len(fds))
	for i, fd := range fds {
		var err error
		if was[i], err = drops(fd); err != nil {
			return nil, err
		}
	}
	return func() (uint32, error) {
		var sum uint32
		for i, fd := range fds {
			n, err := drops(fd)
			if err != nil {
				return 0, err
			}
			sum += n - was[i]
		}
		return sum, nil
	}, nil
}

// turnedAway makes plain own connections, and says how many of them were dropped at the sockets and how many got in.
func turnedAway(t target, fds []int, tries int) (dropped, taken int, err error) {
	since, err := dropsSince(fds)
	if err != nil {
		return 0, 0, err
	}
	var own []int
	defer func() {
		for _, fd := range own {
			unix.Close(fd)
		}
	}()
	for range tries {
		fd, err := knock(t, 0)
		if err != nil {
			return 0, 0, err
		}
		own = append(own, fd)
	}
	taken, err = settled(own, func(taken int) (bool, error) {
		n, err := since()
		dropped = int(min(n, uint32(tries))) // others are dropped too
		return dropped+taken >= tries, err
	})
	return dropped, taken, err
}

// proveDrops proves by own connections that the sockets themselves turn new ones away. With several sockets at the
// address the kernel spreads connections over them, and each of a few must be turned away.
func (l *Listener) proveDrops() error {
	strangers, err := l.strangers()
	if err != nil {
		return err
	}
	var fds []int
	for _, s := range l.sockets {
		if s.fd < 0 {
			return ErrNoDuplicate // after Release the drops cannot be read
		}
		fds = append(fds, s.fd)
	}
	return l.eachTarget(func(t target) error {
		return proveDropsAt(t, fds, strangers)
	})
}

// proveDropsAt takes it for a proof, where strangers listen at the address, that one of many connections comes to our
// sockets and is dropped there.
func proveDropsAt(t target, fds []int, strangers int) error {
	tries := 1
	if n := len(fds) + strangers; n > 1 {
		tries = min(4*n, 128)
	}
	dropped, taken, err := turnedAway(t, fds, tries)
	switch {
	case err != nil:
		return err
	case taken > 0 && strangers == 0:
		return fmt.Errorf("%w: an own connection to %s got in all the same", ErrUnproven, t.addr)
	case dropped+taken < tries:
		return fmt.Errorf("%w: an own connection to %s was neither taken nor dropped there", ErrUnproven, t.addr)
	case dropped == 0:
		return fmt.Errorf("%w: all own connections to %s came to other processes that listen there", ErrUnproven, t.addr)
	default:
		return nil
	}
}

// proveOpen proves that an own connection gets in again. While the accept queue is full it could not, and nothing is
// to be proven.
func (l *Listener) proveOpen() error {
	if l.full() {
		return nil
	}
	return l.eachTarget(func(t target) error {
		fd, err := knock(t, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		in, err := established(fd)
		if err == nil && !in && !l.full() {
			err = fmt.Errorf("%w: an own connection to %s did not get in", ErrUnproven, t.addr)
		}
		return err
	})
}

// full says whether an accept queue is full: of a listener, tcpi_unacked is its length and tcpi_sacked its bound.
func (l *Listener) full() bool {
	return slices.ContainsFunc(l.sockets, func(s *socket) bool {
		if s.fd < 0 {
			return false
		}
		info, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		return err == nil && info.Unacked > info.Sacked
	})
}

// strangers counts the sockets that listen at the very same address and are not ours.
func (l *Listener) strangers() (int, error) {
	members, err := l.members()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, r := range members {
		own := slices.ContainsFunc(l.sockets, func(s *socket) bool { return s.inode == r.inode })
		if !own && (l.sentinel == nil || r.inode != l.sentinel.inode) {
			n++
		}
	}
	return n, nil
}

// members are the sockets that listen at the very same address.
func (l *Listener) members() ([]row, error) {
	rows, err := listening()
	if err != nil {
		return nil, err
	}
	addr := l.addr
	return slices.DeleteFunc(rows, func(r row) bool {
		return r.domain != l.domain || r.addr.Port() != addr.Port() || r.addr.Addr() != addr.Addr().WithZone("")
	}), nil
}
