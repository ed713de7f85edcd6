package main

import (
	"strings"
	"unicode/utf8"
)

// column is one of the table. Where there is no room for all, those with the highest rank go first.
type column struct {
	title string
	rank  int
	right bool // its text stands on the right
}

// The columns, in their order.
const (
	colInstance = iota
	colRole
	colState
	colFor
	colPID
	colRestarts
	colMemory
	colCPU
	colNote
	columns
)

var statusColumns = [columns]column{
	colInstance: {title: "INSTANCE"},
	colRole:     {title: "ROLE", rank: 5},
	colState:    {title: "STATE"},
	colFor:      {title: "FOR", rank: 1, right: true},
	colPID:      {title: "PID", rank: 4, right: true},
	colRestarts: {title: "RESTARTS", rank: 6, right: true},
	colMemory:   {title: "MEMORY", rank: 2, right: true},
	colCPU:      {title: "CPU", rank: 3, right: true},
	colNote:     {title: "NOTE"},
}

// row is a line of the table.
type row struct {
	cells [columns]string
	style string
}

// leastNote is the room that a note wants before other columns give way; a long name gets a third of the width, and so
// much at least.
const (
	leastNote = 28
	leastName = 16
)

// choose picks the columns that there is room for: no empty ones but the first, and of the others those of low rank.
func (v statusView) choose(rows []row) [columns]int {
	var widths [columns]int
	for i := range statusColumns {
		for _, r := range rows[1:] {
			widths[i] = max(widths[i], utf8.RuneCountInString(r.cells[i]))
		}
		if widths[i] > 0 || i == colInstance {
			widths[i] = max(widths[i], len(statusColumns[i].title))
		}
	}
	if v.width == 0 {
		return widths
	}
	widths[colInstance] = min(widths[colInstance], max(v.width/3, leastName))
	for total(widths) > v.width {
		worst := -1
		for i, c := range statusColumns {
			if widths[i] > 0 && c.rank > 0 && (worst < 0 || c.rank > statusColumns[worst].rank) {
				worst = i
			}
		}
		if worst < 0 {
			break
		}
		widths[worst] = 0
	}
	if over := total(widths, colNote) + widths[colNote] - v.width; over > 0 && widths[colNote] > 0 {
		widths[colNote] = max(widths[colNote]-over, 4)
	}
	return widths
}

// total is what columns take with two blanks between them; a note needs only so much.
func total(widths [columns]int, whole ...int) int {
	sum := 0
	for i, w := range widths {
		switch {
		case w == 0:
			continue
		case i == colNote && len(whole) > 0:
			sum += 2
			continue
		case i == colNote:
			w = min(w, leastNote)
		}
		sum += w + 2
	}
	return sum - 2
}

// line writes one line of the table.
func (v statusView) line(b *strings.Builder, r *row, widths [columns]int) {
	var line strings.Builder
	for i, w := range widths {
		if w == 0 {
			continue
		}
		if line.Len() > 0 {
			line.WriteString("  ")
		}
		text := cutTo(r.cells[i], w)
		pad := strings.Repeat(" ", max(0, w-utf8.RuneCountInString(text)))
		if statusColumns[i].right {
			text = pad + text
		} else {
			text += pad
		}
		line.WriteString(text)
	}
	text := v.cut(strings.TrimRight(line.String(), " "))
	if v.color && r.style != "" {
		text = r.style + text + "\x1b[0m"
	}
	b.WriteString(text + "\n")
}

// cut fits a line into the width.
func (v statusView) cut(line string) string {
	if v.width == 0 {
		return line
	}
	return cutTo(line, v.width)
}

// cutTo fits text into so many columns, and shows where something is missing.
func cutTo(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	runes := []rune(text)
	return string(runes[:max(width-1, 0)]) + "…"
}
