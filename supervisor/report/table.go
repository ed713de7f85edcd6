package report

import (
	"strings"
	"unicode/utf8"
)

// The narrowest and the widest timeline worth drawing.
const (
	minBars = 12
	maxBars = 100
)

// The columns of the table.
const (
	colMark = iota
	colName
	colTurn
	colAfter
	colTold
	colTook
	colLeft
	colHow
	columns
)

// givesWay are the columns that a timeline takes the place of where both have no room, first those of which it tells most.
var givesWay = []int{colTurn, colTook, colTold, colAfter}

// hidden is the width of a column that is left out.
const hidden = -1

// row is a line of the table: one instance, or several of a process that share it.
type row struct {
	cells    []string
	of       *Instance
	critical bool
}

// writeTable writes a row for everybody who took part, and the timeline beside it.
func (s *Shutdown) writeTable(b *strings.Builder, p painter, width int) {
	head := []string{"", "instance", "turn", "after", "told", "took", "left", "how"}
	rows := s.rows()
	widths := make([]int, columns)
	measure := func(cells []string) {
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	measure(head)
	for _, r := range rows {
		measure(r.cells)
	}
	bars := fit(widths, width)
	b.WriteByte('\n')
	writeRow(b, widths, head, p.dim, bars)
	if bars > 0 {
		b.WriteString(p.dim(axis(s.Took, bars)))
	}
	b.WriteByte('\n')
	for _, r := range rows {
		writeRow(b, widths, r.cells, p.of(r.of), bars)
		if bars > 0 {
			b.WriteString(s.bar(r.of, bars, p))
		}
		b.WriteByte('\n')
	}
	if bars > 0 {
		b.WriteString(writeLegend(rows, p))
	}
}

// fit leaves columns out until there is room for a timeline, and tells how wide that is; 0: there is none.
func fit(widths []int, width int) int {
	if width <= 0 {
		return 0
	}
	for _, column := range givesWay {
		if width-total(widths)-1 >= minBars {
			break
		}
		widths[column] = hidden
	}
	if bars := width - total(widths) - 1; bars >= minBars {
		return min(maxBars, bars)
	}
	return 0
}

// total is the width of a table's line with two blanks after each column.
func total(widths []int) int {
	n := 0
	for _, w := range widths {
		if w != hidden {
			n += w + 2
		}
	}
	return n
}

// writeRow writes the cells of one line; times stand right, words left. The last column is only padded for a timeline.
func writeRow(b *strings.Builder, widths []int, cells []string, paint func(string) string, bars int) {
	for i, cell := range cells {
		if widths[i] == hidden {
			continue
		}
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		last := i == len(cells)-1
		switch {
		case i == colTurn || i == colTook || i == colLeft:
			b.WriteString(pad + paint(cell) + "  ")
		case last && bars == 0:
			b.WriteString(paint(cell))
		default:
			b.WriteString(paint(cell) + pad + "  ")
		}
	}
}
