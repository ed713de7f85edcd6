package report

import (
	"fmt"
	"slices"

	"lastout/supervisor"
)

// wait is one who waited for another: the arrow leads from the lane of who was waited for to that of who waited.
type wait struct {
	from, to int
	at       supervisor.Instant
	critical bool
}

// freed is one process set free by another.
type freed struct {
	by, process string
	at          supervisor.Instant
}

// arrows draws who waited for whom. Those who waited for the same one share a trunk.
func (c *Chart) arrows() {
	waits := c.waits()
	for len(waits) > 0 {
		n := 1
		for n < len(waits) && waits[n].sameTrunk(waits[0]) {
			n++
		}
		c.trunk(waits[:n])
		waits = waits[n:]
	}
}

func (w wait) sameTrunk(v wait) bool {
	return w.from == v.from && w.at == v.at && w.critical == v.critical
}

// waits lists them by who was waited for, and when.
func (c *Chart) waits() []wait {
	var all []wait
	known := map[freed]int{} // copies of a process have their turn together
	add := func(to int, step string, at supervisor.Instant, by []string) {
		x := c.lanes[to].of
		for _, name := range by {
			key := freed{name, x.Process, at}
			from, ok := known[key]
			if !ok {
				from = c.freer(x, name, at)
				known[key] = from
			}
			if from >= 0 {
				all = append(all, wait{from, to, at, c.critical(c.lanes[from].of, x, step)})
			}
		}
	}
	for i := range c.lanes {
		x := c.lanes[i].of
		if x.Turn != nil {
			add(i, "leave", *x.Turn, x.FreedBy)
		}
		if x.Drain != nil {
			add(i, "drain", x.Drain.At, x.Drain.FreedBy)
		}
	}
	slices.SortStableFunc(all, func(a, b wait) int {
		switch {
		case a.critical != b.critical:
			return map[bool]int{false: -1, true: 1}[a.critical] // drawn last, so that it lies over the others
		case a.from != b.from:
			return a.from - b.from
		case a.at != b.at:
			return int(min(1, max(-1, a.at-b.at)))
		}
		return a.to - b.to
	})
	return all
}

// freer is the lane of the instance of a process that set another free: the last that left before, or one that was
// drained by then. -1: nobody else.
func (c *Chart) freer(x *Instance, process string, at supervisor.Instant) int {
	if process == x.Process {
		return -1
	}
	left, there := -1, -1
	for i := range c.lanes {
		y := c.lanes[i].of
		if y.Process != process {
			continue
		}
		if y.Left != nil && *y.Left <= at {
			if left < 0 || *y.Left >= *c.lanes[left].of.Left {
				left = i
			}
		} else if there < 0 {
			there = i
		}
	}
	if there >= 0 {
		return there
	}
	return left
}

// critical says whether the critical path leads from one to the other's step.
func (c *Chart) critical(from, to *Instance, step string) bool {
	path := c.Shutdown.Critical
	for i := 1; i < len(path); i++ {
		if path[i-1].Instance == from.Name && path[i].Instance == to.Name && path[i].Step == step {
			return true
		}
	}
	return false
}

// trunk draws the arrows that begin at one lane at one moment: one line up, one down, and a head for each lane.
func (c *Chart) trunk(waits []wait) {
	class := "wait"
	if waits[0].critical {
		class = "wait critical"
	}
	from := &c.lanes[waits[0].from]
	x := c.X(waits[0].at)
	top, bottom := from.y+from.high/2, from.y+from.high/2
	fmt.Fprintf(&c.plot, `<g class="%s" data-from="%d" data-to="`, class, waits[0].from)
	for i, w := range waits {
		if i > 0 {
			c.plot.WriteByte(' ')
		}
		fmt.Fprint(&c.plot, w.to)
	}
	c.plot.WriteString(`">`)
	var heads []string
	for _, w := range waits {
		to := &c.lanes[w.to]
		edge, head := to.y, "#down"
		if w.to < w.from {
			edge, head = to.y+to.high, "#up"
		}
		top, bottom = min(top, edge), max(bottom, edge)
		if !to.thin || to.band != nil {
			heads = append(heads, fmt.Sprintf(`<use href="%s" x="%s" y="%s"/>`, head, x, number(edge)))
		}
	}
	fmt.Fprintf(&c.plot, `<line x1="%[1]s" x2="%[1]s" y1="%[2]s" y2="%[3]s"/><use href="#dot" x="%[1]s" y="%[4]s"/>`, x,
		number(top), number(bottom), number(from.y+from.high/2))
	for _, head := range heads {
		c.plot.WriteString(head)
	}
	c.plot.WriteString("</g>\n")
}
