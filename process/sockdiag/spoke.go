package sockdiag

import (
	"time"

	"golang.org/x/sys/unix"
)

// Settled is how old the last byte of an Unsure connection must be for ServerSpokeLast: the longest time that the
// kernel holds an acknowledgement back (TCP_DELACK_MAX, 200 ms), and a tick.
const Settled = 210 * time.Millisecond

// ServerSpokeLast settles who spoke last on an Unsure connection older than Settled, by any descriptor of it, a
// duplicate too. A connection whose program answers at once is in the kernel's interactive mode, in which
// acknowledgements wait for an answer to go with; a request that waits for its answer longer than an
// acknowledgement may be held back ends that mode. TCP_QUICKACK in tcp(7) tells it: 0 is interactive.
//
// Where tcp_pingpong_thresh is above 1, or a program sets TCP_QUICKACK itself, an answer may be taken for a request.
func ServerSpokeLast(fd int) (bool, error) {
	quick, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK)
	return quick == 0, err
}
