package output

import "time"

// patience is the account of the time for which a sink's writers may still be held back. Until limit is called it has
// no end. Its fields are guarded by the sink's lock.
type patience struct {
	waiting int           // writers held back now
	limited bool          // there is an end
	left    time.Duration // until the end, as of since
	since   time.Time     // the time somebody is held back and counted from
	timer   *time.Timer
}

// over tells whether nobody may be held back any more.
func (p *patience) over() bool { return p.limited && p.left <= 0 }

// hold notes that a writer is held back now; onEnd is called some time after the patience has come to its end.
func (p *patience) hold(onEnd func()) {
	p.waiting++
	if p.waiting == 1 {
		p.arm(onEnd)
	}
}

// release notes that it is not any more.
func (p *patience) release() {
	p.waiting--
	if p.waiting == 0 && p.limited {
		p.spend()
		p.timer.Stop()
	}
}

// limit sets what is left, or shortens it.
func (p *patience) limit(bound time.Duration, onEnd func()) {
	if p.limited && p.waiting > 0 {
		p.spend()
		p.timer.Stop()
	}
	if !p.limited || bound < p.left {
		p.left = max(bound, 0)
	}
	p.limited = true
	if p.waiting > 0 {
		p.arm(onEnd)
	}
}

// spent looks whether the end has come while somebody is held back. A timer that fires late, for a wait that is over,
// thus means nothing.
func (p *patience) spent() bool {
	if p.waiting > 0 && p.limited {
		p.spend()
	}
	return p.over()
}

func (p *patience) arm(onEnd func()) {
	p.since = time.Now()
	if p.limited {
		p.timer = time.AfterFunc(p.left, onEnd)
	}
}

func (p *patience) spend() {
	now := time.Now()
	p.left = max(p.left-now.Sub(p.since), 0)
	p.since = now
}
