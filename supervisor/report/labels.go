package report

import (
	"fmt"
	"html"

	"lastout/supervisor"
)

// label writes the name of a lane and how it left, beside it and, for narrow pages, above it.
func (c *Chart) label(l *lane) {
	if l.thin && l.band == nil {
		return
	}
	x, name := l.of, l.of.Name
	how, class, left := l.how(), x.class(), c.left(x)
	if l.band != nil {
		name = fmt.Sprintf("%s ×%d", x.Process, len(l.band))
		class, left = bandClass(l.band), c.left(l.band[len(l.band)-1])
	}
	weight := ""
	if x.Critical || l.band != nil && anyCritical(l.band) {
		weight = " critical"
	}
	middle := l.y + l.high/2 + 4
	if l.band != nil {
		middle = l.y + 11
	}
	size := ""
	if l.pitch < 20 {
		size = " small"
	}
	fmt.Fprintf(&c.names, `<text class="name%s%s" x="%s" y="%s">%s<title>%s</title></text>`+"\n", weight, size,
		number(c.namesWide()-10), number(middle), html.EscapeString(shorten(name)), html.EscapeString(name))
	fmt.Fprintf(&c.ends, `<text class="time%s" x="48" y="%s">%s</text><text class="how %s%s" x="58" y="%[2]s">%[6]s</text>`+"\n",
		size, number(middle), left, class, size, html.EscapeString(how))
	above := l.y + l.high/2 - 3
	if l.thin {
		size, above = size+" band", l.y+9
	}
	fmt.Fprintf(&c.over, `<text class="inname%[5]s%[1]s" x="0" y="%[2]s">%[3]s</text>`+
		`<text class="inend%[5]s" x="100%%" y="%[2]s">%[4]s</text>`+"\n",
		weight, number(above), html.EscapeString(name), html.EscapeString(left+" "+how), size)
}

// left is when an instance left, as a text.
func (c *Chart) left(x *Instance) string {
	if x.Left == nil {
		return "–"
	}
	return Duration(max(0, *x.Left-c.Zero))
}

// class says how well an instance left.
func (x *Instance) class() string {
	switch {
	case x.State == supervisor.Lost || x.Left == nil:
		return "bad"
	case x.Killed != nil:
		return "forced"
	case x.Exit != nil && (x.Exit.Code != 0 || x.Exit.Signal != 0) && !x.Exit.Asked:
		return "bad"
	}
	return "well"
}

// how says how the instance, or those of the band, left.
func (l *lane) how() string {
	if l.band != nil {
		return bandHow(l.band)
	}
	return shorten(l.of.how())
}

// bandHow sums up how the instances of a band left.
func bandHow(band []*Instance) string {
	count := map[string]int{}
	var order []string
	for _, x := range band {
		how := x.how()
		if count[how] == 0 {
			order = append(order, how)
		}
		count[how]++
	}
	if len(order) == 1 {
		return order[0]
	}
	force := 0
	for _, x := range band {
		if x.class() != "well" {
			force++
		}
	}
	if force > 0 {
		return fmt.Sprintf("%d by force", force)
	}
	return fmt.Sprintf("%d ways", len(order))
}

func bandClass(band []*Instance) string {
	worst := "well"
	for _, x := range band {
		switch x.class() {
		case "bad":
			return "bad"
		case "forced":
			worst = "forced"
		}
	}
	return worst
}

func anyCritical(band []*Instance) bool {
	for _, x := range band {
		if x.Critical {
			return true
		}
	}
	return false
}

// longestName is how much of a name is shown.
const longestName = 28

func shorten(name string) string {
	if r := []rune(name); len(r) > longestName {
		return string(r[:longestName-1]) + "…"
	}
	return name
}

// namesWide is how wide the column of the names has to be.
func (c *Chart) namesWide() float64 {
	longest := 6
	if !c.Bare {
		longest = 12
	}
	for _, l := range c.lanes {
		n := len([]rune(l.of.Name))
		if l.band != nil {
			n = len([]rune(l.of.Process)) + 5
		}
		longest = max(longest, min(n, longestName))
	}
	return float64(longest)*7.4 + 22
}

// endsWide is the same of the column of how each left.
func (c *Chart) endsWide() float64 {
	longest := 6
	for i := range c.lanes {
		if l := &c.lanes[i]; !l.thin || l.band != nil {
			longest = max(longest, len([]rune(l.how())))
		}
	}
	return float64(longest)*7 + 64
}
