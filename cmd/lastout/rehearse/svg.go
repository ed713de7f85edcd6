package rehearse

import (
	"encoding/xml"
	"fmt"
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
	rowHeight    = 22
	rowGap       = 6
	mostRows     = 40
	labels       = 62 // beside the bars
	mostColumns  = 120
	fewColumns   = 24
	perColumn    = 5 // requests, at least: fewer would only show how a steady pace falls into slices
)

// Draw draws one cycle: the load over time and what became of it, and below, on the same axis, who did what in the
// shutdown. The picture needs nothing else to be shown.
func Draw(w io.Writer, way Way, c *Cycle) error {
	d := newDrawing(way, c)
	d.head()
	d.load()
	d.rows()
	d.axis()
	d.marks()
	d.legend()
	text := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" width="%d" height="%.0f" `+
		`font-family="system-ui, 'Helvetica Neue', 'DejaVu Sans', sans-serif" font-size="13">`+"\n"+
		`<rect width="100%%" height="100%%" fill="#ffffff"/>`+"\n%s</svg>\n",
		pictureWidth, d.bottom, pictureWidth, d.bottom, d.b.String())
	_, err := io.WriteString(w, text)
	return err
}

// drawing is a picture under way. Times in it count from the stop.
type drawing struct {
	b        strings.Builder
	way      Way
	c        *Cycle
	from, to time.Duration
	width    time.Duration // of a column
	left     float64       // where the time axis begins
	right    float64
	rowTop   float64
	bottom   float64
	who      []report.Instance
	used     [kinds]bool
}

func newDrawing(way Way, c *Cycle) *drawing {
	d := &drawing{way: way, c: c, who: c.Shutdown.Instances, right: pictureWidth - margin - labels}
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
	longest := 6
	for _, x := range d.who {
		longest = max(longest, len(x.Name))
	}
	d.left = margin + min(260, float64(longest)*7.6+16)
	d.rowTop = loadTop + loadHeight + 44
	return d
}

// x is where a moment is.
func (d *drawing) x(t time.Duration) float64 {
	t = min(max(t, d.from), d.to)
	return d.left + float64(t-d.from)/float64(d.to-d.from)*(d.right-d.left)
}

