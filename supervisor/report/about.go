package report

import (
	"fmt"
	"strings"

	"lastout/supervisor"
)

// About is all that is to be said of an instance's part in the shutdown, in a few lines.
func (s *Shutdown) About(x *Instance) string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	since := func(at supervisor.Instant) string { return Duration(at - s.Begin) }
	name := x.Name
	if x.Role != "" {
		name += " (" + x.Role + ")"
	}
	say("%s", name)
	if q := x.Quiesce; q != nil {
		text := "new connections turned away from " + since(q.At) + " on"
		if q.How != "" {
			text += ": " + q.How
		}
		say("%s", text)
	}
	if x.Turn != nil {
		text := "its turn came at " + since(*x.Turn)
		if after := s.after(x); after != "-" {
			text += ", after " + after
		}
		say("%s", text)
	}
	if x.LeaveBy != nil {
		say("the budget left it time until %s", since(*x.LeaveBy))
	}
	for _, a := range x.Asked {
		text := "told by " + a.Name
		if a.Rest {
			text = "what it left behind told by " + a.Name
		}
		if a.Bound > 0 {
			text += ", and had " + Duration(a.Bound)
		}
		say("%s: %s", since(a.At), text)
	}
	if x.Killed != nil {
		say("%s: SIGKILL: %s", since(x.Killed.At), x.Killed.Cause)
	}
	if n := len(x.Unanswered); n > 0 {
		say("%s not answered by the end of its drain", Count(n, "connection"))
	}
	for _, cut := range x.Cut {
		say("%s: %s cut off (%s)", since(cut.At), Count(len(cut.Connections), "connection"), cut.Cause)
	}
	for _, h := range x.Hooks {
		text := fmt.Sprintf("%s hook took %s", h.Kind, Duration(h.End-h.Begin))
		if h.Failed != "" {
			text += ": " + h.Failed
		}
		say("%s: %s", since(h.Begin), text)
	}
	if x.Left != nil {
		say("left at %s: %s", since(*x.Left), x.how())
	} else {
		say("%s", x.how())
	}
	return strings.Join(lines, "\n")
}
