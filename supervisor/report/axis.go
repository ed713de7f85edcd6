package report

import (
	"fmt"
	"html"
	"time"

	"lastout/supervisor"
)

// The heights of what stands above and below the lanes.
const (
	labelsHigh = 22.0 // the moments
	axisHigh   = 26.0
	pathHigh   = 34.0 // the critical path
)

// headHigh is the height of what stands above the lanes.
func (c *Chart) headHigh() float64 {
	if c.Bare {
		return 0
	}
	if c.tall() {
		return labelsHigh + pathHigh + 14
	}
	return labelsHigh + pathHigh
}

// tall says whether who sees the top of the chart does not see its bottom.
func (c *Chart) tall() bool {
	const high = 700
	n := len(c.lanes)
	return n > 0 && c.lanes[n-1].y > high
}

// path draws what the whole shutdown had to wait for, in one line: the announcement, the critical path, the closing.
func (c *Chart) path() {
	if c.Bare {
		return
	}
	s := c.Shutdown
	for _, p := range s.Phases {
		switch p.Phase {
		case supervisor.Announcing:
			c.step("phase", p.Begin, p.End, "announces")
		case supervisor.Closing:
			c.step("phase", p.Begin, p.End, "closes")
		case supervisor.Up, supervisor.Walking, supervisor.Finished:
		}
	}
	for _, h := range s.Hooks {
		c.step("hook", h.Begin, h.End, string(h.Kind)+" hook")
	}
	for _, p := range s.Critical {
		name := p.Instance
		if p.Step == "drain" {
			name += " drains"
		}
		c.step("step", p.Begin, p.End, name)
	}
	fmt.Fprintf(&c.names, `<text class="name faint" x="%s" y="%s">critical path</text>`+"\n",
		number(c.namesWide()-10), number(labelsHigh+14))
}

// step is one part of that line.
func (c *Chart) step(class string, from, to supervisor.Instant, name string) {
	const high = 20
	if to <= from {
		return
	}
	begin := c.share(from)
	fmt.Fprintf(&c.plot, `<svg class="%s" x="%s" y="%s" width="%s" height="%d"><title>%s: %s</title>`+
		`<rect width="100%%" height="100%%"/><text x="6" y="14">%[6]s</text></svg>`+"\n",
		class, percent(begin), number(labelsHigh), percent(max(c.share(to)-begin, 0.25)), high, html.EscapeString(name),
		Duration(to-from))
}

// grid draws the time below the lanes, and faint lines through them.
func (c *Chart) grid(bottom float64) {
	step := tick(c.To - c.From)
	ys := []float64{bottom + 19}
	if !c.Bare && c.tall() {
		ys = append(ys, labelsHigh+pathHigh+2)
	}
	first := (c.From - c.Zero).Truncate(step)
	for t := first; c.Zero+t <= c.To; t += step {
		if c.Zero+t < c.From {
			continue
		}
		x := c.X(c.Zero + t)
		fmt.Fprintf(&c.plot, `<line class="grid" x1="%[1]s" x2="%[1]s" y1="%[2]s" y2="%[3]s"/>`, x,
			number(c.headHigh()), number(bottom+4))
		for _, y := range ys {
			fmt.Fprintf(&c.plot, `<text class="tick" x="%s" y="%s">%s</text>`+"\n", x, number(y), tickText(t, step))
		}
	}
}

// tick is a round step of which some eight make up the whole.
func tick(whole time.Duration) time.Duration {
	for _, s := range []time.Duration{
		1, 2, 5, 10, 20, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000,
	} {
		if s*time.Millisecond*8 >= whole {
			return s * time.Millisecond
		}
	}
	return (whole / 8).Truncate(time.Minute) + time.Minute
}

func tickText(t, step time.Duration) string {
	switch {
	case t == 0:
		return "0"
	case step < 10*time.Millisecond:
		return fmt.Sprintf("%dms", t.Milliseconds())
	case step >= time.Minute:
		return t.String()
	}
	return fmt.Sprintf("%gs", t.Seconds())
}

// moments are the begin, the end and the bound of the shutdown, through all lanes.
func (c *Chart) moments(bottom float64) {
	if c.Bare {
		return
	}
	s := c.Shutdown
	moment := func(at supervisor.Instant, class, anchor, label string) {
		c.plot.WriteString(c.Moment(at, class, anchor, label, labelsHigh-8, bottom))
	}
	moment(s.Begin, "begin", "start", s.Cause)
	if over := s.over(); over > 0 {
		moment(over, "end", "end", s.overText())
	}
	if by := s.Begin + s.Bound; s.Bound > 0 && by <= c.To {
		moment(by, "bound", "end", "")
	}
}

// Moment is a line through the lanes from y on, with its label at the top; anchor is on which side of the line that is:
// start or end.
func (c *Chart) Moment(at supervisor.Instant, class, anchor, label string, y, bottom float64) string {
	x, dx := c.X(at), "5"
	if anchor == "end" {
		dx = "-5"
	}
	return fmt.Sprintf(`<line class="moment %[1]s" x1="%[2]s" x2="%[2]s" y1="%[3]s" y2="%[4]s"/>`+
		`<text class="moment %[1]s" x="%[2]s" dx="%[5]s" y="%[6]s" text-anchor="%[7]s">%[8]s</text>`+"\n", class, x,
		number(y-8), number(bottom+4), dx, number(y), anchor, html.EscapeString(label))
}

// over is when the last instance had left; 0: that never came.
func (s *Shutdown) over() supervisor.Instant {
	var last supervisor.Instant
	for i := range s.Instances {
		if s.Instances[i].Left == nil {
			return 0
		}
		last = max(last, *s.Instances[i].Left)
	}
	return last
}

// overText says what was over then.
func (s *Shutdown) overText() string {
	for i := range s.Instances {
		if s.Instances[i].State == supervisor.Lost {
			return "nobody is waited for"
		}
	}
	return "all have left"
}
