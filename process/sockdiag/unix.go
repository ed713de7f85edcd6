package sockdiag

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// What a request for UNIX sockets asks for, and the attributes of an answer (linux/unix_diag.h).
const (
	unixShow     = 1<<0 | 1<<2 | 1<<4 // UDIAG_SHOW_NAME, _PEER, _RQLEN
	unixAttrName = 0
	unixAttrPeer = 2
	unixAttrRQ   = 4

	sizeUnixRequest = 24
	sizeUnixMessage = 16
)

// UnixSample is what was read of one UNIX socket at one moment. The kernel does not keep when anything happened on
// it.
type UnixSample struct {
	State State // Listening, Established, or Closed where it is not connected
	Type  uint8 // SOCK_STREAM, SOCK_SEQPACKET or SOCK_DGRAM
	Inode uint32
	Peer  uint32 // inode of the other end; 0 is none, or one that was not accepted yet
	Path  string // also of the sockets that a listener accepted; an abstract one begins with @
	// Unread is what the program has not read, in bytes; of a listener how many connections wait to be accepted.
	Unread uint32
	// Unsent is the memory of what the other end has not read; of a listener its backlog.
	Unsent uint32
}

// Class judges a UNIX socket by its queues alone: a connection whose queues are empty is taken for idle, whoever
// spoke last.
func (u *UnixSample) Class() Class {
	switch {
	case u.State == Listening && u.Unread > 0:
		return Queued
	case u.State != Established:
		return None
	case u.Unread > 0:
		return Unread
	case u.Unsent > 0:
		return Sending
	default:
		return Idle
	}
}

// Unix shows each UNIX socket in one of the states; 0 is all of them. The sample is reused: copy what is kept.
// Sockets that nobody has accepted yet are not shown, only counted at their listener.
func (d *Diag) Unix(states States, visit func(*UnixSample)) error {
	if states == 0 {
		states = AllStates
	}
	b := make([]byte, sizeUnixRequest)
	b[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(b[4:], uint32(states))
	binary.NativeEndian.PutUint32(b[12:], unixShow)
	var u UnixSample
	err := d.dump(b, func(answer []byte) {
		if u.parse(answer) {
			visit(&u)
		}
	})
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("the kernel has no unix_diag: %w", err)
	}
	return err
}

// parse reads one struct unix_diag_msg with its attributes.
func (u *UnixSample) parse(b []byte) bool {
	if len(b) < sizeUnixMessage {
		return false
	}
	*u = UnixSample{Type: b[1], State: State(b[2]), Inode: binary.NativeEndian.Uint32(b[4:])}
	for kind, value, rest, ok := attribute(b[sizeUnixMessage:]); ok; kind, value, rest, ok = attribute(rest) {
		switch {
		case kind == unixAttrName:
			u.Path = unixPath(value)
		case kind == unixAttrPeer && len(value) >= 4:
			u.Peer = binary.NativeEndian.Uint32(value)
		case kind == unixAttrRQ && len(value) >= 8:
			u.Unread, u.Unsent = binary.NativeEndian.Uint32(value), binary.NativeEndian.Uint32(value[4:])
		}
	}
	return true
}

// unixPath writes a name as unix(7) suggests and everybody does: a leading zero byte, which makes it abstract, as @.
func unixPath(b []byte) string {
	if len(b) > 0 && b[0] == 0 {
		return "@" + string(b[1:])
	}
	return string(bytes.TrimRight(b, "\x00"))
}
