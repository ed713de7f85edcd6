package rehearse

import (
	"fmt"
	"html"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"lastout/cmd/lastout/load"
	"lastout/supervisor"
	"lastout/supervisor/report"
)

// The measures of the picture, in its own units.
const (
	pictureWidth = 1100
	margin       = 24
	loadTop      = 130
	loadHeight   = 170
	mostColumns  = 120
	fewColumns   = 24
	perColumn    = 5 // requests, at least: fewer would only show how a steady pace falls into slices
)

// Draw draws one cycle: the load over time and what became of it, and below, on the same axis, who did what in the
// shutdown. The picture needs nothing else to be shown.
func Draw(w io.Writer, way Way, c *Cycle) error {
	d := newDrawing(way, c)
	d.head()
	columns := d.chart.Draw()
	d.left, d.wide = columns.LanesAt(pictureWidth)
	rowTop := float64(loadTop + loadHeight + 44)
	d.load(rowTop + columns.Height)
	d.text(margin, rowTop-16, "name-head", "Who did what, in the order they left")
	columns.Place(&d.b, rowTop, pictureWidth)
	legend := append([]report.Entry{
		{Class: "answered", Text: "answered"},
		{Class: "lost-request", Text: "lost"},
		{Class: "refused", Text: "refused: no connection, no harm"},
	}, columns.Legend...)
	columns.Legend = legend
	bottom := columns.PlaceLegend(&d.b, rowTop+columns.Height+22, pictureWidth)
	_, err := io.WriteString(w, report.Sheet(pictureWidth, bottom+margin, style+d.b.String()))
	return err
}

// style is that of the load, beside the chart's.
const style = `<style>.answered{fill:#3f9d62}.refused{fill:#b8bfc8}.lost-request{fill:#d92f2f}
text.good{fill:#3f9d62}text.bad{fill:#d92f2f}.name-head,.moment.stop{font-weight:600}.rate{font-size:11px;text-anchor:end}
.axis{stroke:#8f9baa}</style>
`

// drawing is a picture under way. Times in it count from the stop.
type drawing struct {
	b          strings.Builder
	way        Way
	c          *Cycle
	chart      *report.Chart
	from, to   time.Duration
	width      time.Duration // of a column
	left, wide float64       // the lanes
}

func newDrawing(way Way, c *Cycle) *drawing {
	d := &drawing{way: way, c: c}
	d.to = c.Took
	oldest := time.Duration(0) // of those in hand at the stop
	for _, r := range c.Requests {
		if r.Fate != load.Refused {
			d.to = max(d.to, r.End-c.Term)
		}
		if r.End > c.Term {
			oldest = min(oldest, r.Begin-c.Term)
		}
	}
	d.to += d.to/40 + 5*time.Millisecond
	d.from = -min(c.Term, max(d.to/3, 20*time.Millisecond, min(-oldest+100*time.Millisecond, d.to)))
	d.width = d.columnWidth()
	d.from = d.from.Truncate(d.width) // no column is cut
	d.chart = &report.Chart{
		Shutdown: withHand(c), From: c.TermAt + d.from, To: c.TermAt + d.to, Zero: c.TermAt, Bare: true,
	}
	return d
}

// withHand is the shutdown with what a hand did in it: lastout's own report does not know of its signals.
func withHand(c *Cycle) *report.Shutdown {
	s := *c.Shutdown
	s.Instances = slices.Clone(s.Instances)
	for i := range s.Instances {
		x := &s.Instances[i]
		told, byHand := c.ByHand[x.Name]
		if !byHand {
			continue
		}
		at := c.TermAt + told
		var phases []report.Span
		for _, span := range x.Phases {
			switch {
			case !serving(span.State) || span.End <= at:
				phases = append(phases, span)
			case span.Begin >= at:
				phases = append(phases, report.Span{State: supervisor.Stopping, Begin: span.Begin, End: span.End})
			default:
				phases = append(phases, report.Span{State: span.State, Begin: span.Begin, End: at},
					report.Span{State: supervisor.Stopping, Begin: at, End: span.End})
			}
		}
		x.Phases = phases
	}
	return &s
}

// serving says that nobody but a hand has told an instance in this state to leave.
func serving(s supervisor.State) bool {
	switch s {
	case supervisor.Starting, supervisor.Running, supervisor.InPostStart, supervisor.Ready, supervisor.Drained:
		return true
	case supervisor.Off, supervisor.Waiting, supervisor.InPreStart, supervisor.Draining, supervisor.Remains,
		supervisor.Settling, supervisor.InPreStop, supervisor.Stopping, supervisor.Killing, supervisor.InPostStop,
		supervisor.InBackoff, supervisor.Done, supervisor.Failed, supervisor.Stopped, supervisor.Lost:
	}
	return false
}

