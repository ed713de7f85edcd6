package sockdiag

import (
	"math"
	"time"
)

// Forever is how long ago something happened that never did.
const Forever = time.Duration(math.MaxInt64)

// Summary counts connections by class. The zero value is that of a tree without any.
type Summary struct {
	Count [classes]int
	// youngest is how long ago the last thing happened on any connection, and any says that there is one.
	youngest time.Duration
	any      bool
}

// Summarise counts samples.
func Summarise(samples []Sample) Summary {
	var sum Summary
	for i := range samples {
		sum.Add(&samples[i])
	}
	return sum
}

// Add counts one more sample, and tells its class.
func (sum *Summary) Add(s *Sample) Class {
	c := Classify(s)
	sum.AddAs(s, c)
	return c
}

// AddAs counts one more sample whose class somebody knows better.
func (sum *Summary) AddAs(s *Sample, c Class) {
	sum.Count[c]++
	if c == None {
		return
	}
	if since := s.Since(); !sum.any || since < sum.youngest {
		sum.youngest, sum.any = since, true
	}
}

// Busy is the number of connections on which somebody waits for the program or the client.
func (sum *Summary) Busy() int {
	return sum.Count[Unread] + sum.Count[Unanswered] + sum.Count[Unsure] + sum.Count[Sending]
}

// Idle is the number of connections that have been served, and stay open.
func (sum *Summary) Idle() int { return sum.Count[Idle] + sum.Count[Ended] }

// Queued is the number of connections that wait to be accepted, those that have not said a word included.
func (sum *Summary) Queued() int { return sum.Count[Queued] + sum.Count[Waiting] }

// HalfOpen is the number of handshakes under way that count.
func (sum *Summary) HalfOpen() int { return sum.Count[HalfOpen] }

// Preconnects is the number of accepted connections that never carried a byte to the program.
func (sum *Summary) Preconnects() int { return sum.Count[Preconnect] }

// Holds is the number of connections that keep a drain from being over.
func (sum *Summary) Holds(m Mode) int {
	n := 0
	for c, count := range sum.Count {
		if Class(c).Holds(m) {
			n += count
		}
	}
	return n
}

// QuietFor is for how long nobody has held the drain, by the kernel's own clock: 0 while somebody does, Forever
// where there is no connection at all. Connections that ended meanwhile leave no trace, so who saw somebody hold at
// an earlier sample counts from there.
func (sum *Summary) QuietFor(m Mode) time.Duration {
	switch {
	case sum.Holds(m) > 0:
		return 0
	case !sum.any:
		return Forever
	default:
		return sum.youngest
	}
}
