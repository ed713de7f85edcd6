package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"lastout/supervisor"
)

// maxRows is how many rows a person takes in at a glance. Beyond it, instances of one process that left without ado
// share a row.
const maxRows = 40

// Text draws the shutdown for a person: a verdict, a row for everybody who took part in the order they left, and what
// went wrong. With a width above 0 it adds as much of a timeline as fits into lines of that width; color adds colours.
func (s *Shutdown) Text(w io.Writer, width int, color bool) {
	p := painter{on: color}
	var b strings.Builder
	if len(s.Phases) == 0 {
		io.WriteString(w, "there was no shutdown\n")
		return
	}
	s.writeVerdict(&b, p)
	if len(s.Instances) > 0 {
		s.writeTable(&b, p, width)
	}
	s.writeCritical(&b)
	for _, r := range slices.Concat(s.forced(), s.cutOff(), s.remarks()) {
		fmt.Fprintln(&b, p.tone(r.tone)(r.text))
	}
	io.WriteString(w, b.String())
}

// writeVerdict writes the first line: how long it took, why, and how it ended.
func (s *Shutdown) writeVerdict(b *strings.Builder, p painter) {
	took := Duration(s.Took)
	if s.Bound > 0 {
		took += " of at most " + Duration(s.Bound)
	}
	fmt.Fprintf(b, "shutdown (%s) took %s: %s\n", s.Cause, took, s.verdict(p))
}

// verdict is the outcome in words, with the exit code.
func (s *Shutdown) verdict(p painter) string {
	o := s.Outcome
	if o == nil {
		return p.bad("it did not end")
	}
	var text string
	paint := p.bad
	switch o.Class {
	case 0, 1:
		text, paint = "everybody left by themselves", p.good
		switch {
		case len(o.Failed) > 0:
			text, paint = enumerate(o.Failed)+" had failed; the others left by themselves", p.warn
		case len(s.Instances) == 0:
			text = "nobody was running"
		}
		if o.Class == 1 {
			paint = p.bad
		}
	case 3:
		text, paint = Count(len(o.Killed), "process")+" had to be killed", p.warn
	case 4:
		text = Count(len(o.Lost)+len(o.Survived), "process") + " outlived SIGKILL"
	case 5:
		text = "forced: everybody was killed at once"
	default:
		text = fmt.Sprintf("class %d", o.Class)
	}
	code := fmt.Sprintf("; exit %d", o.Code)
	if o.Trigger != "" {
		code += ", as " + o.Trigger + " ended"
	}
	return paint(text) + code
}

// rows makes the table's lines, folded where there are too many.
func (s *Shutdown) rows() []row {
	fold := len(s.Instances) > maxRows
	folded := map[string]int{} // process -> index of its shared row
	counts := map[string]int{}
	var rows []row
	for i := range s.Instances {
		x := &s.Instances[i]
		if !fold || x.remarkable() {
			rows = append(rows, s.row(x))
			continue
		}
		counts[x.Process]++
		if at, ok := folded[x.Process]; ok {
			rows[at] = s.sharedRow(rows[at], x, counts[x.Process])
			continue
		}
		folded[x.Process] = len(rows)
		rows = append(rows, s.row(x))
	}
	return s.cut(rows)
}

// cut leaves out what a person would not read: with hundreds of processes, those that left without ado.
func (s *Shutdown) cut(rows []row) []row {
	extra := len(rows) - maxRows
	if extra <= 0 {
		return rows
	}
	cut := 0
	rows = slices.DeleteFunc(rows, func(r row) bool {
		if cut < extra && !r.of.remarkable() {
			cut++
			return true
		}
		return false
	})
	if cut > 0 {
		last := &rows[len(rows)-1]
		last.cells[colHow] += fmt.Sprintf(" (and %s more without ado)", Count(cut, "row"))
	}
	return rows
}

// remarkable says that the instance deserves a row of its own, however many there are.
func (x *Instance) remarkable() bool {
	return x.Critical || x.Killed != nil || x.State == supervisor.Lost || x.Left == nil
}

// row is the line of one instance. Times in it count from the begin of the shutdown.
func (s *Shutdown) row(x *Instance) row {
	mark := " "
	if x.Critical {
		mark = "*"
	}
	turn, left, took := "-", "-", "-"
	if x.Turn != nil {
		turn = Duration(*x.Turn - s.Begin)
	}
	if x.Left != nil {
		left = Duration(*x.Left - s.Begin)
		if x.Turn != nil {
			took = Duration(*x.Left - *x.Turn)
		}
	}
	return row{
		cells: []string{mark, x.Name, turn, s.after(x), x.asked(), took, left, x.how()}, of: x, critical: x.Critical,
	}
}

// sharedRow widens a row to one instance more: it shows the last to leave.
func (s *Shutdown) sharedRow(r row, x *Instance, count int) row {
	shared := s.row(x)
	shared.cells[colName] = fmt.Sprintf("%s (%d)", x.Process, count)
	shared.cells[colMark] = r.cells[colMark]
	return shared
}

// after says whom the instance waited for last: a process that left, or the drain of a gateway.
func (s *Shutdown) after(x *Instance) string {
	if len(x.FreedBy) == 0 {
		if x.Drain != nil && len(x.Drain.FreedBy) > 0 {
			return strings.Join(x.Drain.FreedBy, ", ")
		}
		return "-"
	}
	var words []string
	for _, name := range x.FreedBy {
		switch {
		case name == x.Process:
			words = append(words, "its drain")
		case s.stillThere(name, *x.Turn):
			words = append(words, name+"'s drain")
		default:
			words = append(words, name)
		}
	}
	return strings.Join(words, ", ")
}

// stillThere says whether an instance of the process left after the given moment only.
func (s *Shutdown) stillThere(process string, at supervisor.Instant) bool {
	return slices.ContainsFunc(s.Instances, func(x Instance) bool {
		return x.Process == process && (x.Left == nil || *x.Left > at)
	})
}

// writeCritical says what the whole shutdown had to wait for.
func (s *Shutdown) writeCritical(b *strings.Builder) {
	var parts []string
	for _, step := range s.Critical {
		name := step.Instance
		if step.Step == "drain" {
			name += "'s drain"
		}
		if took := step.End - step.Begin; took > 0 || step.Step == "leave" {
			parts = append(parts, name+" "+Duration(took))
		}
	}
	if len(parts) < 2 {
		return
	}
	fmt.Fprintf(b, "\n* had to be waited for: %s\n", strings.Join(parts, ", then "))
}

// enumerate lists names, at most ten of them.
func enumerate(names []string) string {
	const most = 10
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// axis labels a timeline with its begin and its end.
func axis(took time.Duration, bars int) string {
	end := Duration(took)
	return "0" + strings.Repeat(" ", max(1, bars-1-len(end))) + end
}
