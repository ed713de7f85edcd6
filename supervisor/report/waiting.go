package report

import (
	"strconv"
	"strings"

	"lastout/supervisor"
)

// Waiting says who is waited for, and for how long still, of a report of that kind. Where it is one, and it is known for
// what he waits himself, that is enough.
func Waiting(r supervisor.Report) string {
	if len(r.After) == 1 && r.Cause != "" {
		return r.Cause + still(r)
	}
	text := "waiting for " + Names(r.After) + still(r)
	if r.Cause != "" {
		text += ": " + r.Cause
	}
	return text
}

// still is the bound of a wait that goes on.
func still(r supervisor.Report) string {
	if r.Bound == supervisor.Forever {
		return ", for as long as it takes"
	}
	return ", for " + Duration(r.Bound) + " more at most"
}

// Names lists names, at most eight of them.
func Names(all []string) string {
	const most = 8
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return strings.Join(all[:most], ", ") + " and " + strconv.Itoa(len(all)-most) + " more"
}
