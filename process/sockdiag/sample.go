package sockdiag

import (
	"net/netip"
	"strconv"
)

// State is a state of tcp(7), by the kernel's numbers (net/tcp_states.h).
type State uint8

// The states of a TCP socket.
const (
	Established State = 1
	SynSent     State = 2
	SynRecv     State = 3
	FinWait1    State = 4
	FinWait2    State = 5
	TimeWait    State = 6
	Closed      State = 7
	CloseWait   State = 8
	LastAck     State = 9
	Listening   State = 10
	Closing     State = 11
	newSynRecv  State = 12 // how the kernel calls SynRecv of a handshake that has no socket yet
)

// States is a set of them.
type States uint32

// Of makes a set.
func Of(states ...State) States {
	var set States
	for _, s := range states {
		set |= 1 << s
	}
	return set
}

// AllStates are those that a socket of the table can be in.
const AllStates States = 1<<13 - 1<<1

// Serving are the states of a server's connections that can matter to anybody, half-open ones included. Those that
// wait out their time (TIME_WAIT), which may be very many, are not among them.
const Serving = 1<<Established | 1<<SynRecv | 1<<FinWait1 | 1<<FinWait2 | 1<<CloseWait | 1<<LastAck | 1<<Closing

var stateNames = [...]string{
	Established: "established", SynSent: "syn-sent", SynRecv: "syn-recv", FinWait1: "fin-wait-1",
	FinWait2: "fin-wait-2", TimeWait: "time-wait", Closed: "closed", CloseWait: "close-wait", LastAck: "last-ack",
	Listening: "listening", Closing: "closing",
}

func (s State) String() string {
	if int(s) < len(stateNames) && stateNames[s] != "" {
		return stateNames[s]
	}
	return "state " + strconv.Itoa(int(s))
}

// Sample is what was read of one TCP socket at one moment. Times are milliseconds before that moment, in steps of the
// kernel's tick (1 to 10 ms).
type Sample struct {
	IPv6        bool
	V6Only      bool // of a listener
	State       State
	Local, Peer netip.AddrPort
	Inode       uint32 // 0: nobody has a descriptor, because it was not accepted yet or is closed already
	UID         uint32 // of whoever created it; a connection has its listener's
	Cookie      uint64 // names the socket for ever
	// Unread is what the program has not read, a listener's accept queue. After the client's FIN it is 1 more,
	// until the program has read the end.
	Unread uint32
	// Unsent is what the client has not acknowledged, sent or not; a listener's backlog. After our FIN it is 1 more,
	// until that is acknowledged.
	Unsent      uint32
	Timer       uint8  // which timer runs: 1 a retransmission
	Retransmits uint8  // of what is being retransmitted now; of a handshake its SYN-ACKs
	Expires     uint32 // when that timer ends, in milliseconds from now
	Shutdown    uint8  // 1 we read no more, 2 we send no more
	Info        Info
}

// Info is what is used of struct tcp_info (tcp(7), linux/tcp.h).
type Info struct {
	Size uint16 // of what the kernel told in bytes; a shorter one lacks the last fields
	RTO  uint32 // microseconds
	RTT  uint32 // microseconds, smoothed
	// LastSent, LastReceived and LastAck are when data was last sent, retransmissions included, when data last
	// came, and when anything that acknowledges came, an empty keep-alive probe included. A socket that never sent
	// has the time of its handshake.
	LastSent, LastReceived, LastAck uint32
	BytesAcked, BytesReceived       uint64 // since Linux 4.1; our FIN counts as one byte
	SegmentsOut, SegmentsIn         uint32 // since Linux 4.2
	DataIn, DataOut                 uint32 // segments that carried data, since Linux 4.6
}

// KnowsBytes says that the kernel told how many bytes came and were acknowledged.
func (i *Info) KnowsBytes() bool { return i.Size >= 136 }

// KnowsSegments says that the kernel told how many segments carried data.
func (i *Info) KnowsSegments() bool { return i.Size >= 160 }
