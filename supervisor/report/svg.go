package report

import (
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
)

// Side is the margin of a picture, and pictureWide its width.
const (
	side        = 24.0
	pictureWide = 1100.0
)

// SVG draws the shutdown as a picture that needs nothing else to be shown, by day and by night.
func (s *Shutdown) SVG(w io.Writer) error {
	var b strings.Builder
	y := 40.0
	class := " how " + s.tone()
	text := func(class, x, text string) {
		fmt.Fprintf(&b, `<text class="%s" x="%s" y="%s">%s</text>`+"\n", class, x, number(y), html.EscapeString(text))
	}
	text("title"+class, number(side), s.title())
	y += 22
	text("faint", number(side), s.subtitle())
	y += 18
	if len(s.Instances) > 0 {
		columns := s.NewChart().Draw()
		columns.Place(&b, y, pictureWide)
		y += columns.Height + 20
		y = columns.PlaceLegend(&b, y, pictureWide)
	}
	y += 8
	for _, r := range slices.Concat(s.forced(), s.cutOff(), s.remarks()) {
		y += 20
		text("faint", number(side), r.text)
	}
	y += 20
	_, err := io.WriteString(w, Sheet(pictureWide, y, b.String()))
	return err
}

// Sheet is a whole picture around its content.
func Sheet(width, height float64, content string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]s %[2]s" width="%[1]s" height="%[2]s">`+"\n"+
		"<style>%[3]s.title{font-size:24px;font-weight:600}</style>\n%[4]s"+
		`<rect class="bg" width="100%%" height="100%%"/>`+"\n%[5]s</svg>\n",
		number(width), number(height), Style(), Marks, content)
}

// LanesAt is where the lanes begin in a picture of the given width, and how wide they are.
func (c *Columns) LanesAt(width float64) (x, wide float64) {
	return side + c.NamesWide, width - 2*side - c.NamesWide - c.EndsWide
}

// Place puts the columns side by side into a picture of the given width.
func (c *Columns) Place(b *strings.Builder, y, width float64) {
	column := func(x, wide float64, content string) {
		fmt.Fprintf(b, `<svg x="%s" y="%s" width="%s" height="%s" overflow="visible">`+"\n%s</svg>\n",
			number(x), number(y), number(wide), number(c.Height), content)
	}
	x, wide := c.LanesAt(width)
	column(side, c.NamesWide, c.Names)
	column(x, wide, c.Lanes)
	column(x+wide, c.EndsWide, c.Ends)
}

// PlaceLegend explains the colours, and returns where that ends.
func (c *Columns) PlaceLegend(b *strings.Builder, y, width float64) float64 {
	x := side
	for _, e := range c.Legend {
		wide := 18 + float64(len(e.Text))*6.9
		if x > side && x+wide > width-side {
			x, y = side, y+20
		}
		fmt.Fprintf(b, `<rect class="%s" x="%s" y="%s" width="12" height="12"/><text class="label" x="%s" y="%s">%s</text>`+"\n",
			e.Class, number(x), number(y-10), number(x+18), number(y), html.EscapeString(e.Text))
		x += wide + 18
	}
	return y
}
