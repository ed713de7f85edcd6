package engine

import (
	"errors"
	"time"

	"lastout/process/quiesce"
	"lastout/process/sockdiag"
)

const (
	// holdMost bounds how many connections are held back at once: each takes a descriptor.
	holdMost = 4096

	// firstFlight is what a program can send before it must hear of its client again (RFC 6928). An answer of which more
	// is under way would be delayed if its connection were held back.
	firstFlight = 14_600
)

// heldBack are connections on which nothing comes in while a program is invited to finish. It closes those that it
// keeps without an answer to be given, and does not look whether a request has come in on one meanwhile: that would be
// reset although it had arrived. Held back it never arrived, and its client knows.
type heldBack struct {
	all     map[uint32]*quiesce.Hold // by inode
	until   time.Time                // when all are let go at the latest; zero: they are still being collected
	deaf    bool                     // it was seen that the program listens no more: it is finishing
	refused bool
}

// holdBack holds back whoever may ask next, and says whether it must be called again before the program is invited:
// while there are new ones, or requests that have arrived on kept connections and that the program has not read yet.
func (d *drainer) holdBack() (again bool) {
	samples, err := d.view.samples(sockdiag.Of(sockdiag.Established))
	if err != nil || d.back.refused {
		return false
	}
	wanted, arrived := map[uint32]bool{}, false
	for i := range samples {
		s := &samples[i]
		switch {
		case s.Inode == 0 || s.Received() == 0 || d.back.all[s.Inode] != nil && s.Pending() == 0:
		case s.Pending() > 0:
			arrived = arrived || s.Info.BytesAcked > 0
		case s.Owed() <= firstFlight && len(d.back.all)+len(wanted) < holdMost:
			wanted[s.Inode] = true
		}
	}
	if len(wanted) == 0 {
		return arrived
	}
	holders, _ := d.view.diag.Descriptors(d.pids(), func(inode uint32) bool { return wanted[inode] })
	for inode, hs := range holders {
		h, err := quiesce.HoldBack(hs[0].PID, hs[0].FD, uint64(inode))
		switch {
		case errors.Is(err, quiesce.ErrGone):
		case err != nil: // that duplicates cannot be had was said by whoever needs them more
			d.back.refused = true
			return false
		default:
			d.back.all[inode] = h
		}
	}
	return len(holders) > 0 || arrived
}

// keepHeld takes down who waits for an answer on a connection that is still there only because it is held back: its
// program is gone.
func (d *drainer) keepHeld(now time.Time) {
	if len(d.back.all) == 0 {
		return
	}
	samples, err := d.view.samples(sockdiag.Of(sockdiag.Established, sockdiag.CloseWait))
	if err != nil {
		return // they will be heard of, if a moment later
	}
	for i := range samples {
		s := &samples[i]
		// That an answer is not acknowledged means nothing: that was held back, too.
		c := d.view.judge.Class(s)
		if d.back.all[s.Inode] != nil && (c == sockdiag.Unanswered || c == sockdiag.Unread) {
			d.hearing.cut = append(d.hearing.cut, ending{*s, now})
		}
	}
}

// letGo lets those go that the program has closed, and all of them once it is finishing or that has taken too long. It
// says whether there are any left.
func (d *drainer) letGo(o orders, now time.Time) bool {
	h := &d.back
	if len(h.all) == 0 || h.until.IsZero() && !o.told && !o.over {
		return len(h.all) > 0
	}
	all := o.told || o.over || now.After(h.until) || h.deaf // it closes its connections right after its listeners
	h.deaf = len(d.view.ours) == 0
	for inode, x := range h.all {
		if all || x.Dropped() {
			x.Release()
			delete(h.all, inode)
		}
	}
	return len(h.all) > 0
}
