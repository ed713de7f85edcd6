package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"lastout/process/quiesce"
	"lastout/process/sockdiag"
)

// destroyAge is how old a connection that never carried a byte must be to be destroyed: its client is told by a reset, so
// its first byte must not be on its way.
const destroyAge = time.Second

// endPreconnects ends the connections that never carried a byte, before the program is asked to finish: it would wait
// for them. It is also the look that remembers who is in hand, should the program die before the next one.
func (d *drainer) endPreconnects() {
	if sight, err := d.view.look(d.pids); err == nil {
		d.endThese(sight.preconnects)
	}
}

// endThese ends those of them that are older than the quiet that is waited for: the client of a younger one may be about
// to speak.
func (d *drainer) endThese(found []sockdiag.Sample) {
	if d.drain.KeepPreconnects {
		return
	}
	old := map[uint32]*sockdiag.Sample{} // by inode
	for i := range found {
		if s := &found[i]; !d.ended[s.Cookie] && s.Inode != 0 && s.Since() >= d.drain.Quiet {
			old[s.Inode] = s
		}
	}
	if len(old) == 0 {
		return
	}
	holders, _ := d.view.diag.Descriptors(d.pids(), func(inode uint32) bool { return old[inode] != nil })
	how := map[quiesce.Ending][]string{}
	for inode, s := range old {
		p := quiesce.Preconnect{
			FD: -1, Inode: uint64(inode), Local: plain(s.Local), Remote: plain(s.Peer), Cookie: s.Cookie,
		}
		if hs := holders[inode]; len(hs) > 0 {
			p.PID, p.FD = hs[0].PID, hs[0].FD
		}
		d.endOne(p, s.Since() >= max(destroyAge, d.drain.Quiet), how)
	}
	for _, ending := range []quiesce.Ending{quiesce.Shutdown, quiesce.Destroyed} {
		if peers := how[ending]; len(peers) > 0 {
			d.host.onLoop(func() {
				d.host.note(fmt.Sprintf("%s: %s %s that never carried a byte: %s", d.child.name, ending,
					plural(len(peers), "connection"), fewOf(peers)))
			})
		}
	}
}

// endOne ends one of them. One that is too young to be destroyed is looked at again.
func (d *drainer) endOne(p quiesce.Preconnect, destroy bool, how map[quiesce.Ending][]string) {
	ending, err := quiesce.EndPreconnect(p, destroy)
	switch {
	case ending != quiesce.Kept:
		how[ending] = append(how[ending], p.Remote.String())
	case errors.Is(err, quiesce.ErrCarried) || errors.Is(err, quiesce.ErrGone):
	case !destroy:
		return
	case !d.refused:
		d.refused = true
		d.host.noteOnce(d.child.name + ": " + keptWords(errors.Unwrap(err)))
	}
	d.ended[p.Cookie] = true
}

// fewOf is a list for people, shortened.
func fewOf(all []string) string {
	const few = 5
	if len(all) > few {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:few], ", "), len(all)-few)
	}
	return strings.Join(all, ", ")
}
