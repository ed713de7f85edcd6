package engine

import (
	"slices"

	"lastout/ordering"
	"lastout/process"
	"lastout/process/recent"
	"lastout/process/sockdiag"
	"lastout/supervisor"
)

// What the methods below tell is for whoever looks at the tree from outside. The loop gives the list of the runs; the
// kernel is asked on the goroutine of the caller, and the machine knows nothing of it.

// watched is a run as the kernel's side knows it.
type watched struct {
	run     supervisor.Run
	tag     uint64
	gateway bool
	unready string
}

// watching lists the runs that have a process; nil when the loop is over.
func (h *Host) watching() []watched {
	all, _ := asked(h, func(supervisor.Instant, *supervisor.Machine) (all []watched) {
		for run, c := range h.runs {
			l, ok := c.part.(*life)
			if !ok || c.pid == 0 {
				continue
			}
			w := watched{run: run, tag: c.tag, gateway: l.set.spec.Role == ordering.Gateway}
			if seen := l.seen.Load(); seen != nil {
				w.unready = (*seen).Error()
			}
			all = append(all, w)
		}
		return all
	})
	return all
}

// Usage is what the tree of each living run uses. Any goroutine may call it but the loop's own.
func (h *Host) Usage() map[supervisor.Run]process.Usage {
	all := h.watching()
	tags := make([]uint64, len(all))
	for i, w := range all {
		tags[i] = w.tag
	}
	used := h.reaper.Usage(tags)
	by := make(map[supervisor.Run]process.Usage, len(used))
	for _, w := range all {
		if u, ok := used[w.tag]; ok {
			by[w.run] = u
		}
	}
	return by
}

// Unready is what the readiness probe of each living run saw last, where it has one that was not ready then. Any goroutine
// may call it but the loop's own.
func (h *Host) Unready() map[supervisor.Run]string {
	by := map[supervisor.Run]string{}
	for _, w := range h.watching() {
		if w.unready != "" {
			by[w.run] = w.unready
		}
	}
	return by
}

// Traffic is how many connections a gateway has.
type Traffic struct {
	Busy   int // somebody waits for an answer, or for the rest of one
	Idle   int // served, and open
	Queued int // not accepted yet
	Unused int // accepted, and never a byte came
}

// Traffic looks at the connections of each gateway that listens where they can be seen. Any goroutine may call it but the
// loop's own.
func (h *Host) Traffic() map[supervisor.Run]Traffic {
	all := slices.DeleteFunc(h.watching(), func(w watched) bool { return !w.gateway })
	if len(all) == 0 {
		return nil
	}
	diag, err := sockdiag.Open()
	if err != nil {
		return nil
	}
	defer diag.Close()
	by := map[supervisor.Run]Traffic{}
	for _, w := range all {
		if t, ok := h.trafficOf(diag, w.tag); ok {
			by[w.run] = t
		}
	}
	return by
}

func (h *Host) trafficOf(diag *sockdiag.Diag, tag uint64) (Traffic, bool) {
	pids := h.pids(tag)
	listeners, _, err := diag.Listeners(pids)
	listeners = slices.DeleteFunc(listeners, func(l sockdiag.Listener) bool { return l.Network == "unix" })
	if err != nil || len(listeners) == 0 {
		return Traffic{}, false
	}
	where := newPlaces()
	for i := range listeners {
		where.add(listeners[i].Addr)
	}
	samples, err := diag.List(sockdiag.ConnectionsOf(listeners), nil)
	if err != nil {
		return Traffic{}, false
	}
	samples = slices.DeleteFunc(samples, func(s sockdiag.Sample) bool { return !where.has(s.Local) })
	judge := sockdiag.NewJudge(diag)
	_ = judge.Settle(samples, pids) // where that is refused, who was just served counts as busy for a while
	sum := judge.Summarise(samples)
	return Traffic{
		Busy: sum.Busy(), Idle: sum.Idle(), Queued: sum.Count[sockdiag.Queued] + sum.Count[sockdiag.Waiting],
		Unused: sum.Count[sockdiag.Preconnect],
	}, true
}

// Output is what the instances have written last. Any goroutine may call it.
func (h *Host) Output() *recent.Shelf { return h.outputs.shelf }

// SinkCount is a place where output goes, and what became of it.
type SinkCount struct {
	Name         string // stdout, or a file's path
	Bytes        uint64
	DroppedLines uint64
	DroppedBytes uint64
}

// Sinks are the places where output goes. Any goroutine may call it but the loop's own.
func (h *Host) Sinks() []SinkCount {
	all, _ := asked(h, func(supervisor.Instant, *supervisor.Machine) (all []SinkCount) {
		for s, name := range h.outputs.sinks() {
			one := SinkCount{Name: name, Bytes: s.Taken()}
			one.DroppedLines, one.DroppedBytes = s.Dropped()
			all = append(all, one)
		}
		return all
	})
	return all
}
