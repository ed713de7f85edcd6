package engine

import (
	"fmt"
	"slices"
	"time"

	"lastout/process/sockdiag"
	"lastout/supervisor"
)

// linger looks until the kernel owes nobody anything who was connected to those that drained.
func (h *Host) linger() {
	where := newPlaces()
	where.join(h.where)
	for _, c := range h.runs { // they are lost
		if l, ok := c.part.(*life); ok && l.drainer != nil {
			where.join(*l.drainer.where.Load())
		}
	}
	h.drainers.Go(func() { h.lingerOn(view{where: where}) })
}

func (h *Host) lingerOn(v view) {
	defer v.close()
	timer := time.NewTicker(shortLook)
	defer timer.Stop()
	var said []string
	for first := true; ; first = false {
		owed, err := v.owed()
		if err != nil {
			h.noteOnce(err.Error())
		}
		if first || !slices.Equal(owed, said) {
			h.box.Put(supervisor.Lingered{Left: owed})
			said = owed
		}
		if len(owed) == 0 {
			return
		}
		select {
		case <-timer.C:
		case <-h.alive.Done():
			return
		}
	}
}

// owed are the clients to whom bytes of closed connections are still to be sent, for people.
func (v *view) owed() ([]string, error) {
	if v.blind() {
		return nil, nil
	}
	if err := v.open(); err != nil {
		return nil, err
	}
	samples, err := v.samples(sockdiag.Of(sockdiag.FinWait1, sockdiag.LastAck, sockdiag.Closing))
	if err != nil {
		return nil, err
	}
	var owed []string
	for i := range samples {
		if n := samples[i].Owed(); n > 0 {
			owed = append(owed, fmt.Sprintf("%s, %s", plain(samples[i].Peer), plural(int(n), "byte")))
		}
	}
	slices.Sort(owed)
	return owed, nil
}
