package held

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Given is a socket that a service manager opened and handed to this process. It keeps its own descriptor, and may hand
// the socket to the next one.
type Given struct {
	Name    string // as the service manager calls it
	Address Address

	fd int
}

// FirstFD is the descriptor from which on sockets are handed over (sd_listen_fds(3)).
const FirstFD = 3

// FromManager are the sockets that the environment speaks of (sd_listen_fds(3)): none where it speaks to another
// process. Those that are no sockets, or of no kind that could be held, are the errors.
func FromManager(environ []string) ([]*Given, error) {
	vars := map[string]string{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, "LISTEN_") {
			vars[name] = value
		}
	}
	n, err := strconv.Atoi(vars["LISTEN_FDS"])
	if vars["LISTEN_PID"] != strconv.Itoa(os.Getpid()) || err != nil || n <= 0 {
		return nil, nil
	}
	names := strings.Split(vars["LISTEN_FDNAMES"], ":")
	var all []*Given
	var errs []error
	for i := range min(n, 1<<16) {
		g := &Given{fd: FirstFD + i}
		if i < len(names) {
			g.Name = names[i]
		}
		unix.CloseOnExec(g.fd)
		if g.Address, err = addressOf(g.fd); err != nil {
			errs = append(errs, fmt.Errorf("cannot take descriptor %d of the service manager: %w", g.fd, err))
			if errors.Is(err, unix.EBADF) {
				break
			}
			unix.Close(g.fd)
			continue
		}
		all = append(all, g)
	}
	return all, errors.Join(errs...)
}

// addressOf asks the kernel where a socket is bound.
func addressOf(fd int) (Address, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return Address{}, err
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return Address{}, err
	}
	if u, ok := sa.(*unix.SockaddrUnix); ok && kind == unix.SOCK_STREAM {
		return Address{Network: Unix, Path: u.Name}, nil
	}
	at, ok := addrPort(sa)
	a := Address{Network: map[int]Network{unix.SOCK_STREAM: TCP, unix.SOCK_DGRAM: UDP}[kind], IP: at}
	if !ok || a.Network == "" {
		return Address{}, errors.New("it is neither TCP nor UDP, nor a unix stream")
	}
	if at.Addr().Is6() && at.Addr().IsUnspecified() {
		only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err != nil {
			return Address{}, err
		}
		a.Both = only == 0
	}
	a.IP = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	return a, nil
}

// Take makes it a held socket. Its address, backlog and file stay as they are: they are the service manager's.
func (g *Given) Take(o Options) (*Socket, error) {
	// The runtime would watch a file that does not block.
	if err := unix.SetNonblock(g.fd, false); err != nil {
		return nil, fmt.Errorf("cannot take %s of the service manager: %w", g, err)
	}
	s := &Socket{Address: g.Address, File: os.NewFile(uintptr(g.fd), g.Address.String())}
	var err error
	if g.Address.Network != UDP {
		var on int
		if on, err = unix.GetsockoptInt(g.fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && on == 0 {
			err = unix.Listen(g.fd, o.Backlog)
		}
	}
	if err == nil && o.NonBlock {
		err = unix.SetNonblock(g.fd, true)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("cannot take %s of the service manager: %w", g, err)
	}
	return s, nil
}

// Close lets go of one that nobody takes.
func (g *Given) Close() { unix.Close(g.fd) }

func (g *Given) String() string {
	if g.Name == "" {
		return g.Address.String()
	}
	return fmt.Sprintf("%s (%s)", g.Address, g.Name)
}
