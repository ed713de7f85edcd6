package held

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Options are how a socket is opened.
type Options struct {
	Backlog   int
	ReusePort bool        // others of the same user may listen beside it
	NonBlock  bool        // whether it blocks is seen by all who have it
	Mode      os.FileMode // of a unix socket's file
	UID, GID  int         // its owner; -1: ours
}

// Socket is a socket that is held.
type Socket struct {
	Address Address
	File    *os.File // what is handed on; it stays the Socket's

	file   inode // of the unix socket's file; zero: there is none, or it is not ours
	hidden bool
}

// Open binds a socket and lets it listen.
func Open(a Address, o Options) (*Socket, error) {
	s := &Socket{Address: a}
	fd, err := s.bind(o)
	if err != nil {
		return nil, fmt.Errorf("cannot listen at %s: %w", a, err)
	}
	if a.Network != UDP {
		if err := unix.Listen(fd, o.Backlog); err != nil {
			unix.Close(fd)
			s.remove()
			return nil, fmt.Errorf("cannot listen at %s: %w", a, words(err))
		}
	}
	s.File = os.NewFile(uintptr(fd), a.String())
	if o.NonBlock { // only now: the runtime would watch a file that does not block
		err = unix.SetNonblock(fd, true)
	}
	if err == nil {
		err = s.learn(fd)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("cannot listen at %s: %w", a, err)
	}
	return s, nil
}

// learn asks the kernel which port it chose, where it was asked to.
func (s *Socket) learn(fd int) error {
	if s.Address.Network == Unix || s.Address.IP.Port() != 0 {
		return nil
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	if at, ok := addrPort(sa); ok {
		s.Address.IP = netip.AddrPortFrom(s.Address.IP.Addr(), at.Port())
	}
	return nil
}

func (s *Socket) bind(o Options) (int, error) {
	if s.Address.Network == Unix {
		return s.bindUnix(o)
	}
	ip := s.Address.IP.Addr()
	domain := unix.AF_INET
	if ip.Is6() {
		domain = unix.AF_INET6
	}
	fd, err := open(domain, s.Address.Network)
	if s.Address.Both && errors.Is(err, unix.EAFNOSUPPORT) { // without IPv6, all addresses are those of IPv4
		ip, domain = netip.IPv4Unspecified(), unix.AF_INET
		fd, err = open(domain, s.Address.Network)
	}
	if err != nil {
		return -1, err
	}
	to, err := sockaddr(netip.AddrPortFrom(ip, s.Address.IP.Port()))
	if err == nil {
		err = s.dress(fd, domain, o)
	}
	if err == nil {
		err = words(unix.Bind(fd, to))
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func open(domain int, n Network) (int, error) {
	kind, proto := unix.SOCK_STREAM, unix.IPPROTO_TCP
	switch n {
	case UDP:
		kind, proto = unix.SOCK_DGRAM, unix.IPPROTO_UDP
	case Unix:
		proto = 0
	case TCP:
	}
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return -1, fmt.Errorf("cannot make a socket: %w", err)
	}
	return fd, nil
}

// dress sets its options. SO_REUSEADDR lets it be bound while connections of an earlier life are still closing; for UDP
// it would let others take its datagrams.
func (s *Socket) dress(fd, domain int, o Options) error {
	type option struct{ level, opt, val int }
	var opts []option
	if s.Address.Network == TCP {
		opts = append(opts, option{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1})
	}
	if o.ReusePort {
		opts = append(opts, option{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1})
	}
	if domain == unix.AF_INET6 {
		only := 1
		if s.Address.Both {
			only = 0
		}
		opts = append(opts, option{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only})
	}
	for _, x := range opts {
		if err := unix.SetsockoptInt(fd, x.level, x.opt, x.val); err != nil {
			return fmt.Errorf("cannot prepare the socket: %w", err)
		}
	}
	return nil
}

// Close closes the socket, and removes its file where that is ours.
func (s *Socket) Close() error {
	s.remove()
	return s.File.Close()
}

func sockaddr(a netip.AddrPort) (unix.Sockaddr, error) {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, nil
	}
	to := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if zone := a.Addr().Zone(); zone != "" {
		n, err := strconv.ParseUint(zone, 10, 32)
		if err != nil {
			i, err := net.InterfaceByName(zone)
			if err != nil {
				return nil, fmt.Errorf("there is no interface %q", zone)
			}
			n = uint64(i.Index)
		}
		to.ZoneId = uint32(n)
	}
	return to, nil
}

func addrPort(sa unix.Sockaddr) (netip.AddrPort, bool) {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), true
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(sa.Addr)
		if sa.ZoneId != 0 {
			ip = ip.WithZone(strconv.FormatUint(uint64(sa.ZoneId), 10))
		}
		return netip.AddrPortFrom(ip, uint16(sa.Port)), true
	default:
		return netip.AddrPort{}, false
	}
}

// words adds to a system error what it means for people.
func words(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("%w: somebody else listens there", err)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this machine has no such address", err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w (below port 1024 it takes CAP_NET_BIND_SERVICE)", err)
	default:
		return err
	}
}
