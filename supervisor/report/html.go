package report

import (
	_ "embed"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"

	"lastout/supervisor"
)

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// HTML writes the shutdown as a page that needs nothing else to be shown: readable on a phone, by night and on paper.
// source is where it comes from, for its last line.
func (s *Shutdown) HTML(w io.Writer, source string) error {
	var b strings.Builder
	title := s.title()
	fmt.Fprintf(&b, `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none';style-src 'unsafe-inline';script-src 'unsafe-inline'">
<title>%s</title>
<style>
%s%s</style>
<body>
<svg width="0" height="0" style="position:absolute" aria-hidden="true">%s</svg>
<h1 class="%s">%s</h1>
<p class="faint">%s</p>
`, html.EscapeString(strings.TrimSpace(s.Name+" · "+title)), Style(), pageStyle, Marks, s.tone(), html.EscapeString(title),
		html.EscapeString(s.Whence()))
	if len(s.Phases) > 0 {
		s.writeFacts(&b)
	}
	if len(s.Instances) > 0 {
		s.writeChart(&b)
	}
	s.writeRemarks(&b)
	s.writeCuts(&b)
	s.writeEverybody(&b)
	fmt.Fprintf(&b, "<footer>lastout report · %s</footer>\n<div id=\"tip\" role=\"tooltip\"></div>\n<script>\n%s</script>\n",
		html.EscapeString(source), pageScript)
	_, err := io.WriteString(w, b.String())
	return err
}

// writeFacts writes the numbers that matter.
func (s *Shutdown) writeFacts(b *strings.Builder) {
	b.WriteString("<ul class=\"facts\">\n")
	fact := func(tone, number, what string) {
		fmt.Fprintf(b, "<li><b class=%q>%s</b>%s</li>\n", tone, html.EscapeString(number), html.EscapeString(what))
	}
	meter := ""
	if s.Bound > 0 {
		share := min(100, float64(s.Took)/float64(s.Bound)*100)
		meter = fmt.Sprintf(`<span class="meter %s"><i style="width:%s"></i></span>`, s.tone(), percent(share))
	}
	bound := "without a bound"
	if s.Bound > 0 {
		bound = "of at most " + Duration(s.Bound)
	}
	fmt.Fprintf(b, "<li><b>%s</b>%s%s</li>\n", Duration(s.Took), html.EscapeString(bound), meter)
	killed, lost, cut := 0, 0, 0
	for i := range s.Instances {
		x := &s.Instances[i]
		switch {
		case x.State == supervisor.Lost || x.Left == nil:
			lost++
		case x.Killed != nil:
			killed++
		}
		for _, c := range x.Cut {
			cut += len(c.Connections)
		}
	}
	well := len(s.Instances) - killed - lost
	fact("", fmt.Sprintf("%d of %d", well, len(s.Instances)), "left by themselves")
	fact(toneOf(killed, "forced"), fmt.Sprint(killed), "killed")
	fact(toneOf(lost, "bad"), fmt.Sprint(lost), "never gone")
	fact(toneOf(cut, "bad"), fmt.Sprint(cut), "connections cut off")
	if s.Outcome != nil {
		fact(map[bool]string{false: "bad"}[s.Outcome.Code == 0], fmt.Sprint(s.Outcome.Code), "exit code")
	}
	b.WriteString("</ul>\n")
}

// toneOf is the tone of a number that should be 0.
func toneOf(n int, tone string) string {
	if n == 0 {
		return ""
	}
	return tone
}

// writeChart writes the timeline: three drawings side by side, of which a narrow page shows the one in the middle.
func (s *Shutdown) writeChart(b *strings.Builder) {
	c := s.NewChart().Draw()
	drawing := func(wide, content string) string {
		return fmt.Sprintf(`<svg width="%s" height="%s">`+"\n%s</svg>", wide, number(c.Height), content)
	}
	fmt.Fprintf(b, "<div class=\"chart\" role=\"img\" aria-label=\"timeline of the shutdown\">\n<div class=\"names\">%s</div>\n"+
		"<div class=\"lanes\">%s</div>\n<div class=\"ends\">%s</div>\n</div>\n<ul class=\"legend\">\n",
		drawing(number(c.NamesWide), c.Names), drawing("100%", c.Lanes), drawing(number(c.EndsWide), c.Ends))
	for _, e := range c.Legend {
		fmt.Fprintf(b, `<li><svg><rect class="%s" width="12" height="12"/></svg>%s</li>`+"\n", e.Class, html.EscapeString(e.Text))
	}
	b.WriteString(`<li><svg><line class="wait" x1="6" x2="6" y1="-1" y2="13"/><use class="wait" href="#down" x="6" y="13"/></svg>` +
		"whoever waited for it moves</li>\n" +
		`<li><svg><line class="wait critical" x1="6" x2="6" y1="-1" y2="13"/><use class="wait critical" href="#down" x="6" y="13"/>` +
		"</svg>so the whole had to wait</li>\n</ul>\n")
}

