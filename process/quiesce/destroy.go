package quiesce

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The numbers of sock_diag(7) and linux/inet_diag.h, linux/sock_diag.h that x/sys does not name.
const (
	sockDiagByFamily = 20
	sockDestroy      = 21
	inetDiagInfo     = 2 // the attribute with TCP_INFO
	diagReqSize      = 56
	diagMsgSize      = 72
	diagMsgRqueue    = 56 // offset of idiag_rqueue
	diagMsgCookie    = 44
)

// diagRequest is struct inet_diag_req_v2 for exactly one connection. The cookie tells it from a later one with the same
// addresses; all ones stand for any.
func diagRequest(local, remote netip.AddrPort, cookie uint64) []byte {
	b := make([]byte, diagReqSize)
	la, ra := local.Addr().Unmap(), remote.Addr().Unmap()
	b[0] = unix.AF_INET6
	if la.Is4() {
		b[0] = unix.AF_INET
	}
	b[1] = unix.IPPROTO_TCP
	b[2] = 1 << (inetDiagInfo - 1)
	binary.NativeEndian.PutUint32(b[4:], 1<<32-1)
	binary.BigEndian.PutUint16(b[8:], local.Port())
	binary.BigEndian.PutUint16(b[10:], remote.Port())
	copy(b[12:28], la.AsSlice())
	copy(b[28:44], ra.AsSlice())
	if cookie == 0 {
		cookie = 1<<64 - 1
	}
	binary.NativeEndian.PutUint32(b[48:], uint32(cookie))
	binary.NativeEndian.PutUint32(b[52:], uint32(cookie>>32))
	return b
}

// destroy looks at the connection once more and ends it.
func (p Preconnect) destroy() error {
	nl, err := diag()
	if err != nil {
		return err
	}
	defer unix.Close(nl)
	cookie, err := p.judge(nl)
	if err != nil {
		return err
	}
	_, err = exchange(nl, sockDestroy, unix.NLM_F_REQUEST|unix.NLM_F_ACK, diagRequest(p.Local, p.Remote, cookie))
	return explain("SOCK_DESTROY", err, map[unix.Errno]string{
		unix.EPERM:      "it needs CAP_NET_ADMIN",
		unix.EOPNOTSUPP: "the kernel is built without CONFIG_INET_DIAG_DESTROY",
	})
}

// look says whether the connection is still a preconnect.
func (p Preconnect) look() error {
	nl, err := diag()
	if err != nil {
		return err
	}
	defer unix.Close(nl)
	_, err = p.judge(nl)
	return err
}

func diag() (int, error) {
	nl, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return -1, fmt.Errorf("cannot ask sock_diag: %w", err)
	}
	return nl, nil
}

// judge asks the kernel whether the connection is still a preconnect, and for its cookie.
func (p Preconnect) judge(nl int) (uint64, error) {
	reply, err := exchange(nl, sockDiagByFamily, unix.NLM_F_REQUEST, diagRequest(p.Local, p.Remote, p.Cookie))
	if err != nil {
		return 0, explain("cannot ask sock_diag about it", err, nil)
	}
	return judgeReply(reply)
}

// judgeReply says by a struct inet_diag_msg and its attributes whether a connection is a preconnect, and its cookie.
func judgeReply(b []byte) (uint64, error) {
	if len(b) < diagMsgSize {
		return 0, errors.New("sock_diag gave a short answer")
	}
	cookie := uint64(binary.NativeEndian.Uint32(b[diagMsgCookie:])) |
		uint64(binary.NativeEndian.Uint32(b[diagMsgCookie+4:]))<<32
	unread := binary.NativeEndian.Uint32(b[diagMsgRqueue:])
	for attrs := b[diagMsgSize:]; len(attrs) >= unix.SizeofRtAttr; {
		n := int(binary.NativeEndian.Uint16(attrs))
		if n < unix.SizeofRtAttr || n > len(attrs) {
			break
		}
		if binary.NativeEndian.Uint16(attrs[2:]) == inetDiagInfo {
			var info unix.TCPInfo
			copy(unsafe.Slice((*byte)(unsafe.Pointer(&info)), unsafe.Sizeof(info)), attrs[unix.SizeofRtAttr:n])
			return cookie, judge(info.State, info.Bytes_received, unread)
		}
		attrs = attrs[min((n+3)&^3, len(attrs)):]
	}
	return 0, errors.New("sock_diag gave no TCP_INFO")
}

// exchange sends one netlink message and returns what the answer carries (netlink(7)).
func exchange(nl int, kind, flags uint16, body []byte) ([]byte, error) {
	msg := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(body))
	binary.NativeEndian.PutUint32(msg[0:], uint32(unix.SizeofNlMsghdr+len(body)))
	binary.NativeEndian.PutUint16(msg[4:], kind)
	binary.NativeEndian.PutUint16(msg[6:], flags)
	msg = append(msg, body...)
	if err := unix.Sendto(nl, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	buf := make([]byte, 8192)
	n, _, err := unix.Recvfrom(nl, buf, 0)
	if err != nil {
		return nil, err
	}
	if n < unix.SizeofNlMsghdr+4 {
		return nil, errors.New("netlink gave a short answer")
	}
	answer := buf[unix.SizeofNlMsghdr:n]
	if binary.NativeEndian.Uint16(buf[4:]) != unix.NLMSG_ERROR {
		return answer, nil
	}
	switch errno := unix.Errno(-int32(binary.NativeEndian.Uint32(answer))); errno {
	case 0:
		return answer, nil
	case unix.ENOENT:
		return nil, ErrGone
	default:
		return nil, errno
	}
}
