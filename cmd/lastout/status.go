package main

import (
	"fmt"
	"strings"
	"time"

	"lastout/supervisor"
	"lastout/supervisor/control"
	"lastout/supervisor/report"
)

// statusView is how the tree is shown to a person.
type statusView struct {
	width int // columns; 0: as many as it takes
	color bool
}

// text is the whole; last is the status before this one, for the use of the processor since then, or nil.
func (v statusView) text(s, last *control.Status) string {
	rows := []row{{}}
	for i := range statusColumns {
		rows[0].cells[i] = statusColumns[i].title
	}
	before := cpuOf(last)
	for i := range s.Processes {
		rows = append(rows, processRows(&s.Processes[i], s, last, before)...)
	}
	var b strings.Builder
	b.WriteString(v.cut(v.headline(s)) + "\n")
	for _, o := range s.Operations {
		b.WriteString(v.cut(operationText(o, s.Now)) + "\n")
	}
	shown := v.choose(rows)
	for i := range rows {
		v.line(&b, &rows[i], shown)
	}
	return b.String()
}

// page is the text as a screen takes it: so many lines, each of which clears what stood there.
func (v statusView) page(s, last *control.Status, height int) string {
	lines := strings.Split(strings.TrimSuffix(v.text(s, last), "\n"), "\n")
	if height > 1 && len(lines) > height {
		more := len(lines) - height + 1
		lines = append(lines[:height-1], v.cut(fmt.Sprintf("... and %s", report.Count(more, "line"))))
	}
	return strings.Join(lines, clearLine+"\r\n") + clearLine
}

// headline says how it is with the whole.
func (v statusView) headline(s *control.Status) string {
	if s.Phase != supervisor.Up {
		text := fmt.Sprintf("%s shuts down (%s", s.Name, s.Phase)
		if s.Level > supervisor.Orderly {
			text += ", " + s.Level.String()
		}
		text += ")"
		if s.Left != nil {
			text += ", " + report.Duration(s.Left.Duration()) + " left at most"
		}
		return text + "; pid " + fmt.Sprint(s.PID)
	}
	ready := "ready"
	if !s.Ready {
		ready = "not ready"
	}
	return fmt.Sprintf("%s is up for %s, %s; pid %d, %s", s.Name, elapsed(s.Now.Sub(s.Began)), ready, s.PID, s.File)
}

func operationText(o control.OperationStatus, now time.Time) string {
	text := fmt.Sprintf("%s (operation %d), for %s", o.Cause, o.ID, elapsed(now.Sub(o.Since)))
	if len(o.WaitsFor) > 0 {
		text += ": waits for " + names(o.WaitsFor)
	}
	return text
}

// processRows are the lines of a process: one where one instance is shown, or there is none, else one for the whole and
// one for each.
func processRows(p *control.ProcessStatus, s, last *control.Status, before map[string]float64) []row {
	if len(p.Instances) == 1 {
		return []row{instanceRow(p, &p.Instances[0], p.Instances[0].Name, s, last, before)}
	}
	whole := row{style: styleDim}
	whole.cells[colInstance], whole.cells[colRole] = p.Name, p.Role
	ready := 0
	for i := range p.Instances {
		if p.Instances[i].Ready {
			ready++
		}
	}
	switch {
	case p.Disabled:
		whole.cells[colState] = "disabled"
	case len(p.Instances) == 0:
		whole.cells[colState] = "scaled to 0"
	default:
		whole.cells[colState] = fmt.Sprintf("%d/%d ready", ready, len(p.Instances))
	}
	rows := []row{whole}
	for i := range p.Instances {
		branch := "├─ "
		if i == len(p.Instances)-1 {
			branch = "└─ "
		}
		rows = append(rows, instanceRow(p, &p.Instances[i], branch+p.Instances[i].Name, s, last, before))
		rows[len(rows)-1].cells[colRole] = ""
	}
	return rows
}

func instanceRow(p *control.ProcessStatus, x *control.InstanceStatus, name string, s, last *control.Status,
	before map[string]float64,
) row {
	r := row{style: styleOf(x)}
	c := &r.cells
	c[colInstance], c[colRole], c[colState], c[colFor] = name, p.Role, string(x.State), elapsed(x.For.Duration())
	if x.PID > 0 {
		c[colPID] = fmt.Sprint(x.PID)
	}
	if x.Restarts > 0 {
		c[colRestarts] = fmt.Sprint(x.Restarts)
	}
	if u := x.Usage; u != nil {
		c[colMemory], c[colCPU] = memoryText(u.Memory), cpuText(u.CPU.Duration())
		if was, ok := before[runKey(x)]; ok && last != nil {
			if took := s.Now.Sub(last.Now).Seconds(); took > 0 {
				c[colCPU] = fmt.Sprintf("%.0f%%", 100*max(0, float64(u.CPU)-was)/took)
			}
		}
	}
	c[colNote] = noteOf(x, s.Phase)
	if n := x.Connections; n != nil {
		c[colNote] = strings.TrimPrefix(c[colNote]+"; "+connectionsText(n), "; ")
	}
	return r
}