// writeRemarks says what went wrong, and what else there is to say.
func (s *Shutdown) writeRemarks(b *strings.Builder) {
	remarks := slices.Concat(s.forced(), s.remarks())
	if len(remarks) == 0 {
		return
	}
	b.WriteString("<h2>Worth knowing</h2>\n<ul class=\"remarks\">\n")
	for _, r := range remarks {
		fmt.Fprintf(b, "<li class=%q>%s</li>\n", r.tone, html.EscapeString(r.text))
	}
	b.WriteString("</ul>\n")
}

// mostCut is how many connections a page lists.
const mostCut = 200

// writeCuts lists the connections that were cut off, or may have been.
func (s *Shutdown) writeCuts(b *strings.Builder) {
	n := 0
	write := func(of, at, by string, list []supervisor.Connection) {
		for _, c := range list {
			if n++; n == 1 {
				b.WriteString("<h2>Connections that were cut off, or not answered in time</h2>\n<div class=\"scroll\"><table>\n" +
					"<tr><th>peer<th>of<th class=\"n\">port<th class=\"n\">at<th class=\"n\">age<th class=\"n\">bytes in" +
					"<th class=\"n\">bytes out<th class=\"n\">last active<th>by\n")
			}
			if n <= mostCut {
				fmt.Fprintf(b, `<tr><td>%s<td>%s<td class="n">%d<td class="n">%s<td class="n">%s<td class="n">%d<td class="n">%d`+
					`<td class="n">%s before<td class="w">%s`+"\n", html.EscapeString(c.Peer), html.EscapeString(of), c.Port,
					at, Duration(c.Age), c.In, c.Out, Duration(c.Last), html.EscapeString(by))
			}
		}
	}
	for i := range s.Instances {
		x := &s.Instances[i]
		write(x.Name, "-", "not answered by the end of its drain", x.Unanswered)
		for _, cut := range x.Cut {
			write(x.Name, Duration(cut.At-s.Begin), cut.Cause, cut.Connections)
		}
	}
	if n > 0 {
		b.WriteString("</table></div>\n")
	}
	if n > mostCut {
		fmt.Fprintf(b, "<p class=\"faint\">and %s more</p>\n", Count(n-mostCut, "connection"))
	}
}

// writeEverybody is the table of all who took part, as the text has it.
func (s *Shutdown) writeEverybody(b *strings.Builder) {
	if len(s.Instances) == 0 {
		return
	}
	b.WriteString("<h2>Everybody, in the order they left</h2>\n<div class=\"scroll\"><table>\n<tr><th>instance<th>role<th class=\"n\">turn" +
		"<th>after<th>told<th class=\"n\">took<th class=\"n\">left<th class=\"n\">had until<th>how\n")
	for _, r := range s.rows() {
		x := r.of
		critical := ""
		if x.Critical {
			critical = ` class="critical"`
		}
		by := "-"
		if x.LeaveBy != nil {
			by = Duration(*x.LeaveBy - s.Begin)
		}
		cell := func(i int) string { return html.EscapeString(r.cells[i]) }
		fmt.Fprintf(b, `<tr%s><td>%s<td>%s<td class="n">%s<td>%s<td>%s<td class="n">%s<td class="n">%s<td class="n">%s<td class="%s">%s`+"\n",
			critical, cell(colName), html.EscapeString(x.Role), cell(colTurn), cell(colAfter), cell(colTold), cell(colTook),
			cell(colLeft), by, x.class(), cell(colHow))
	}
	b.WriteString("</table></div>\n")
}
