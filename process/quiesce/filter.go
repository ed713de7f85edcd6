package quiesce

import (
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// synFilter is a classic BPF program (socket(7), SO_ATTACH_FILTER) that drops a segment with SYN and without ACK and
// keeps all else. In a filter of a TCP socket the packet begins at the TCP header, over IPv4 and IPv6 alike, whose
// flags are its byte 13.
var synFilter = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13},
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x12},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x02, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
}

func program(p []unix.SockFilter) *unix.SockFprog {
	return &unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
}

// filterOf reads the filter of a socket. An error says that it has one that cannot be read, which eBPF programs cannot.
func filterOf(fd int) ([]unix.SockFilter, error) {
	n, err := getsockopt(fd, unix.SOL_SOCKET, unix.SO_GET_FILTER, nil, 0)
	if err != nil || n == 0 {
		return nil, err
	}
	p := make([]unix.SockFilter, n)
	n, err = getsockopt(fd, unix.SOL_SOCKET, unix.SO_GET_FILTER, unsafe.Pointer(&p[0]), uintptr(n))
	return p[:min(n, len(p))], err
}

var filterWords = map[unix.Errno]string{
	unix.EPERM:       "it needs CAP_NET_ADMIN, and a filter that the program has not locked",
	unix.EOPNOTSUPP:  "a listener of MPTCP takes none",
	unix.ENOPROTOOPT: "this kind of socket takes none",
}

// filtered says whether a socket has our filter, left by an earlier life of ours; one of its program is an error.
func filtered(fd int) (bool, error) {
	switch has, err := filterOf(fd); {
	case err == unix.EACCES || len(has) > 0 && !slices.Equal(has, synFilter):
		return false, ErrOwnFilter
	case err != nil:
		return false, explain("cannot read its filter", err, filterWords)
	default:
		return len(has) > 0, nil
	}
}

// attachFilter makes a socket drop each SYN.
func attachFilter(s *socket) error {
	if ours, err := filtered(s.fd); ours || err != nil {
		return err
	}
	err := unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, program(synFilter))
	if err != nil {
		return explain("cannot attach a filter", err, filterWords)
	}
	if has, err := filterOf(s.fd); err != nil || !slices.Equal(has, synFilter) {
		return fmt.Errorf("%w: the filter is not there when it is read back", ErrUnproven)
	}
	return nil
}

// detachFilter leaves a filter alone that is not ours.
func detachFilter(s *socket) error {
	if has, err := filterOf(s.fd); err != nil || !slices.Equal(has, synFilter) {
		return nil
	}
	err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	return explain("cannot detach the filter", err, filterWords)
}
