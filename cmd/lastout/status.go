package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"lastout/supervisor"
	"lastout/supervisor/report"
)

// statusText is the tree as it stands, for a person.
func statusText(s supervisor.Snapshot) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s after the begin", s.Phase, report.Duration(s.At))
	if s.Ends > 0 && s.Ends != supervisor.Forever {
		fmt.Fprintf(&b, "; the shutdown is over in %s at the latest", report.Duration(s.Ends-s.At))
	}
	b.WriteByte('\n')
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "INSTANCE\tROLE\tSTATE\tFOR\tPID\tRESTARTS\tLAST EXIT\tWAITS FOR")
	for _, x := range s.Instances {
		pid, exit := "-", "-"
		if x.PID > 0 {
			pid = fmt.Sprint(x.PID)
		}
		if x.Exit != nil {
			exit = report.ExitText(x.Exit.Code, x.Exit.Signal)
		}
		waits := strings.Join(x.WaitsFor, ", ")
		if waits == "" {
			waits = "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n",
			x.Name, x.Role, x.State, report.Duration(s.At-x.Since), pid, x.Restarts, exit, waits)
	}
	table.Flush()
	return b.String()
}
