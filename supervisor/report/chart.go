package report

import (
	"fmt"
	"html"
	"strconv"
	"strings"
	"time"

	"lastout/supervisor"
)

// Chart is the timeline of a shutdown as a drawing in SVG: a lane for each instance, in the order they left, and arrows
// from whoever was waited for to whoever waited.
//
// It consists of three columns, side by side: the names, the lanes, and how each left. Widths in the lanes are
// percentages and heights are pixels, so that who shows it chooses how wide it is.
type Chart struct {
	Shutdown *Shutdown
	From, To supervisor.Instant // what the lanes show; what came before the shutdown is taken to be as its begin
	Zero     supervisor.Instant // what times are counted from
	Bare     bool               // without the critical path, for who has more to show than the shutdown

	lanes []lane
	names strings.Builder
	plot  strings.Builder
	over  strings.Builder // what lies over all lanes: names, on narrow pages
	ends  strings.Builder
	used  [strokes]bool
}

// Columns are the drawing's parts: fragments of SVG, all of the same height.
type Columns struct {
	Names, Lanes, Ends  string
	NamesWide, EndsWide float64
	Height              float64
	Legend              []Entry // of what is there
}

// Entry explains a colour. Class is that of a rect in the drawing.
type Entry struct{ Class, Text string }

// NewChart is the chart of a whole shutdown.
func (s *Shutdown) NewChart() *Chart {
	c := &Chart{Shutdown: s, Zero: s.Begin}
	room := max(s.Took, 1)
	c.From, c.To = s.Begin-room/40, s.End+room/40
	if by := s.Begin + s.Bound; s.Bound > 0 && by > c.To && s.Bound-s.Took < s.Took/2 {
		c.To = by + room/40
	}
	return c
}

// Draw lays the chart out.
func (c *Chart) Draw() Columns {
	c.layOut()
	top := c.headHigh()
	for i := range c.lanes {
		c.lanes[i].y += top
	}
	bottom := top
	if n := len(c.lanes); n > 0 {
		bottom = c.lanes[n-1].y + c.lanes[n-1].pitch
	}
	c.grid(bottom)
	c.path()
	for i := range c.lanes {
		c.lane(i)
	}
	c.arrows()
	c.moments(bottom)
	columns := Columns{
		Names: c.names.String(), Lanes: c.plot.String() + c.over.String(), Ends: c.ends.String(),
		NamesWide: c.namesWide(), EndsWide: c.endsWide(), Height: bottom + axisHigh,
	}
	for st := strokeServe; st < strokes; st++ {
		if c.used[st] {
			columns.Legend = append(columns.Legend, Entry{Class: classes[st], Text: words[st]})
		}
	}
	return columns
}

// share is where a moment is, in percent of the lanes' width.
func (c *Chart) share(at supervisor.Instant) float64 {
	at = min(max(at, c.From), c.To)
	return float64(at-c.From) / float64(max(c.To-c.From, 1)) * 100
}

// X is where a moment is, as an attribute of SVG.
func (c *Chart) X(at supervisor.Instant) string { return percent(c.share(at)) }

// Wide is how wide a stretch of time is, as an attribute of SVG.
func (c *Chart) Wide(d time.Duration) string {
	return percent(float64(d) / float64(max(c.To-c.From, 1)) * 100)
}

func percent(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) + "%" }

// number is a length in pixels.
func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// lane draws one line: its name, what it did, how it left.
func (c *Chart) lane(i int) {
	l := &c.lanes[i]
	x := l.of
	thin := ""
	if l.thin {
		thin = " thin"
	}
	fmt.Fprintf(&c.plot, `<g class="lane%s" data-i="%d" transform="translate(0,%s)">`, thin, i, number(l.y))
	hit := max(l.high+2, min(l.pitch, 28))
	if l.thin {
		hit = l.high + 1
	}
	fmt.Fprintf(&c.plot, `<title>%s</title><rect class="hit" x="0" y="%s" width="100%%" height="%s"/><g class="bars">`,
		html.EscapeString(c.Shutdown.About(x)), number((l.high-hit)/2), number(hit))
	for n, part := range x.stretches() {
		from := part.begin
		if n == 0 && from <= c.Shutdown.Begin {
			from = c.From
		}
		c.bar(l, part, from)
	}
	if x.State == supervisor.Lost && x.Left != nil {
		c.bar(l, stretch{strokeLost, *x.Left, c.To, "lost: it may still be there"}, *x.Left)
	}
	c.plot.WriteString("</g>")
	c.marks(l)
	c.label(l)
	c.plot.WriteString("</g>\n")
}

// bar is a stretch of time. What happened at all is wide enough to be seen.
func (c *Chart) bar(l *lane, part stretch, from supervisor.Instant) {
	if part.stroke == strokeServe && part.end <= from || part.end < c.From {
		return
	}
	c.used[part.stroke] = true
	begin := c.share(from)
	fmt.Fprintf(&c.plot, `<rect class="%s" x="%s" width="%s" height="%s"`, classes[part.stroke], percent(begin),
		percent(max(c.share(part.end)-begin, 0.25)), number(l.high))
	if l.thin {
		c.plot.WriteString("/>")
		return
	}
	fmt.Fprintf(&c.plot, "><title>%s: %s, %s</title></rect>", html.EscapeString(l.of.Name), part.words,
		Duration(part.end-part.begin))
}

// marks shows, on a lane, until when the budget had left it time, the SIGKILL, and where connections were cut off.
func (c *Chart) marks(l *lane) {
	x := l.of
	line := func(class string, at supervisor.Instant) {
		fmt.Fprintf(&c.plot, `<line class="%[1]s" x1="%[2]s" x2="%[2]s" y1="-3" y2="%[3]s"/>`, class, c.X(at), number(l.high+3))
	}
	if x.LeaveBy != nil && *x.LeaveBy <= c.To && !l.thin {
		line("by", *x.LeaveBy)
	}
	if x.Killed != nil && !l.thin {
		line("killed", x.Killed.At)
	}
	for _, cut := range x.Cut {
		fmt.Fprintf(&c.plot, `<use class="cut" href="#cut" x="%s" y="%s"/>`, c.X(cut.At), number(l.high/2))
	}
}
