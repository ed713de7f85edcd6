package supervisor

import "time"

// retry puts an instance into backoff, unless its attempts are used up.
func (m *Machine) retry(i *instance, cause string) bool {
	b := i.proc.spec.Backoff
	if i.ran && i.lived >= b.ResetAfter && b.ResetAfter > 0 {
		i.attempts = 0
	}
	if b.Limit > 0 && i.attempts >= b.Limit {
		return false
	}
	i.attempts++
	delay := Delay(b, i.attempts, m.opts.Seed^mix(uint64(i.run)))
	r := i.report(KindRetry)
	r.Attempt, r.Bound, r.Cause = i.attempts, delay, cause
	m.say(r)
	m.enter(i, InBackoff, cause, m.after(delay))
	return true
}

// Delay is how long to wait before a restart. attempt counts from 1; it doubles with each, from Min up to Max. Up to a
// quarter is added, drawn from the seed, so that processes that fell together do not rise together; never beyond Max.
func Delay(b Backoff, attempt int, seed uint64) time.Duration {
	base := min(b.Min, b.Max)
	if base <= 0 {
		return 0
	}
	for n := 1; n < attempt && base < b.Max; n++ {
		if base > b.Max/2 {
			base = b.Max
			break
		}
		base *= 2
	}
	spread := uint64(base)/4 + 1
	return min(b.Max, plus(base, time.Duration(mix(seed^mix(uint64(attempt)))%spread)))
}

// mix spreads a number over all bits (the finaliser of splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
