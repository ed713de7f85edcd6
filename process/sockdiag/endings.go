package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// endingGroups are the multicast groups on which the kernel tells of each TCP socket that it destroys, over IPv4 and
// IPv6 (SKNLGRP_INET_TCP_DESTROY and SKNLGRP_INET6_TCP_DESTROY in linux/sock_diag.h, since Linux 4.3). No privilege is
// needed to hear them.
const endingGroups = 1<<0 | 1<<2

// endingBuffer is what may be told between two reads, if the limit in net.core.rmem_max allows it.
const endingBuffer = 4 << 20

// Endings hears of connections that end, with what the kernel last knew of them. Only so is anything known of one that
// was there at one look and is gone at the next.
type Endings struct {
	fd  int
	buf []byte
}

// OpenEndings begins to listen.
func OpenEndings() (*Endings, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("cannot hear of connections that end: %w", err)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, endingBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, endingBuffer) // as much as we may have
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: endingGroups}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot hear of connections that end: %w", err)
	}
	return &Endings{fd: fd, buf: make([]byte, 16<<10)}, nil
}

// Read shows what has ended since the last call, of all TCP sockets of our network namespace, and does not wait. The
// sample is reused: copy what is kept. It is in state Closed, and has no inode. Missed says that more ended than there
// was room for.
func (e *Endings) Read(visit func(*Sample)) (missed bool, err error) {
	var s Sample
	for {
		n, from, err := unix.Recvfrom(e.fd, e.buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return missed, nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS):
			missed = true
			continue
		case err != nil:
			return missed, fmt.Errorf("cannot hear of connections that end: %w", err)
		}
		if a, ok := from.(*unix.SockaddrNetlink); !ok || a.Pid != 0 {
			continue
		}
		for b := e.buf[:n]; len(b) >= unix.NLMSG_HDRLEN; {
			size := int(binary.NativeEndian.Uint32(b))
			if size < unix.NLMSG_HDRLEN || size > len(b) {
				break
			}
			if binary.NativeEndian.Uint16(b[4:]) == byFamily && s.parse(b[unix.NLMSG_HDRLEN:size]) {
				visit(&s)
			}
			b = b[min(align(size), len(b)):]
		}
	}
}

// Wait waits until there is something to read, for bound at most: the kernel tells of a connection a moment after its end.
func (e *Endings) Wait(bound time.Duration) {
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(e.fd), Events: unix.POLLIN}}, int(max(bound, 0)/time.Millisecond))
}

// Close ends it.
func (e *Endings) Close() error { return unix.Close(e.fd) }

// CutOff says of a connection that has ended, or that its program has closed, whether its client was left without
// something: an answer, or a part of it. What is still in the queues of one that was closed is on its way. A client that
// gave up before its answer cannot be told from one that was cut off.
func (s *Sample) CutOff() bool {
	const end = 1 // an end (FIN) counts as one byte
	switch {
	case !s.Info.KnowsBytes() || s.Info.BytesReceived <= end:
		return false // a preconnect
	case s.Unread > end:
		return true
	case s.Unsent > end:
		return s.State == Closed
	case s.Info.BytesAcked <= end:
		return true
	default:
		return s.Info.LastReceived < s.Info.LastSent
	}
}
