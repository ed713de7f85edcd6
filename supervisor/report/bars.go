package report

import (
	"strings"

	"lastout/supervisor"
)

// stroke is how a state looks in the timeline: its sign, what the legend calls it, and its place in the legend. Where
// several share a cell the later of the list wins, so that nothing that happened is too short to be seen.
type stroke uint8

const (
	strokeNone stroke = iota
	strokeWait
	strokeDrain
	strokeHook
	strokeRemains
	strokeLeave
	strokeKill
	strokes
)

// signs and words belong to the strokes, by place.
var (
	signs = [strokes]string{" ", "·", "░", "▒", "▚", "█", "▓"}
	words = [strokes]string{"", "waits for its turn", "drains", "hook", "descendants left behind", "leaves", "is killed"}
)

// strokeOf says how a state is drawn.
func strokeOf(s supervisor.State) stroke {
	switch s {
	case supervisor.Starting, supervisor.Running, supervisor.InPostStart, supervisor.Ready, supervisor.Drained:
		return strokeWait
	case supervisor.Draining, supervisor.Settling:
		return strokeDrain
	case supervisor.InPreStart, supervisor.InPreStop, supervisor.InPostStop:
		return strokeHook
	case supervisor.Remains:
		return strokeRemains
	case supervisor.Stopping:
		return strokeLeave
	case supervisor.Killing:
		return strokeKill
	case supervisor.Off, supervisor.Waiting, supervisor.InBackoff, supervisor.Done, supervisor.Failed,
		supervisor.Stopped, supervisor.Lost:
		return strokeNone
	}
	return strokeNone
}

// paint is the colour of a stroke.
func (st stroke) paint(p painter, text string) string {
	switch st {
	case strokeLeave:
		return p.good(text)
	case strokeKill:
		return p.bad(text)
	case strokeDrain:
		return p.info(text)
	case strokeHook, strokeRemains:
		return p.warn(text)
	case strokeWait:
		return p.dim(text)
	case strokeNone, strokes:
	}
	return text
}

// bar draws what an instance did, scaled to a number of cells.
func (s *Shutdown) bar(x *Instance, cells int, p painter) string {
	line := make([]stroke, cells)
	for _, span := range x.Phases {
		from, to := s.cell(span.Begin, cells), s.cell(span.End, cells)
		st := strokeOf(span.State)
		for i := from; i <= to && i < cells; i++ {
			if i == to && i > from && s.cellBegin(i, cells) >= span.End {
				break // it ended exactly where the cell begins
			}
			line[i] = max(line[i], st)
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

// legend explains the signs that the rows use.
func legend(rows []row, p painter) string {
	var used [strokes]bool
	for _, r := range rows {
		for _, span := range r.of.Phases {
			if st := strokeOf(span.State); st != strokeWait || span.End > span.Begin {
				used[st] = true
			}
		}
	}
	var parts []string
	for st := strokeWait; st < strokes; st++ {
		if used[st] {
			parts = append(parts, st.paint(p, signs[st])+" "+words[st])
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
