package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// byFamily is the one message type of sock_diag(7), SOCK_DIAG_BY_FAMILY.
const byFamily = 20

// patience bounds each wait for the kernel. It answers a dump within the call, so this is for a kernel that is
// broken.
const patience = 5 * time.Second

// ErrInterrupted says that sockets changed under a dump so that the kernel itself does not vouch for it
// (NLM_F_DUMP_INTR in netlink(7)), or that a part of it did not fit. What was seen may be incomplete: ask again.
var ErrInterrupted = errors.New("the dump of sockets was interrupted")

// Diag asks the kernel about the sockets of our network namespace. It needs no privilege and may be used from several
// goroutines, which then wait for each other.
type Diag struct {
	// Proc is where proc(5) is mounted; empty is /proc.
	Proc string

	mu  sync.Mutex
	fd  int
	seq uint32
	buf []byte
}

// Open makes the netlink socket over which the kernel is asked.
func Open() (*Diag, error) {
	d := &Diag{fd: -1, buf: make([]byte, 64<<10)} // the kernel fills at most 32 KiB at a time
	if err := d.connect(); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Diag) connect() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("cannot ask the kernel about sockets: %w", err)
	}
	wait := unix.NsecToTimeval(int64(patience))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		unix.Close(fd)
		return fmt.Errorf("cannot ask the kernel about sockets: %w", err)
	}
	d.fd = fd
	return nil
}

// Close gives the netlink socket back.
func (d *Diag) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	fd := d.fd
	d.fd = -1
	if fd < 0 {
		return nil
	}
	return unix.Close(fd)
}

// dump sends a request and shows each answer, which is valid during the call only.
func (d *Diag) dump(request []byte, visit func(answer []byte)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fd < 0 {
		if err := d.connect(); err != nil {
			return err
		}
	}
	d.seq++
	err := d.ask(request)
	if err == nil {
		err = d.listen(visit)
	}
	if err != nil && !errors.Is(err, ErrInterrupted) {
		unix.Close(d.fd) // the kernel may still be busy with this dump; a new socket knows nothing of it
		d.fd = -1
	}
	return err
}

// ask sends the request; nlmsghdr is described in netlink(7).
func (d *Diag) ask(request []byte) error {
	message := make([]byte, 0, unix.NLMSG_HDRLEN+len(request))
	message = binary.NativeEndian.AppendUint32(message, uint32(unix.NLMSG_HDRLEN+len(request)))
	message = binary.NativeEndian.AppendUint16(message, byFamily)
	message = binary.NativeEndian.AppendUint16(message, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	message = binary.NativeEndian.AppendUint32(message, d.seq)
	message = binary.NativeEndian.AppendUint32(message, 0) // our port: the kernel fills it in
	message = append(message, request...)
	if err := unix.Sendto(d.fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("cannot ask the kernel about sockets: %w", err)
	}
	return nil
}

// listen takes datagrams until the kernel says that the dump is complete.
func (d *Diag) listen(visit func([]byte)) error {
	interrupted := false
	for {
		n, from, err := unix.Recvfrom(d.fd, d.buf, unix.MSG_TRUNC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot read the kernel's list of sockets: %w", err)
		}
		if a, ok := from.(*unix.SockaddrNetlink); !ok || a.Pid != 0 {
			continue // anybody may write to a netlink socket; only the kernel is port 0
		}
		if n > len(d.buf) {
			n, interrupted = len(d.buf), true
		}
		done, broken, err := d.messages(d.buf[:n], visit)
		interrupted = interrupted || broken
		switch {
		case err != nil:
			return err
		case done && interrupted:
			return ErrInterrupted
		case done:
			return nil
		}
	}
}

// messages walks through one datagram.
func (d *Diag) messages(b []byte, visit func([]byte)) (done, interrupted bool, err error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return false, true, nil // the rest was cut off
		}
		kind, flags := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:])
		seq, body := binary.NativeEndian.Uint32(b[8:]), b[unix.NLMSG_HDRLEN:size]
		b = b[min(align(size), len(b)):]
		if seq != d.seq {
			continue
		}
		interrupted = interrupted || flags&unix.NLM_F_DUMP_INTR != 0
		switch kind {
		case unix.NLMSG_DONE, unix.NLMSG_ERROR:
			return true, interrupted, outcome(body)
		case byFamily:
			visit(body)
		}
	}
	return false, interrupted, nil
}

// outcome is the errno that ends a dump, negative or 0.
func outcome(body []byte) error {
	if len(body) < 4 {
		return nil
	}
	if code := int32(binary.NativeEndian.Uint32(body)); code < 0 {
		return fmt.Errorf("cannot list sockets: %w", syscall.Errno(-code))
	}
	return nil
}

// align rounds up to the four bytes on which netlink messages and attributes begin.
func align(n int) int { return (n + 3) &^ 3 }

// attribute takes the first attribute off; rest is nil at the end or where it is malformed.
func attribute(b []byte) (kind uint16, value, rest []byte, ok bool) {
	if len(b) < unix.SizeofRtAttr {
		return 0, nil, nil, false
	}
	size := int(binary.NativeEndian.Uint16(b))
	if size < unix.SizeofRtAttr || size > len(b) {
		return 0, nil, nil, false
	}
	kind = binary.NativeEndian.Uint16(b[2:]) &^ (1<<15 | 1<<14) // the flags for nested and network order
	return kind, b[unix.SizeofRtAttr:size], b[min(align(size), len(b)):], true
}
