package ordering

import (
	"fmt"
	"slices"
)

// Walk goes through the steps of one shutdown. It counts for each step those before it that are not over, so that a
// whole walk costs one look at each edge. The caller calls Done for each step that becomes free, at once where nothing
// is running for it, until none is left.
type Walk struct {
	s      *steps
	waits  []int32 // how many before it are not over
	over   []bool
	looked int // edges looked at by Done, so that a test can hold the cost
}

// Walk begins a walk. A graph can be walked any number of times.
func (g *Graph) Walk() *Walk {
	w := &Walk{s: &g.steps, waits: make([]int32, len(g.steps.pre)), over: make([]bool, len(g.steps.pre))}
	for i, list := range w.s.pre {
		w.waits[i] = int32(len(list))
	}
	return w
}

// Begin lists the steps that are free from the begin, in ascending order: by ID, Drain before Leave.
func (w *Walk) Begin() []Step {
	var free []Step
	for p, list := range w.s.pre[:w.s.real] {
		if len(list) == 0 {
			free = append(free, place(p).step())
		}
	}
	return free
}

// Done says that a free step is over and lists, in ascending order, the steps that became free by it. It panics when
// the step is not free, or is over already: the caller has then lost track, and nothing it does would be safe.
func (w *Walk) Done(step Step) []Step {
	if !w.Free(step) {
		panic(fmt.Sprintf("ordering: %s of process %d is not free, or is over", step.Kind, step.ID))
	}
	var free []place
	ended := []place{placeOf(step.Kind, step.ID)}
	for len(ended) > 0 {
		p := ended[len(ended)-1]
		ended = ended[:len(ended)-1]
		w.over[p] = true
		for _, next := range w.s.succ[p] {
			w.looked++
			if w.waits[next]--; w.waits[next] > 0 {
				continue
			}
			if int(next) < w.s.real {
				free = append(free, next)
			} else {
				ended = append(ended, next)
			}
		}
	}
	slices.Sort(free)
	result := make([]Step, len(free))
	for i, p := range free {
		result[i] = p.step()
	}
	return result
}

// Over says whether Done was called for the step.
func (w *Walk) Over(step Step) bool { return w.over[placeOf(step.Kind, step.ID)] }

// Free says whether everything before the step is over, and the step itself is not.
func (w *Walk) Free(step Step) bool {
	p := placeOf(step.Kind, step.ID)
	return w.waits[p] == 0 && !w.over[p]
}

// Waits lists the steps directly before a step that are not over, ascending: whom it waits for.
func (w *Walk) Waits(step Step) []Step {
	var open []place
	for _, p := range w.s.pre[placeOf(step.Kind, step.ID)] {
		switch {
		case w.over[p]:
		case int(p) < w.s.real:
			open = append(open, p)
		default:
			for _, q := range w.s.pre[p] {
				if !w.over[q] {
					open = append(open, q)
				}
			}
		}
	}
	slices.Sort(open)
	open = slices.Compact(open)
	result := make([]Step, len(open))
	for i, p := range open {
		result[i] = p.step()
	}
	return result
}

// Check counts again from nothing what the walk has counted along the way, and says where the two differ.
func (w *Walk) Check() error {
	for i, list := range w.s.pre {
		waits := int32(0)
		for _, p := range list {
			if !w.over[p] {
				waits++
			}
		}
		relay := i >= w.s.real
		switch {
		case waits != w.waits[i]:
			return fmt.Errorf("step %v waits for %d others, and %d were counted", place(i).step(), waits, w.waits[i])
		case waits > 0 && w.over[i]:
			return fmt.Errorf("step %v is over before %d others", place(i).step(), waits)
		case relay && waits == 0 && len(list) > 0 && !w.over[i]:
			return fmt.Errorf("relay %d is not over, and nothing is before it", i-w.s.real)
		}
	}
	return nil
}
