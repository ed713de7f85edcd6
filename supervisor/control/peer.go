package control

import (
	"context"
	"errors"
	"net"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"
)

// Right is what somebody may do.
type Right uint8

// The rights. Each includes those before it.
const (
	Nothing Right = iota
	Look
	Operate
)

// Access says who may do what over the socket. Root and the owner may do everything.
type Access struct {
	Owner  uint32
	Others map[uint32]Right
}

// Of is the right of a user.
func (a Access) Of(uid uint32) Right {
	if uid == 0 || uid == a.Owner {
		return Operate
	}
	return a.Others[uid]
}

// Peer is who is at the other end of a connection, as the kernel knows it: who connected, whoever he may be by now.
type Peer struct {
	PID int32 // 0: in a PID namespace that we do not see
	UID uint32
}

// String is the peer for people: "root (pid 4711)".
func (p Peer) String() string {
	name := "uid " + strconv.FormatUint(uint64(p.UID), 10)
	if u, err := user.LookupId(strconv.FormatUint(uint64(p.UID), 10)); err == nil {
		name = u.Username
	}
	if p.PID == 0 {
		return name
	}
	return name + " (pid " + strconv.Itoa(int(p.PID)) + ")"
}

var errNoPeer = errors.New("no unix socket")

// peerOf asks the kernel (SO_PEERCRED in unix(7)).
func peerOf(c net.Conn) (Peer, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return Peer{}, errNoPeer
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, failed); err != nil {
		return Peer{}, err
	}
	return Peer{PID: cred.Pid, UID: cred.Uid}, nil
}

type peerKey struct{}

// withPeer keeps who is at the other end for the requests of a connection.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	peer, err := peerOf(c)
	if err != nil {
		return ctx // nobody: he may do nothing
	}
	return context.WithValue(ctx, peerKey{}, peer)
}

// peerIn is who asks; false: it is not known.
func peerIn(ctx context.Context) (Peer, bool) {
	peer, ok := ctx.Value(peerKey{}).(Peer)
	return peer, ok
}