func (d *drawing) rect(x, y, w, h float64, fill, title string) {
	fmt.Fprintf(&d.b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s">`, x, y, w, h, fill)
	if title != "" {
		fmt.Fprintf(&d.b, "<title>%s</title>", escape(title))
	}
	d.b.WriteString("</rect>\n")
}

func (d *drawing) line(x1, y1, x2, y2 float64, style string) {
	fmt.Fprintf(&d.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" %s/>`+"\n", x1, y1, x2, y2, style)
}

func (d *drawing) text(x, y float64, style, text string) {
	fmt.Fprintf(&d.b, `<text x="%.1f" y="%.1f" %s>%s</text>`+"\n", x, y, style, escape(text))
}

func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}

// The colours of what became of requests.
const (
	answeredColor = "#3f9d62"
	refusedColor  = "#b8bfc8"
	lostColor     = "#d92f2f"
	inkColor      = "#1d2530"
	faintColor    = "#66707d"
	stopColor     = "#8a2be2"
)

// head says what is seen, and how it went.
func (d *drawing) head() {
	t := &d.c.Tally
	title, color := "Nothing was lost", answeredColor
	if t.Lost+t.Failed > 0 {
		title, color = fmt.Sprintf("%d of %d requests were lost", t.Lost+t.Failed, t.Sent), lostColor
	}
	d.text(margin, 40, fmt.Sprintf(`font-size="24" font-weight="600" fill="%s"`, color), title)
	who := "by lastout"
	if d.way != Lastout {
		who = "by hand, " + d.way.Says() + ","
	}
	d.text(margin, 64, fmt.Sprintf(`font-size="14" fill="%s"`, faintColor), fmt.Sprintf(
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

// load draws the requests by the moment at which they were sent.
func (d *drawing) load() {
	const bottom = loadTop + loadHeight
	d.text(margin, loadTop-36, fmt.Sprintf(`fill="%s" font-weight="600"`, inkColor),
		"Requests, by the moment at which they were sent, and what became of them")
	d.line(d.left, bottom, d.right, bottom, fmt.Sprintf(`stroke="%s"`, faintColor))
	all, most := d.columns()
	for _, i := range slices.Sorted(maps.Keys(all)) {
		c := all[i]
		from, to := d.x(time.Duration(i)*d.width), d.x(time.Duration(i+1)*d.width)
		y := float64(bottom)
		for _, part := range []struct {
			n     int
			color string
			what  string
		}{{c.lost, lostColor, "lost"}, {c.answered, answeredColor, "answered"}, {c.refused, refusedColor, "refused"}} {
			if h := float64(part.n) / float64(most) * (loadHeight - 8); h > 0 {
				y -= h
				d.rect(from+0.5, y, max(to-from-1, 0.5), h, part.color, fmt.Sprintf("%d %s", part.n, part.what))
			}
		}
	}
	d.text(d.left-8, loadTop+12, fmt.Sprintf(`text-anchor="end" fill="%s" font-size="11"`, faintColor),
		fmt.Sprintf("%.0f/s", float64(most)/d.width.Seconds()))
}

// kind is how a stretch of an instance's life is drawn.
type kind uint8

const (
	serves kind = iota
	drains
	hook
	leaves
	remains
	killed
	kinds
)

var (
	kindColors = [kinds]string{"#cfe3f5", "#f2c14e", "#b79ae0", "#2f6fb3", "#e58fb1", "#d92f2f"}
	kindWords  = [kinds]string{
		"serves", "is drained, its workers still serve", "hook", "was told to leave, and finishes",
		"descendants are left", "SIGKILL",
	}
)

// kindOf says how a state is drawn, if at all.
func kindOf(s supervisor.State) (kind, bool) {
	switch s {
	case supervisor.Starting, supervisor.Running, supervisor.InPostStart, supervisor.Ready, supervisor.Drained:
		return serves, true
	case supervisor.Draining:
		return drains, true
	case supervisor.InPreStart, supervisor.InPreStop, supervisor.InPostStop:
		return hook, true
	case supervisor.Stopping:
		return leaves, true
	case supervisor.Remains:
		return remains, true
	case supervisor.Killing:
		return killed, true
	case supervisor.Off, supervisor.Waiting, supervisor.InBackoff, supervisor.Done, supervisor.Failed,
		supervisor.Stopped, supervisor.Lost:
	}
	return 0, false
}

// rows draws a bar for each instance, in the order they left.
func (d *drawing) rows() {
	d.text(margin, d.rowTop-12, fmt.Sprintf(`fill="%s" font-weight="600"`, inkColor),
		"Who did what, in the order they left")
	d.text(pictureWidth-margin, d.rowTop-12, fmt.Sprintf(`fill="%s" font-size="11" text-anchor="end"`, faintColor),
		"left after")
	y := d.rowTop
	for i, x := range d.who {
		if i == mostRows {
			d.text(d.left-8, y+15, fmt.Sprintf(`text-anchor="end" fill="%s"`, faintColor),
				fmt.Sprintf("and %d more", len(d.who)-mostRows))
			y += rowHeight + rowGap
			break
		}
		d.row(x, y)
		y += rowHeight + rowGap
	}
	d.bottom = y
}

// row is one instance's bar.
func (d *drawing) row(x report.Instance, y float64) {
	d.text(d.left-8, y+15, fmt.Sprintf(`text-anchor="end" fill="%s"`, inkColor), x.Name)
	begin := d.from
	told, byHand := d.c.ByHand[x.Name]
	for i, span := range x.Phases {
		k, ok := kindOf(span.State)
		if !ok {
			continue
		}
		from, to := span.Begin-d.c.TermAt, span.End-d.c.TermAt
		if i == 0 {
			from = begin // before the shutdown it was the same, or led up to it
		}
		if byHand && k == serves && told < to {
			d.bar(x.Name, serves, from, told, y)
			k, from = leaves, told
		}
		d.bar(x.Name, k, from, to, y)
	}
	if x.Left != nil {
		d.text(pictureWidth-margin, y+15, fmt.Sprintf(`fill="%s" font-size="11" text-anchor="end"`, faintColor),
			report.Duration(max(0, *x.Left-d.c.TermAt)))
	}
}

// bar is a stretch of time. What happened at all is wide enough to be seen.
func (d *drawing) bar(who string, k kind, from, to time.Duration, y float64) {
	x := d.x(from)
	wide := d.x(to) - x
	if wide <= 0 && k == serves {
		return
	}
	d.used[k] = true
	d.rect(x, y, max(wide, 2), rowHeight, kindColors[k],
		fmt.Sprintf("%s: %s, %s", who, kindWords[k], report.Duration(to-from)))
}

// axis is the time below the bars.
func (d *drawing) axis() {
	y := d.bottom + 6
	d.line(d.left, y, d.right, y, fmt.Sprintf(`stroke="%s"`, faintColor))
	step := tick(d.to - d.from)
	for t := d.from.Truncate(step); t <= d.to; t += step {
		if t < d.from {
			continue
		}
		x := d.x(t)
		d.line(x, y, x, y+5, fmt.Sprintf(`stroke="%s"`, faintColor))
		label := fmt.Sprintf("%gs", t.Seconds())
		switch {
		case t == 0:
			label = "0"
		case step < 10*time.Millisecond:
			label = fmt.Sprintf("%dms", t.Milliseconds())
		}
		d.text(x, y+18, fmt.Sprintf(`text-anchor="middle" fill="%s" font-size="11"`, faintColor), label)
	}
	d.bottom = y + 30
}

// tick is a round step of which some eight make up the whole.
func tick(whole time.Duration) time.Duration {
	steps := []time.Duration{1, 2, 5, 10, 20, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10000, 20000, 30000, 60000}
	for _, s := range steps {
		if s*time.Millisecond*10 >= whole {
			return s * time.Millisecond
		}
	}
	return 5 * time.Minute
}

// marks are the moments that matter, through the whole picture.
func (d *drawing) marks() {
	name := "SIGTERM"
	if d.way != Lastout {
		name = "stop"
	}
	x, bottom := d.x(0), d.bottom-24
	d.line(x, loadTop-24, x, bottom, fmt.Sprintf(`stroke="%s" stroke-width="1.5" stroke-dasharray="5 3"`, stopColor))
	d.text(x+5, loadTop-13, fmt.Sprintf(`fill="%s" font-weight="600"`, stopColor), name)
	const wide = 190 // of both labels
	side, gap := "end", -5.0
	if d.x(d.c.Took)-x < wide {
		side, gap = "start", 5
	}
	x = d.x(d.c.Took)
	d.line(x, loadTop-24, x, bottom, fmt.Sprintf(`stroke="%s" stroke-dasharray="2 3"`, inkColor))
	d.text(x+gap, loadTop-13, fmt.Sprintf(`fill="%s" text-anchor="%s"`, inkColor, side), "the tree has gone")
}

// legend explains the colours that are there.
func (d *drawing) legend() {
	type entry struct{ color, text string }
	entries := []entry{{answeredColor, "answered"}, {lostColor, "lost"}, {refusedColor, "refused: no connection, no harm"}}
	place := func(y float64, entries []entry) {
		x := float64(margin)
		for _, e := range entries {
			d.rect(x, y, 13, 13, e.color, "")
			d.text(x+19, y+11, fmt.Sprintf(`fill="%s" font-size="12"`, inkColor), e.text)
			x += 19 + float64(len(e.text))*6.3 + 26
		}
	}
	place(d.bottom+6, entries)
	entries = slices.Delete(entries, 0, len(entries))
	for k := serves; k < kinds; k++ {
		if d.used[k] {
			entries = append(entries, entry{kindColors[k], kindWords[k]})
		}
	}
	place(d.bottom+28, entries)
	d.bottom += 56
}
