package quiesce

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Capabilities is what works here, tried on own sockets. An error says why something does not.
type Capabilities struct {
	Duplicate error // of another process's sockets: whether the system call may be had at all
	Filter    error
	Sentinel  error
	MinTTL    error
	Destroy   error // SOCK_DESTROY, for preconnects where Duplicate is refused
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

// Words say what works here, for people, a line each.
func (c Capabilities) Words() []string {
	line := func(what string, err error) string {
		if err == nil {
			return what + ": yes"
		}
		return what + ": no, " + err.Error()
	}
	return []string{
		line("sockets of other processes (pidfd_getfd)", c.Duplicate),
		line("turning connections away by a filter", c.Filter),
		line("turning connections away by a sentinel", c.Sentinel),
		line("turning connections away by a minimum TTL", c.MinTTL),
		line("ending connections by SOCK_DESTROY", c.Destroy),
	}
}

// Probe tries once, on own sockets at the loopback, what works here. What works on own sockets may be refused for those
// of another user.
var Probe = sync.OnceValue(func() Capabilities {
	return Capabilities{
		Duplicate: tryDuplicate(),
		Filter:    tryWay(Filter),
		Sentinel:  tryWay(Sentinel),
		MinTTL:    tryWay(MinTTL),
		Destroy:   tryDestroy(),
	}
})

func tryDuplicate() error {
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return explain("pidfd_open", err, duplicateWords)
	}
	defer unix.Close(pidfd)
	dup, err := unix.PidfdGetfd(pidfd, pidfd, 0)
	if err != nil {
		return explain("pidfd_getfd", err, duplicateWords)
	}
	unix.Close(dup)
	return nil
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

func tryDestroy() error {
	fd, t, err := loopbackListener()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	client, err := knock(t, 0)
	if err != nil {
		return err
	}
	defer reset(client)
	if in, err := established(client); err != nil || !in {
		return errors.Join(ErrUnproven, err)
	}
	server, sa, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
	if err != nil {
		return fmt.Errorf("cannot accept an own connection: %w", err)
	}
	defer unix.Close(server)
	p := Preconnect{Local: t.addr}
	p.Remote, _ = fromSockaddr(sa)
	return p.destroy()
}
