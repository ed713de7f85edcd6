package report

import (
	"fmt"
	"strings"
)

// colour is a part of the drawing in its two colours: by day and by night.
type colour struct{ selector, property, day, night string }

// colours are those of everything but the strokes.
var colours = []colour{
	{".bg", "fill", "#ffffff", "#12171d"},
	{"text", "fill", "#1b2330", "#e4e9ef"},
	{".tick,.faint,.time,.how.well,.inend,.label", "fill", "#66707d", "#8f9baa"},
	{".how.forced", "fill", "#b45309", "#f2a64b"},
	{".how.bad", "fill", "#c42b2b", "#ff7b7b"},
	{".how.fine", "fill", "#1f7a4d", "#5ccf93"},
	{".grid", "stroke", "#e7eaee", "#232c36"},
	{".moment", "stroke", "#66707d", "#8f9baa"},
	{".moment.bound", "stroke", "#d23a3a", "#ea5a5a"},
	{".wait", "stroke", "#8a96a3", "#77849a"},
	{".wait.critical", "stroke", "#1b2330", "#f3f6fa"},
	{".step rect", "fill", "#1b2330", "#e4e9ef"},
	{".step text", "fill", "#ffffff", "#12171d"},
	{".phase rect", "fill", "#e7eaee", "#232c36"},
	{".by", "stroke", "#b45309", "#f2a64b"},
	{".cut,.killed", "stroke", "#c42b2b", "#ff7b7b"},
}

// Style is the style sheet of a Chart. Not every viewer of SVG knows variables, so that each colour stands in it as it is.
func Style() string {
	var b strings.Builder
	b.WriteString(`text{font:13px system-ui,"Helvetica Neue","DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
.name{text-anchor:end}.name.critical,.inname.critical{font-weight:700}.small{font-size:11px}
.tick{font-size:11px;text-anchor:middle}.time{text-anchor:end}text.moment{font-size:12px;stroke:none}
.hit{fill:transparent}.grid,.wait,.by{fill:none}.wait{stroke-width:1.2}.wait.critical{stroke-width:2}
.moment{stroke-dasharray:4 3}.by{stroke-width:1.5;stroke-dasharray:2 2}.cut{stroke-width:1.8}.killed{stroke-width:3}
.step text,.phase text,svg.hook text{font-size:11px;font-weight:600}.step rect,.phase rect{stroke:#fff;stroke-opacity:.5}.inname,.inend{display:none}.inend{text-anchor:end}
`)
	sheet := func(which func(colour) string, strokesOf [strokes]string) {
		for _, c := range colours {
			fmt.Fprintf(&b, "%s{%s:%s}\n", c.selector, c.property, which(c))
		}
		for st := strokeServe; st < strokes; st++ {
			fmt.Fprintf(&b, ".%s{fill:%s}\n", classes[st], strokesOf[st])
		}
	}
	sheet(func(c colour) string { return c.day }, day)
	b.WriteString("@media (prefers-color-scheme:dark){\n")
	sheet(func(c colour) string { return c.night }, night)
	b.WriteString("}\n")
	return b.String()
}

// Marks are what the lanes refer to: the heads of arrows and the sign of connections that were cut off.
const Marks = `<defs><path id="down" d="M-4-7 0 0 4-7"/><path id="up" d="M-4 7 0 0 4 7"/>` +
	`<circle id="dot" r="2.2"/><path id="cut" d="M-5-5 5 5M-5 5 5-5"/></defs>` + "\n"
