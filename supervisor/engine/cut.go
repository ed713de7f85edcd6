package engine

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"lastout/process/sockdiag"
	"lastout/supervisor"
)

const (
	// moment is how long before its end a run's connections may have ended to count as cut off by that, where nobody told
	// it to stop.
	moment = 250 * time.Millisecond

	// endBound is how long the end of a run may be held back until it is known which of its connections it cut off.
	endBound = 250 * time.Millisecond

	// hearBound is how long is waited for word of connections that were in hand at the last look: the kernel tells of an
	// end a moment later.
	hearBound = 100 * time.Millisecond
)

// ending is a connection that ended without what its client waited for.
type ending struct {
	sample sockdiag.Sample
	seen   time.Time
}

// hearing hears of a tree's connections that end, from its drain on: the kernel keeps no trace of them.
type hearing struct {
	endings *sockdiag.Endings
	cut     []ending
	failed  bool // it cannot be had, or missed some
}

// listen takes what has ended since the last call. Told says that the run was told to stop; until then what ended
// longer ago is its own affair.
func (h *hearing) listen(where places, told bool, now time.Time, heard func(cookie uint64)) error {
	if h.endings == nil {
		if h.failed {
			return nil
		}
		endings, err := sockdiag.OpenEndings()
		if err != nil {
			h.failed = true
			return err
		}
		h.endings = endings
	}
	if !told {
		h.cut = slices.DeleteFunc(h.cut, func(e ending) bool { return now.Sub(e.seen) > moment })
	}
	missed, err := h.endings.Read(func(s *sockdiag.Sample) {
		heard(s.Cookie)
		if where.has(s.Local) && s.CutOff() {
			h.cut = append(h.cut, ending{*s, now})
		}
	})
	h.failed = h.failed || missed
	return err
}

func (h *hearing) close() {
	if h.endings != nil {
		h.endings.Close()
		h.endings = nil
	}
}

// cutOff are the connections that the end of the run cut off: those that were heard of, and those that the kernel still
// closes in its place.
func (d *drainer) cutOff(now time.Time) []supervisor.Connection {
	if d.view.diag == nil || d.view.blind() {
		return nil
	}
	closing, err := d.view.samples(sockdiag.Serving)
	if err != nil {
		d.say([]string{err.Error()})
	}
	d.hearOut(closing, now)
	var cut []supervisor.Connection
	heard := map[uint64]bool{} // by cookie: one may have ended since it was seen to be closing
	for i := range d.hearing.cut {
		e := &d.hearing.cut[i]
		if heard[e.sample.Cookie] || d.host.given.has(&e.sample, e.seen) {
			continue
		}
		cut = append(cut, connection(&e.sample, max(0, now.Sub(e.seen))))
		heard[e.sample.Cookie] = true
	}
	for i := range closing {
		switch s := &closing[i]; s.State {
		case sockdiag.FinWait1, sockdiag.FinWait2, sockdiag.LastAck, sockdiag.Closing:
			if s.Inode == 0 && !heard[s.Cookie] && s.CutOff() && !d.host.given.has(s, now) {
				cut = append(cut, connection(s, 0))
			}
		}
	}
	if d.hearing.failed && len(cut) > 0 {
		d.host.noteOnce(d.child.name + ": more of its connections may have been cut off than could be heard of")
	}
	return byPeer(cut)
}

// nameUnanswered says who still waits for an answer when a drain was over before it came to its end. What they get will
// not be seen: an answer that the end of a worker made is one like any other to the kernel.
func (d *drainer) nameUnanswered() {
	if d.vigil.done || d.view.blind() {
		return
	}
	_, err := d.view.look(d.pids) // who holds
	var open []sockdiag.Sample
	if err == nil {
		open, err = d.view.samples(sockdiag.Of(sockdiag.Established, sockdiag.CloseWait))
	}
	if err != nil {
		d.say([]string{err.Error()})
		return
	}
	var list []supervisor.Connection
	for i := range open {
		if d.view.holding[open[i].Cookie] && !d.host.given.has(&open[i], time.Now()) {
			list = append(list, connection(&open[i], 0))
		}
	}
	if len(list) > 0 {
		d.host.box.Put(supervisor.Unanswered{Inst: d.life.inst, Run: d.life.run, Connections: byPeer(list)})
	}
}

func byPeer(list []supervisor.Connection) []supervisor.Connection {
	slices.SortFunc(list, func(a, b supervisor.Connection) int { return cmp.Compare(a.Peer, b.Peer) })
	return list
}

// hearOut hears of all connections that were in hand once and are there no more.
func (d *drainer) hearOut(there []sockdiag.Sample, now time.Time) {
	left := d.view.vanished
	maps.Copy(left, d.view.holding)
	for i := range there {
		if there[i].Info.Size > 0 { // else it is the little that the kernel keeps of one that has ended, by the same cookie
			delete(left, there[i].Cookie)
		}
	}
	told := d.orders.Load().told
	for {
		d.listen(told, now)
		rest := hearBound - time.Since(now)
		if len(left) == 0 || rest <= 0 || d.hearing.endings == nil {
			return
		}
		d.hearing.endings.Wait(rest)
	}
}

// connection is what people are told of one. How old it is is known from its last activity at least.
func connection(s *sockdiag.Sample, ago time.Duration) supervisor.Connection {
	c := s.Connection()
	if c.Out == 1 { // its end, which counts as one byte
		c.Out = 0
	}
	last := min(c.LastReceived, c.LastSent)
	age := max(c.Age, c.LastReceived, c.LastSent)
	return supervisor.Connection{
		Peer: c.Peer.String(), Port: int(c.Local.Port()), Age: age + ago, In: c.In, Out: c.Out, Last: last + ago,
	}
}
