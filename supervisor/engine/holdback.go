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

	// finishBound is how long a program may take to close the connections it keeps once it has closed its listeners. It
	// does so at once, if it has a processor. A request that was held back comes again after 200 ms at the earliest.
	finishBound = 100 * time.Millisecond
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
	// Without a look they will be heard of, if a moment later.
	_ = d.waiting(func(s *sockdiag.Sample) {
		if d.back.all[s.Inode] != nil {
			d.hearing.cut = append(d.hearing.cut, ending{*s, now})
		}
	})
}

// waiting shows the connections on which a client waits for an answer.
func (d *drainer) waiting(visit func(*sockdiag.Sample)) error {
	samples, err := d.view.samples(sockdiag.Of(sockdiag.Established, sockdiag.CloseWait))
	for i := range samples {
		// That an answer is not acknowledged means nothing: that was held back, too.
		if c := d.view.judge.Class(&samples[i]); c == sockdiag.Unanswered || c == sockdiag.Unread {
			visit(&samples[i])
		}
	}
	return err
}

// letAllGo lets all go and forgets what was seen: the program shall serve on.
func (h *heldBack) letAllGo() {
	for inode, x := range h.all {
		x.Release()
		delete(h.all, inode)
	}
	h.until, h.deaf = time.Time{}, false
}

// letGo lets those go that the program has closed, and all of them once it is finishing or that has taken too long. It
// says whether there are any left.
func (d *drainer) letGo(o orders, now time.Time) bool {
	h := &d.back
	if len(h.all) == 0 || h.until.IsZero() && !o.told && !o.over {
		return len(h.all) > 0
	}
	if !h.deaf && len(d.view.ours) == 0 {
		h.deaf = true
		if end := now.Add(finishBound); end.Before(h.until) {
			h.until = end
		}
	}
	all := o.told || o.over || !now.Before(h.until)
	closed := map[uint32]*quiesce.Hold{}
	for inode, x := range h.all {
		switch {
		case x.Dropped():
			closed[inode] = x
		case all:
			x.Release()
		default:
			continue
		}
		delete(h.all, inode)
	}
	d.endHeld(closed)
	return len(h.all) > 0
}

// endHeld ends the connections that the process closed which had them. Where somebody else may have one, because it was
// handed on, it is only let go.
func (d *drainer) endHeld(closed map[uint32]*quiesce.Hold) {
	if len(closed) == 0 {
		return
	}
	others, unseen := d.view.diag.Descriptors(d.pids(), func(inode uint32) bool { return closed[inode] != nil })
	handedOn := map[uint32]bool{}
	err := d.waiting(func(s *sockdiag.Sample) { handedOn[s.Inode] = true })
	for inode, x := range closed {
		if err != nil || len(unseen) > 0 || len(others[inode]) > 0 || handedOn[inode] {
			x.Release()
		} else {
			x.End()
		}
	}
}
