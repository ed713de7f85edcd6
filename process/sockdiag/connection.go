package sockdiag

import (
	"net/netip"
	"time"
)

// Connection is what a report says of one connection. Durations are before the moment at which it was read.
type Connection struct {
	Local        netip.AddrPort `json:"local"`
	Peer         netip.AddrPort `json:"peer"`
	State        string         `json:"state"`
	Class        string         `json:"class"`
	In           uint64         `json:"bytes_in"`       // received
	Out          uint64         `json:"bytes_out"`      // sent and acknowledged
	Unread       uint32         `json:"unread"`         // received, and not read by the program
	Unsent       uint32         `json:"unacknowledged"` // written by the program, and not acknowledged
	LastReceived time.Duration  `json:"last_received_ns"`
	LastSent     time.Duration  `json:"last_sent_ns"`
	// Age is known of a connection on which nothing was ever sent: the kernel keeps no other record of the
	// handshake. It is -1 where it is not known.
	Age    time.Duration `json:"age_ns"`
	Inode  uint32        `json:"inode,omitempty"`
	UID    uint32        `json:"uid"`
	Cookie uint64        `json:"cookie"`
}

// Connection describes a sample for people. An IPv4 client of an IPv6 listener is shown by its IPv4 address.
func (s *Sample) Connection() Connection {
	c := Connection{
		Local: unmapped(s.Local), Peer: unmapped(s.Peer), State: s.State.String(), Class: Classify(s).String(),
		In: s.Received(), Out: less(s.Info.BytesAcked, s.State == FinWait2),
		Unread: s.Pending(), Unsent: s.Owed(),
		LastReceived: milliseconds(s.Info.LastReceived), LastSent: milliseconds(s.Info.LastSent),
		Age: -1, Inode: s.Inode, UID: s.UID, Cookie: s.Cookie,
	}
	switch {
	case Classify(s) == HalfOpen:
		c.Age = milliseconds(firstTimeout - s.Expires)
	case s.Info.KnowsSegments() && s.Info.DataOut == 0:
		c.Age = milliseconds(s.Info.LastSent)
	}
	return c
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
