package report

import (
	"lastout/process/signame"
	"lastout/supervisor"
)

// addDrain takes a report of how an instance finished what it had in hand, or did not.
func (x *subject) addDrain(r supervisor.Report) {
	switch {
	case r.Kind == supervisor.KindCut:
		x.Cut = append(x.Cut, Cut{At: r.At, Cause: r.Cause, Connections: r.Connections})
	case r.Kind == supervisor.KindUnanswered:
		x.Unanswered = r.Connections
	case r.Kind == supervisor.KindInvite:
		x.Invited = &Ask{At: r.At, Name: "command", Command: true, Bound: finite(r.Bound)}
		if r.Signal != 0 {
			x.Invited = &Ask{At: r.At, Signal: r.Signal, Name: signame.Of(r.Signal), Bound: finite(r.Bound)}
		}
	case r.Step == 0:
		x.Quiesce = &Quiesce{At: r.At}
	case x.Quiesce != nil:
		x.Quiesce.Done, x.Quiesce.How = new(r.At), r.Cause
	}
}
