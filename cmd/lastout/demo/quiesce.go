package demo

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The bounds of closing a door: how long nobody must have come in after it was shut, and how long that may take at
// most. A handshake over loopback takes microseconds.
const (
	doorSilence = 150 * time.Millisecond
	doorBound   = time.Second
)

// door is a listener that can be shut without loss. Closing a listener resets whoever waits in its accept queue, with
// his request already sent; so a door first turns new arrivals away, lets everybody in who is in the queue, and is
// closed then.
type door struct {
	net.Listener
	shut     atomic.Bool
	sentinel int // descriptor of the socket that takes and drops new arrivals; -1: there is none
	until    time.Time
	said     func(string)
}

func newDoor(l net.Listener, said func(string)) *door {
	return &door{Listener: l, sentinel: -1, said: said}
}

// Shut begins it. Accept returns net.ErrClosed once the queue is empty; only then is the listener to be closed.
func (d *door) Shut() {
	if err := d.turnAway(); err != nil {
		d.said(fmt.Sprintf("cannot turn new connections away: %v; closing after the queue is empty", err))
	}
	d.until = time.Now().Add(doorBound)
	d.shut.Store(true)
	d.await()
}

// Accept lets people in until the door is shut and nobody has come for a while.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		switch {
		case err == nil && d.shut.Load():
			d.await()
			return conn, nil
		case err == nil:
			return conn, nil
		case errors.Is(err, syscall.ECONNABORTED):
			continue
		case errors.Is(err, syscall.EINVAL), isTimeout(err): // a unix socket shut and empty; a silence after the last
			return nil, net.ErrClosed
		}
		return nil, err
	}
}

// Close closes the listener, then the sentinel: in between nobody could get in.
func (d *door) Close() error {
	err := d.Listener.Close()
	if d.sentinel >= 0 {
		unix.Close(d.sentinel)
		d.sentinel = -1
	}
	return err
}

// await bounds the next Accept by the silence that ends it all.
func (d *door) await() {
	if l, ok := d.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		next := time.Now().Add(doorSilence)
		if next.After(d.until) {
			next = d.until
		}
		l.SetDeadline(next)
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// turnAway keeps new connections out while those in the queue, and handshakes under way, stay with the listener.
func (d *door) turnAway() error {
	switch l := d.Listener.(type) {
	case *net.UnixListener:
		return shutUnix(l)
	case *net.TCPListener:
		var err error
		d.sentinel, err = standBefore(l)
		return err
	}
	return fmt.Errorf("unknown kind of listener %T", d.Listener)
}

// shutUnix ends the receiving side: the kernel refuses new connections at once and still hands out the queued ones
// (unix_stream_connect in net/unix/af_unix.c). Accept then fails with EINVAL.
func shutUnix(l *net.UnixListener) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.Shutdown(int(fd), unix.SHUT_RD) })
	return errors.Join(err, failed)
}

// standBefore opens a sentinel: a second socket on the same address, in the same SO_REUSEPORT group (socket(7)), which
// the group's program hands every new SYN, and which drops it because no packet has a TTL of 255 (IP_MINTTL, ip(7)).
// Handshakes under way are found by their own entry and stay with the first socket.
func standBefore(l *net.TCPListener) (int, error) {
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return -1, errors.New("not a TCP address")
	}
	raw, err := l.SyscallConn()
	if err != nil {
		return -1, err
	}
	family, sa := unix.AF_INET, unix.Sockaddr(nil)
	if ip := addr.IP.To4(); ip != nil {
		sa = &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(ip)}
	} else {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: addr.Port, Addr: [16]byte(addr.IP.To16())}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if err := prepareSentinel(fd, family, sa); err != nil {
		unix.Close(fd)
		return -1, err
	}
	var failed error
	err = raw.Control(func(listener uintptr) {
		// The first socket of the group is the listener, the second the sentinel: "return 1" is the whole program.
		program := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 1}}
		failed = unix.SetsockoptSockFprog(int(listener), unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	})
	if err = errors.Join(err, failed); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// prepareSentinel makes the socket drop everything before it listens.
func prepareSentinel(fd, family int, sa unix.Sockaddr) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return fmt.Errorf("SO_REUSEPORT: %w", err)
	}
	level, option := unix.IPPROTO_IP, unix.IP_MINTTL
	if family == unix.AF_INET6 {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT
	}
	if err := unix.SetsockoptInt(fd, level, option, 255); err != nil {
		return fmt.Errorf("minimum TTL: %w", err)
	}
	if family == unix.AF_INET6 {
		// A socket of both families hears IPv4 too.
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MINTTL, 255); err != nil {
			return fmt.Errorf("minimum TTL: %w", err)
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			return fmt.Errorf("IPV6_V6ONLY: %w", err)
		}
	}
	if err := unix.Bind(fd, sa); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return unix.Listen(fd, 0)
}
