package quiesce

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"lastout/process/sockdiag"
)

// Capabilities is what works here, tried on own sockets. An error says why something does not.
type Capabilities struct {
	Filter   error
	Sentinel error
	MinTTL   error
	Destroy  error // SOCK_DESTROY, for preconnects whose socket cannot be duplicated
	See      error // sock_diag(7): who is connected, and what of
}

// Way tells why a way does not work here, nil if it does.
func (c Capabilities) Way(w Way) error {
	switch w {
	case Filter:
		return c.Filter
	case Sentinel:
		return c.Sentinel
	case MinTTL:
		return c.MinTTL
	default:
		return errors.New("it turns nobody away")
	}
}

// Probe tries once, on own sockets at the loopback, what works here. It takes some ten milliseconds. What works on own
// sockets may be refused for those of another program: see MayDuplicate and Listener.Foresee.
var Probe = sync.OnceValue(probe)

func probe() Capabilities {
	c := Capabilities{Filter: tryWay(Filter), Sentinel: tryWay(Sentinel), MinTTL: tryWay(MinTTL)}
	c.See, c.Destroy = tryConnection()
	return c
}

// MayDuplicate tries whether the sockets of a process can be duplicated (pidfd_getfd(2)), by its descriptor 0, which
// need not be open. A process that is gone, and not reaped, answers as well.
func MayDuplicate(pid int) error {
	if err := sockdiag.NoProc(); err != nil {
		return fmt.Errorf("its sockets cannot be found: %w", err)
	}
	pidfd, err := sockdiag.OpenProcess(pid)
	if err != nil {
		return explain("pidfd_open", err, duplicateWords)
	}
	defer unix.Close(pidfd)
	dup, err := unix.PidfdGetfd(pidfd, 0, 0)
	switch err {
	case nil:
		unix.Close(dup)
		return nil
	case unix.EBADF: // what is allowed is asked first
		return nil
	default:
		return explain("pidfd_getfd", err, duplicateWords)
	}
}

// loopbackListener listens at a free port of the loopback, over IPv6 where there is no IPv4.
func loopbackListener() (fd int, t target, err error) {
	for _, domain := range []int{unix.AF_INET, unix.AF_INET6} {
		t = target{domain: domain, addr: netip.AddrPortFrom(loopback(domain)[0], 0)}
		fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
		if err != nil {
			continue
		}
		var sa unix.Sockaddr
		if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
			if err = unix.Bind(fd, toSockaddr(domain, t.addr)); err == nil {
				if err = unix.Listen(fd, 8); err == nil {
					sa, err = unix.Getsockname(fd)
				}
			}
		}
		if err == nil {
			t.addr, _ = fromSockaddr(sa)
			return fd, t, nil
		}
		unix.Close(fd)
	}
	return -1, t, fmt.Errorf("cannot listen at the loopback: %w", err)
}

func tryWay(w Way) error {
	fd, _, err := loopbackListener()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	l, err := Own(fd)
	if err != nil {
		return err
	}
	defer l.Close()
	_, err = l.Quiesce(w)
	var refused *RefusedError
	if errors.As(err, &refused) {
		return refused.Refusals[0].Err
	}
	if err != nil {
		return err
	}
	return l.Undo()
}

// tryConnection makes an own connection, looks at it, and ends it from outside.
func tryConnection() (see, destroy error) {
	fd, t, err := loopbackListener()
	if err != nil {
		return err, err
	}
	defer unix.Close(fd)
	client, err := knock(t, 0)
	if err != nil {
		return err, err
	}
	defer reset(client)
	if in, err := established(client); err != nil || !in {
		err = errors.Join(ErrUnproven, err)
		return err, err
	}
	server, sa, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
	if err != nil {
		err = fmt.Errorf("cannot accept an own connection: %w", err)
		return err, err
	}
	defer unix.Close(server)
	p := Preconnect{Local: t.addr}
	p.Remote, _ = fromSockaddr(sa)
	if see = p.look(); see != nil {
		return see, see
	}
	return nil, p.destroy()
}
