package engine

import (
	"time"

	"golang.org/x/sys/unix"
)

// Moment is the present on two clocks: Go's, and CLOCK_MONOTONIC in nanoseconds, with which what children, clients and
// successors note can be compared. Whoever is put aside between two looks would take one clock for late, so the closest
// pair of a few is taken.
func Moment() (now time.Time, monotonic int64) {
	const near, tries = 20 * time.Microsecond, 10
	var best time.Duration
	for n := range tries {
		before := clockMonotonic()
		at := time.Now()
		apart := time.Duration(clockMonotonic() - before)
		if n == 0 || apart < best {
			now, monotonic, best = at, before+int64(apart/2), apart
		}
		if best <= near {
			break
		}
	}
	return now, monotonic
}

// monotonicOf is a time on CLOCK_MONOTONIC, in nanoseconds.
func monotonicOf(t time.Time) int64 {
	now, monotonic := Moment()
	return monotonic - int64(now.Sub(t))
}

// At is an instant of CLOCK_MONOTONIC, in nanoseconds, as a time.
func At(monotonic int64) time.Time {
	now, at := Moment()
	return now.Add(-time.Duration(at - monotonic))
}

// clockMonotonic cannot fail on Linux (clock_gettime(2)).
func clockMonotonic() int64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return now.Nano()
}
