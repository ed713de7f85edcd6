package report

import (
	"fmt"
	"strings"

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

// writeCut names the connections that were cut off, or may have been, and what they were.
func (s *Shutdown) writeCut(b *strings.Builder, p painter) {
	const most = 20
	all := 0
	write := func(by string, list []supervisor.Connection) {
		for _, c := range list {
			if all++; all <= most {
				fmt.Fprintln(b, p.bad(by+connection(c)))
			}
		}
	}
	for i := range s.Instances {
		x := &s.Instances[i]
		write("not answered by the end of its drain, "+x.Name+": ", x.Unanswered)
		for _, cut := range x.Cut {
			by := fmt.Sprintf("cut off at %s, %s (%s): ", Duration(cut.At-s.Begin), x.Name, cut.Cause)
			write(by, cut.Connections)
		}
	}
	if all > most {
		fmt.Fprintln(b, p.bad(fmt.Sprintf("and %s more", Count(all-most, "connection"))))
	}
}

// connection is one that was cut off, in a line.
func connection(c supervisor.Connection) string {
	return fmt.Sprintf("%s to port %d, %s old, %d bytes in, %d out, last active %s before", c.Peer, c.Port,
		Duration(c.Age), c.In, c.Out, Duration(c.Last))
}
