package sockdiag

import "time"

// Class is what a connection waits for, as far as the kernel sees it.
type Class uint8

// The classes. Who holds a drain is told by Holds.
const (
	None         Class = iota // not a connection that anybody has: a listener, one that waits out its time
	HalfOpen                  // a handshake that is younger than its first timeout, one second
	HalfOpenLate              // an older one: the client is slow, gone, or never was
	Waiting                   // not accepted yet, and nothing has come
	Queued                    // not accepted yet, and bytes have come
	Preconnect                // accepted, and never a byte came
	Unread                    // bytes have come that the program has not read
	Unanswered                // the client spoke last
	Unsure                    // the client or the server spoke last, within one tick of the kernel's clock
	Sending                   // the client has not acknowledged all that was sent
	Idle                      // the server spoke last, and the client has it all
	Ended                     // we ended it and the client has it all, and the program still has the descriptor
	classes      = iota
)

var classNames = [classes]string{
	None: "none", HalfOpen: "half open", HalfOpenLate: "half open for long", Waiting: "waiting", Queued: "queued",
	Preconnect: "preconnect", Unread: "unread", Unanswered: "unanswered", Unsure: "unsure", Sending: "sending",
	Idle: "idle", Ended: "ended",
}

func (c Class) String() string {
	if int(c) < classes {
		return classNames[c]
	}
	return "unknown"
}

// Mode is what a drain waits for.
type Mode uint8

// The modes that look at connections.
const (
	Quiet       Mode = iota // nobody waits for an answer: right for HTTP/1
	Connections             // every connection that ever carried a byte is gone: right for streams
	Exit                    // the program leaves by itself, or has nothing but preconnects left
)

// Holds says whether a connection of this class keeps the drain from being over.
func (c Class) Holds(m Mode) bool {
	switch c {
	case HalfOpen, Queued, Unread, Unanswered, Unsure, Sending:
		return true
	case Idle, Ended:
		return m != Quiet
	case None, HalfOpenLate, Waiting, Preconnect:
		return false
	}
	return false
}

// Doubt is how long after its last byte a connection stays Unsure; then it is taken for idle. Most that stay so for
// longer are: an answer within the tick in which its request came is what fast servers give.
const Doubt = 10 * time.Second

// firstTimeout is when a SYN-ACK is sent again, in milliseconds (TCP_TIMEOUT_INIT, RFC 6298).
const firstTimeout = 1000

// Classify judges one sample. It is a function of the sample alone.
func Classify(s *Sample) Class {
	switch s.State {
	case SynRecv:
		return classifyHandshake(s)
	case Established, CloseWait:
		return classifyOpen(s)
	case FinWait1, Closing, LastAck, FinWait2:
		switch {
		case s.Owed() > 0:
			return Sending
		case s.Inode == 0:
			return None
		default:
			return Ended
		}
	case Listening, SynSent, TimeWait, Closed, newSynRecv:
		return None
	}
	return None
}

// classifyHandshake knows the age of a handshake from its timer, which first runs for one second, then for two,
// four and so on. A handshake that TCP_DEFER_ACCEPT holds back sends nothing again, so in the last second of such a
// round it looks like a young one: who waits for handshakes waits no longer than a second in all.
func classifyHandshake(s *Sample) Class {
	switch {
	case s.Received() > 0: // TCP Fast Open: data came with the SYN
		return Queued
	case s.Retransmits > 0 || s.Expires > firstTimeout:
		return HalfOpenLate
	default:
		return HalfOpen
	}
}

func classifyOpen(s *Sample) Class {
	if s.Inode == 0 { // nobody closed it, so nobody has accepted it
		if s.Received() > 0 || s.Pending() > 0 {
			return Queued
		}
		return Waiting
	}
	switch {
	case s.Pending() > 0:
		return Unread
	case s.Owed() > 0:
		return Sending
	case s.Info.KnowsBytes() && s.Received() == 0:
		return Preconnect
	case s.Info.KnowsBytes() && s.Info.BytesAcked == 0:
		return Unanswered
	case s.Info.LastReceived < s.Info.LastSent:
		return Unanswered
	case s.Info.LastReceived > s.Info.LastSent:
		return Idle
	default:
		return classifyTie(&s.Info)
	}
}

// classifyTie judges a connection on which data came and went within the same tick, and all that went was
// acknowledged. Either a request was answered at once, or an answer was followed by the next request at once. An
// acknowledgement that came in a later tick can only be that of an answer, because a request carries its own. A
// single segment with data is a request, and something was sent since. Else nobody knows.
func classifyTie(i *Info) Class {
	switch {
	case i.LastAck < i.LastReceived:
		return Idle
	case i.KnowsSegments() && i.DataIn == 1:
		return Idle
	case milliseconds(i.LastReceived) >= Doubt:
		return Idle
	default:
		return Unsure
	}
}

// clientEnded says that the client's FIN came, which counts as a byte in the receive queue and in what was received.
func (s *Sample) clientEnded() bool {
	return s.State == CloseWait || s.State == LastAck || s.State == Closing
}

// weEnded says that our FIN waits to be acknowledged, which counts as a byte in the send queue.
func (s *Sample) weEnded() bool {
	return s.State == FinWait1 || s.State == Closing || s.State == LastAck
}

// Pending is how many bytes came that the program has not read.
func (s *Sample) Pending() uint32 { return less(s.Unread, s.clientEnded()) }

// Owed is how many bytes the program has written that the client has not acknowledged.
func (s *Sample) Owed() uint32 { return less(s.Unsent, s.weEnded()) }

// Received is how many bytes ever came; 0 also where an old kernel does not say.
func (s *Sample) Received() uint64 { return less(s.Info.BytesReceived, s.clientEnded()) }

// less takes the one byte off that stands for an end.
func less[N uint32 | uint64](n N, ended bool) N {
	if ended && n > 0 {
		return n - 1
	}
	return n
}

// Since is how long ago the last thing happened on a connection that a drain cares for: data that came or went, the
// acknowledgement of what went, or its handshake.
func (s *Sample) Since() time.Duration {
	if s.Info.Size == 0 {
		return Forever
	}
	last := min(s.Info.LastSent, s.Info.LastReceived)
	// The acknowledgement of what was sent last comes within the retransmission timeout; a later one is that of a
	// keep-alive probe, which is no activity.
	if ack := s.Info.LastAck; ack < last && last-ack <= s.Info.RTO/1000 {
		last = ack
	}
	return milliseconds(last)
}

func milliseconds(n uint32) time.Duration { return time.Duration(n) * time.Millisecond }