// runKey names one life of an instance.
func runKey(x *control.InstanceStatus) string { return fmt.Sprintf("%s/%d", x.Name, x.Run) }

// cpuOf is what each run had used.
func cpuOf(s *control.Status) map[string]float64 {
	used := map[string]float64{}
	if s == nil {
		return used
	}
	for i := range s.Processes {
		for j := range s.Processes[i].Instances {
			if x := &s.Processes[i].Instances[j]; x.Usage != nil {
				used[runKey(x)] = float64(x.Usage.CPU)
			}
		}
	}
	return used
}

func connectionsText(n *control.Connections) string {
	text := fmt.Sprintf("%d busy %d idle", n.Busy, n.Idle)
	if n.Queued > 0 {
		text += fmt.Sprintf(" %d queued", n.Queued)
	}
	return text
}

// noteOf says what there is to know beside the state.
func noteOf(x *control.InstanceStatus, phase supervisor.Phase) string {
	switch {
	case len(x.WaitsFor) > 0:
		return waitText(x.WaitsFor)
	case x.State == supervisor.InBackoff && x.Left != nil:
		return "starts again in " + left(*x.Left) + lastExit(x)
	case x.Left != nil && x.State.Alive():
		return left(*x.Left) + " left" + notReady(x.Why)
	case x.Why != "":
		return "not ready: " + x.Why
	case x.Healthy != nil && !*x.Healthy:
		return "unhealthy"
	case !x.Wanted && phase == supervisor.Up:
		return "by hand" + lastExit(x)
	case !x.State.Alive() && x.Exit != nil:
		return exitOf(x.Exit)
	case x.Restarts > 0 && x.Exit != nil:
		return "last exit: " + exitOf(x.Exit)
	}
	return ""
}

func notReady(why string) string {
	if why == "" {
		return ""
	}
	return ", not ready: " + why
}

func lastExit(x *control.InstanceStatus) string {
	if x.Exit == nil {
		return ""
	}
	return ", after " + exitOf(x.Exit)
}

func exitOf(e *control.ExitStatus) string {
	if e.OOM != "" {
		return "out of memory (" + e.OOM + ")"
	}
	if e.Signal != "" {
		return e.Signal
	}
	return fmt.Sprintf("exit %d", e.Code)
}

// waitText says for whom somebody waits, and how long the slowest of them may still take.
func waitText(waits []control.Wait) string {
	var who []string
	var longest control.Seconds
	for _, w := range waits {
		who = append(who, w.Name)
		if w.Left != nil {
			longest = max(longest, *w.Left)
		}
	}
	text := "waits for " + strings.Join(who, ", ")
	if len(who) > 2 { // the time is worth more than the third name
		text = fmt.Sprintf("waits for %s and %d more", who[0], len(who)-1)
	}
	if longest > 0 {
		text += ", " + left(longest) + " left"
	}
	return text
}

// left is a rest of time: tenths of a second are enough.
func left(s control.Seconds) string {
	if d := s.Duration(); d >= time.Minute {
		return elapsed(d)
	}
	return fmt.Sprintf("%.1fs", float64(s))
}

// elapsed is a time as short as it is useful: 12s, 3m10s, 5h02m, 12d3h.
func elapsed(d time.Duration) string {
	s := int(d.Seconds())
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd%dh", s/86400, s/3600%24)
}

// cpuText is a use of the processor.
func cpuText(d time.Duration) string {
	if d < time.Minute {
		return report.Duration(d)
	}
	return elapsed(d)
}

// memoryText is a size in binary units.
func memoryText(n int64) string {
	value, units := float64(n)/1024, "KMGT"
	for value >= 1000 && len(units) > 1 {
		value, units = value/1024, units[1:]
	}
	if value < 10 {
		return fmt.Sprintf("%.1f%ciB", value, units[0])
	}
	return fmt.Sprintf("%.0f%ciB", value, units[0])
}

// The colours of rows: only for what is not as it should be.
const (
	styleDim  = "\x1b[2m"
	styleBad  = "\x1b[31m"
	styleWait = "\x1b[33m"
)

func styleOf(x *control.InstanceStatus) string {
	switch x.State {
	case supervisor.Failed, supervisor.Lost, supervisor.Killing:
		return styleBad
	case supervisor.Ready, supervisor.Done:
		return ""
	case supervisor.Off, supervisor.Stopped:
		return styleDim
	default:
		return styleWait
	}
}
