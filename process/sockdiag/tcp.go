package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Attributes of an answer (linux/inet_diag.h). The first is the filter of a request.
const (
	attrBytecode = 1
	attrInfo     = 2
	attrShutdown = 8
	attrV6Only   = 11
)

// Sizes of struct inet_diag_req_v2 and struct inet_diag_msg.
const (
	sizeRequest = 56
	sizeMessage = 72
)

// Query names the TCP sockets that are wanted.
type Query struct {
	Network string   // tcp4 or tcp6; empty is both, for which the kernel walks through its table twice
	Ports   []uint16 // local ports; nil is all of them
	States  States   // 0 is all of them
	// NoInfo leaves out TCP_INFO, for whoever wants states and queues alone.
	NoInfo bool
}

// repeats is how often a list is asked for again when the kernel says that it was interrupted.
const repeats = 5

// List returns the sockets that the query names, in a slice that reuses the memory of buf. It asks again where a
// dump was interrupted.
func (d *Diag) List(q Query, buf []Sample) ([]Sample, error) {
	err := Repeat(func() error {
		buf = buf[:0]
		return d.TCP(q, func(s *Sample) { buf = append(buf, *s) })
	})
	return buf, err
}

// Repeat asks again while the kernel says that it was interrupted. What a dump was shown before counts no more then.
func Repeat(dump func() error) error {
	var err error
	for range repeats {
		if err = dump(); !errors.Is(err, ErrInterrupted) {
			return err
		}
	}
	return err
}

// TCP shows each TCP socket that the query names, over IPv4 and then IPv6. The sample is reused: copy what is kept.
// After ErrInterrupted what was shown may be incomplete; the caller starts over.
//
// It is not a snapshot. The kernel walks through its table while connections come and go: one that changes its state
// meanwhile may be shown twice, or in the old state, and a very young one may be missed.
func (d *Diag) TCP(q Query, visit func(*Sample)) error {
	ranges, exact := portRanges(q.Ports)
	if q.Ports != nil && len(ranges) == 0 {
		return nil
	}
	wanted := make(map[uint16]bool)
	if !exact {
		for _, p := range q.Ports {
			wanted[p] = true
		}
	}
	interrupted := false
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if q.Network == "tcp4" && family != unix.AF_INET || q.Network == "tcp6" && family != unix.AF_INET6 {
			continue
		}
		var s Sample
		err := d.dump(tcpRequest(family, q, ranges), func(answer []byte) {
			if s.parse(answer) && (exact || wanted[s.Local.Port()]) {
				visit(&s)
			}
		})
		switch {
		case errors.Is(err, ErrInterrupted):
			interrupted = true
		case errors.Is(err, unix.ENOENT) && family == unix.AF_INET6:
		case errors.Is(err, unix.ENOENT):
			return fmt.Errorf("the kernel has no tcp_diag: %w", err)
		case err != nil:
			return err
		}
	}
	if interrupted {
		return ErrInterrupted
	}
	return nil
}

// tcpRequest writes a struct inet_diag_req_v2 and its filter. The kernel compares a single port before it looks at
// anything else of a socket, which the filter language cannot have.
func tcpRequest(family uint8, q Query, ranges []portRange) []byte {
	states := q.States
	if states == 0 {
		states = AllStates
	}
	ext := uint8(1<<(attrInfo-1) | 1<<(attrShutdown-1))
	if q.NoInfo {
		ext = 1 << (attrShutdown - 1)
	}
	b := make([]byte, sizeRequest, sizeRequest+4+20*len(ranges))
	b[0], b[1], b[2] = family, unix.IPPROTO_TCP, ext
	binary.NativeEndian.PutUint32(b[4:], uint32(states))
	if len(ranges) == 1 && ranges[0].low == ranges[0].high {
		binary.BigEndian.PutUint16(b[8:], ranges[0].low)
	}
	for i := range 8 {
		b[48+i] = 0xff // no cookie
	}
	if len(ranges) > 0 {
		code := bytecode(ranges)
		b = binary.NativeEndian.AppendUint16(b, uint16(4+len(code)))
		b = binary.NativeEndian.AppendUint16(b, attrBytecode)
		b = append(b, code...)
	}
	return b
}

// parse reads one struct inet_diag_msg with its attributes, and allocates nothing.
func (s *Sample) parse(b []byte) bool {
	if len(b) < sizeMessage {
		return false
	}
	*s = Sample{
		IPv6:        b[0] == unix.AF_INET6,
		State:       State(b[1]),
		Timer:       b[2],
		Retransmits: b[3],
		Local:       address(b[0], b[8:24], binary.BigEndian.Uint16(b[4:])),
		Peer:        address(b[0], b[24:40], binary.BigEndian.Uint16(b[6:])),
		Cookie:      uint64(binary.NativeEndian.Uint32(b[44:])) | uint64(binary.NativeEndian.Uint32(b[48:]))<<32,
		Expires:     binary.NativeEndian.Uint32(b[52:]),
		Unread:      binary.NativeEndian.Uint32(b[56:]),
		Unsent:      binary.NativeEndian.Uint32(b[60:]),
		UID:         binary.NativeEndian.Uint32(b[64:]),
		Inode:       binary.NativeEndian.Uint32(b[68:]),
	}
	if s.State == newSynRecv {
		s.State = SynRecv
	}
	for kind, value, rest, ok := attribute(b[sizeMessage:]); ok; kind, value, rest, ok = attribute(rest) {
		switch {
		case kind == attrInfo:
			s.Info.parse(value)
		case kind == attrShutdown && len(value) == 1:
			s.Shutdown = value[0]
		case kind == attrV6Only && len(value) == 1:
			s.V6Only = value[0] != 0
		}
	}
	return true
}

// address keeps an IPv4 client of an IPv6 socket in its mapped form; Connection shows it plainly.
func address(family uint8, b []byte, port uint16) netip.AddrPort {
	if family == unix.AF_INET6 {
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), port)
}

// parse reads a struct tcp_info (linux/tcp.h), which has grown at its end over the years: what an older kernel does
// not tell stays zero, and Size says so.
func (i *Info) parse(b []byte) {
	i.Size = uint16(min(len(b), 1<<15))
	u32 := func(at int) uint32 {
		if at+4 > len(b) {
			return 0
		}
		return binary.NativeEndian.Uint32(b[at:])
	}
	u64 := func(at int) uint64 {
		if at+8 > len(b) {
			return 0
		}
		return binary.NativeEndian.Uint64(b[at:])
	}
	i.RTO = u32(8)
	i.LastSent, i.LastReceived, i.LastAck = u32(44), u32(52), u32(56)
	i.RTT = u32(68)
	i.BytesAcked, i.BytesReceived = u64(120), u64(128)
	i.SegmentsOut, i.SegmentsIn = u32(136), u32(140)
	i.DataIn, i.DataOut = u32(152), u32(156)
}
