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

// answer is what became of an own connection.
type answer uint8

const (
	taken  answer = iota // it was established
	turned               // it was not, and a drop was counted
	silent               // neither, for as long as we wait
)

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

// hear waits for the answer to a knock. Where dropped is given it tells how many packets were dropped since.
func hear(fd int, dropped func() (uint32, error)) (answer, error) {
	for end := time.Now().Add(proofBound); ; {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(p, 1)
		if err != nil && err != unix.EINTR {
			return silent, fmt.Errorf("cannot poll an own connection: %w", err)
		}
		if n > 0 {
			errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
			if err == nil && errno != 0 {
				err = unix.Errno(errno)
			}
			if err != nil {
				return silent, fmt.Errorf("an own connection failed: %w", err)
			}
			return taken, nil
		}
		if dropped != nil {
			if n, err := dropped(); err != nil || n > 0 {
				return turned, err
			}
		}
		if time.Now().After(end) {
			return silent, nil
		}
	}
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

// turnedAway proves that a plain own connection is dropped at one of the sockets.
func turnedAway(t target, fds []int) (answer, error) {
	dropped, err := dropsSince(fds)
	if err != nil {
		return silent, err
	}
	fd, err := knock(t, 0)
	if err != nil {
		return silent, err
	}
	defer unix.Close(fd)
	return hear(fd, dropped)
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
		fds = append(fds, s.fd)
	}
	return l.eachTarget(func(t target) error {
		return proveDropsAt(t, fds, strangers)
	})
}

// proveDropsAt also takes it for a proof, where strangers listen at the address, that one of many connections comes to
// our sockets and is turned away there.
func proveDropsAt(t target, fds []int, strangers int) error {
	tries := 1
	if n := len(fds) + strangers; n > 1 {
		tries = 4 * n
	}
	proven := false
	for range tries {
		a, err := turnedAway(t, fds)
		switch {
		case err != nil:
			return err
		case a == turned && strangers > 0:
			return nil
		case a == turned:
			proven = true
		case a == taken && strangers == 0:
			return fmt.Errorf("%w: an own connection to %s got in all the same", ErrUnproven, t.addr)
		case a == silent:
			return fmt.Errorf("%w: an own connection to %s was neither taken nor dropped there", ErrUnproven, t.addr)
		}
	}
	if !proven {
		return fmt.Errorf("%w: all own connections to %s came to other processes that listen there", ErrUnproven, t.addr)
	}
	return nil
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
		a, err := hear(fd, nil)
		if err == nil && a != taken && !l.full() {
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
