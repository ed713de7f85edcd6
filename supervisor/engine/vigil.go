package engine

import (
	"fmt"
	"time"

	"lastout/process/sockdiag"
)

// lull is for how long nothing must have been sent before a gateway is taken to have pushed out all it has: it fills a
// queue again as soon as that has room. Where this machine wakes us late it wakes the gateway late, too: so many times as
// late is waited for besides.
const (
	lull     = 20 * time.Millisecond
	lateness = 4
)

// vigil is one wait for the connections of a tree. It is a function of what is seen and of the time.
type vigil struct {
	look  lookKind
	quiet time.Duration
	began time.Time

	next time.Duration // until the next look
	due  time.Time     // when that was to be
	late time.Duration // how late a look came, at the most
	last sight         // to tell whether anything changes
	why  string        // it is over
	done bool          // and that was answered
}

func newVigil(look lookKind, quiet time.Duration, now time.Time) vigil {
	return vigil{look: look, quiet: quiet, began: now, next: shortLook / 2}
}

// see takes in one look, and says whether that shows what is waited for. Otherwise next is when to look again.
func (v *vigil) see(now time.Time, s *sight, l light) bool {
	if !v.due.IsZero() {
		v.late = max(v.late, now.Sub(v.due))
	}
	defer func() { v.due = now.Add(v.next) }()
	left := v.left(now, s, l)
	if left == 0 {
		return true
	}
	if left > 0 { // nobody holds: that is how long the quiet has still to last
		v.next = min(max(left, time.Millisecond), longLook)
		return false
	}
	v.next = min(2*v.next, longLook)
	if s.holds != v.last.holds || s.halfOpen != v.last.halfOpen || s.owed != v.last.owed {
		v.next = shortLook
	}
	v.last = *s
	return false
}

// left is for how long what is seen must stay so: 0 when it has, and never while somebody holds. Of a tree that could not
// be looked into nobody knows, and its drain ends by its bound.
func (v *vigil) left(now time.Time, s *sight, l light) time.Duration {
	if l == darkness && v.look != forSettled {
		return never
	}
	switch v.look {
	case forExit:
		v.why = "nothing but preconnects"
		if l == nothing { // it must say itself when it has done
			return never
		}
		return v.quietLeft(s, v.holds(now, s, sockdiag.Exit))
	case forQuiet:
		v.why = fmt.Sprintf("quiet for %v", v.quiet)
		if l == nothing {
			v.why = "no connections to be seen"
		}
		return v.quietLeft(s, v.holds(now, s, sockdiag.Quiet))
	case forConnections:
		v.why = "no connection left"
		if v.holds(now, s, sockdiag.Connections) > 0 {
			return never
		}
		return 0
	case forSettled:
		if s.owed > 0 {
			return never
		}
		return max(0, lull+lateness*v.late-s.sent)
	case forProbe, forNothing:
	}
	return never
}

// holds counts who holds the drain. A handshake does for a second in all: one that the program defers looks young again
// and again.
func (v *vigil) holds(now time.Time, s *sight, m sockdiag.Mode) int {
	if now.Sub(v.began) < queueBound {
		return s.holds[m] + s.halfOpen
	}
	return s.holds[m]
}

func (v *vigil) quietLeft(s *sight, holds int) time.Duration {
	if holds > 0 {
		return never
	}
	return max(0, v.quiet-s.quiet)
}