func (d *drawing) text(x, y float64, class, text string) {
	fmt.Fprintf(&d.b, `<text x="%.1f" y="%.1f" class="%s">%s</text>`+"\n", x, y, class, html.EscapeString(text))
}

// head says what is seen, and how it went.
func (d *drawing) head() {
	t := &d.c.Tally
	title, class := "Nothing was lost", "title good"
	if t.Lost+t.Failed > 0 {
		title, class = fmt.Sprintf("%d of %d requests were lost", t.Lost+t.Failed, t.Sent), "title bad"
	}
	d.text(margin, 40, class, title)
	who := "by lastout"
	if d.way != Lastout {
		who = "by hand, " + d.way.Says() + ","
	}
	d.text(margin, 64, "faint", fmt.Sprintf(
		"Taken down %s in %s: %d requests, %d answered, %d refused at the shut door, %d lost; %d were in hand at the stop",
		who, report.Duration(d.c.Took), t.Sent, t.Answered, t.Refused, t.Lost+t.Failed, t.InHand))
}

// column is what became of the requests that were sent in one slice of time.
type column struct{ answered, refused, lost int }

// columnWidth is the length of a slice of time.
func (d *drawing) columnWidth() time.Duration {
	n := 0
	for _, r := range d.c.Requests {
		if at := r.Begin - d.c.Term; at >= d.from && at < d.to {
			n++
		}
	}
	return (d.to-d.from)/time.Duration(min(max(n/perColumn, fewColumns), mostColumns)) + 1
}

// columns counts the requests by the moment at which they were sent. One slice begins with the stop, so that none has it
// inside.
func (d *drawing) columns() (map[int]*column, int) {
	all, most := map[int]*column{}, 1
	for _, r := range d.c.Requests {
		at := r.Begin - d.c.Term
		if at < d.from || at >= d.to {
			continue
		}
		i := int(math.Floor(float64(at) / float64(d.width)))
		if all[i] == nil {
			all[i] = &column{}
		}
		switch r.Fate {
		case load.Answered:
			all[i].answered++
		case load.Refused:
			all[i].refused++
		case load.Lost:
			all[i].lost++
		}
		most = max(most, all[i].answered+all[i].refused+all[i].lost)
	}
	return all, most
}

// load draws the requests by the moment at which they were sent, and the moments that matter down to the given bottom.
func (d *drawing) load(bottom float64) {
	const base = loadTop + loadHeight
	d.text(margin, loadTop-36, "name-head", "Requests, by the moment at which they were sent, and what became of them")
	fmt.Fprintf(&d.b, `<svg x="%.1f" width="%.1f" height="%.1f" overflow="visible">`+"\n", d.left, d.wide, bottom)
	fmt.Fprintf(&d.b, `<line class="axis" x1="0" x2="100%%" y1="%[1]d" y2="%[1]d"/>`+"\n", base)
	all, most := d.columns()
	for _, i := range slices.Sorted(maps.Keys(all)) {
		d.column(i, all[i], most)
	}
	fmt.Fprintf(&d.b, `<text class="rate faint" x="-8" y="%d">%.0f/s</text>`+"\n", loadTop+12, float64(most)/d.width.Seconds())
	d.moments(bottom)
	d.b.WriteString("</svg>\n")
}

// column draws one slice of time; the largest has so many requests.
func (d *drawing) column(i int, c *column, most int) {
	at := func(i int) string { return d.chart.X(d.c.TermAt + time.Duration(i)*d.width) }
	y := float64(loadTop + loadHeight)
	for _, part := range []struct {
		n           int
		class, what string
	}{{c.lost, "lost-request", "lost"}, {c.answered, "answered", "answered"}, {c.refused, "refused", "refused"}} {
		if high := float64(part.n) / float64(most) * (loadHeight - 8); high > 0 {
			y -= high
			fmt.Fprintf(&d.b, `<rect class="%s" x="%s" y="%.1f" width="%s" height="%.1f"><title>%d %s</title></rect>`+"\n",
				part.class, at(i), y, d.chart.Wide(d.width*9/10), high, part.n, part.what)
		}
	}
}

// moments are the stop and the end, through the whole picture.
func (d *drawing) moments(bottom float64) {
	name := "SIGTERM"
	if d.way != Lastout {
		name = "stop"
	}
	line := func(at time.Duration, class, anchor, label string) {
		d.b.WriteString(d.chart.Moment(d.c.TermAt+at, class, anchor, label, loadTop-13, bottom-24))
	}
	line(0, "stop", "start", name)
	anchor := "end"
	if float64(d.c.Took)/float64(d.to-d.from) < 0.2 { // both labels side by side
		anchor = "start"
	}
	line(d.c.Took, "end", anchor, "the tree has gone")
}
