package report

import (
	"slices"

	"lastout/supervisor"
)

// markCritical walks back from whoever left last, each time to the one whose leaving (or drain) set the step free. Had
// anybody on that path been faster, the whole shutdown would have been.
func (s *Shutdown) markCritical(turns map[string]turns) {
	last := s.lastToLeave(func(Instance) bool { return true })
	if last < 0 {
		return
	}
	step := "leave"
	for range 2*len(s.Instances) + 1 { // each step is on the path once, so this ends even for reports that are broken
		x := &s.Instances[last]
		x.Critical = true
		var turn *Turn
		if step == "leave" {
			turn = turns[x.Process].leave
			s.Critical = append(s.Critical, x.leaveStep(s.Begin, s.End))
		} else {
			turn = turns[x.Process].drain
			s.Critical = append(s.Critical, x.drainStep(s.Begin))
		}
		if turn == nil || len(turn.FreedBy) == 0 || (step == "leave" && x.Turn == nil) {
			break
		}
		if last, step = s.freer(turn); last < 0 {
			break
		}
	}
	slices.Reverse(s.Critical)
}

// freer finds whose step set the turn free: the instance of the freeing process that left last before it, or, where the
// process was still there, the one whose drain ended.
func (s *Shutdown) freer(turn *Turn) (int, string) {
	freed := func(x Instance) bool { return slices.Contains(turn.FreedBy, x.Process) }
	gone := func(x Instance) bool { return freed(x) && x.Left != nil && *x.Left <= turn.At }
	if i := s.lastToLeave(gone); i >= 0 {
		return i, "leave"
	}
	return slices.IndexFunc(s.Instances, freed), "drain"
}

// lastToLeave is the index of the last instance for which ok holds, -1 if there is none. Instances are in that order.
func (s *Shutdown) lastToLeave(ok func(Instance) bool) int {
	for i, x := range slices.Backward(s.Instances) {
		if ok(x) {
			return i
		}
	}
	return -1
}

// leaveStep is the time from an instance's turn until it left; without a turn, from the begin.
func (x *Instance) leaveStep(begin, end supervisor.Instant) PathStep {
	p := PathStep{Instance: x.Name, Step: "leave", Begin: begin, End: end}
	if x.Turn != nil {
		p.Begin = *x.Turn
	}
	if x.Left != nil {
		p.End = *x.Left
	}
	return p
}

// drainStep is the time from the begin of an instance's drain until it was drained or gone: none, where it never drained.
func (x *Instance) drainStep(begin supervisor.Instant) PathStep {
	p := PathStep{Instance: x.Name, Step: "drain", Begin: begin}
	if x.Drain != nil {
		p.Begin = x.Drain.At
	}
	p.End = p.Begin
	for _, span := range x.Phases {
		if span.State == supervisor.Draining {
			p.End = span.End
		}
	}
	return p
}
