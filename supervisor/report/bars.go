package report

import (
	"strings"

	"lastout/supervisor"
)

// paint is the colour of a stroke.
func (st stroke) paint(p painter, text string) string {
	switch st {
	case strokeLeave:
		return p.good(text)
	case strokeKill:
		return p.bad(text)
	case strokeQuiesce, strokeDrain, strokeSettle:
		return p.info(text)
	case strokeHook, strokeRemains:
		return p.warn(text)
	case strokeServe:
		return p.dim(text)
	case strokeNone, strokeLost, strokes:
	}
	return text
}

// bar draws what an instance did, scaled to a number of cells.
func (s *Shutdown) bar(x *Instance, cells int, p painter) string {
	line := make([]stroke, cells)
	for _, part := range x.stretches() {
		from, to := s.cell(part.begin, cells), s.cell(part.end, cells)
		for i := from; i <= to && i < cells; i++ {
			if i == to && i > from && s.cellBegin(i, cells) >= part.end {
				break // it ended exactly where the cell begins
			}
			line[i] = max(line[i], part.stroke)
		}
	}
	var b strings.Builder
	for i := 0; i < cells; {
		end := i
		for end < cells && line[end] == line[i] {
			end++
		}
		b.WriteString(line[i].paint(p, strings.Repeat(signs[line[i]], end-i)))
		i = end
	}
	return strings.TrimRight(b.String(), " ")
}

// cell is the cell of the timeline that an instant falls into.
func (s *Shutdown) cell(at supervisor.Instant, cells int) int {
	if s.Took <= 0 {
		return 0
	}
	return min(cells-1, max(0, int(float64(at-s.Begin)/float64(s.Took)*float64(cells))))
}

// cellBegin is the instant at which a cell of the timeline begins.
func (s *Shutdown) cellBegin(cell, cells int) supervisor.Instant {
	return s.Begin + supervisor.Instant(float64(s.Took)*float64(cell)/float64(cells))
}

// writeLegend explains the signs that the rows use.
func writeLegend(rows []row, p painter) string {
	shown := make([]*Instance, len(rows))
	for i, r := range rows {
		shown[i] = r.of
	}
	used := usedStrokes(shown)
	var parts []string
	for st := strokeServe; st < strokes; st++ {
		if used[st] && legend[st] != "" && !st.sameSign(used) {
			parts = append(parts, st.paint(p, signs[st])+" "+legend[st])
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "\n  " + strings.Join(parts, "   ") + "\n"
}

// painter colours text where that is wanted.
type painter struct{ on bool }

func (p painter) good(s string) string { return p.paint("32", s) }
func (p painter) warn(s string) string { return p.paint("33", s) }
func (p painter) bad(s string) string  { return p.paint("31", s) }
func (p painter) info(s string) string { return p.paint("36", s) }
func (p painter) dim(s string) string  { return p.paint("2", s) }

func (p painter) paint(code, s string) string {
	if !p.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// tone is the colour of a remark.
func (p painter) tone(name string) func(string) string {
	switch name {
	case "bad":
		return p.bad
	case "forced":
		return p.warn
	}
	return func(s string) string { return s }
}

// of is the colour of an instance's row.
func (p painter) of(x *Instance) func(string) string {
	switch {
	case x.State == supervisor.Lost, x.Left == nil:
		return p.bad
	case x.Killed != nil:
		return p.warn
	}
	return func(s string) string { return s }
}
