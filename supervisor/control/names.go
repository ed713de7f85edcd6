package control

import (
	"net/http"
	"slices"
	"strings"

	"lastout/supervisor"
)

// choose finds the instances that names mean: those of a process, or one; none: all. A process without instances has
// none to choose, and is known.
func choose(s supervisor.Snapshot, names []string) (map[string]bool, error) {
	chosen := map[string]bool{}
	var known, unknown []string
	for _, p := range s.Empty {
		known = append(known, p.Process)
	}
	for i := range s.Instances {
		x := &s.Instances[i]
		known = append(known, x.Process, x.Name)
		if len(names) == 0 || slices.Contains(names, x.Name) || slices.Contains(names, x.Process) {
			chosen[x.Name] = true
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return chosen, nil
	}
	slices.Sort(known)
	known = slices.Compact(known)
	const most = 12
	rest := ""
	if len(known) > most {
		known, rest = known[:most], ", ..."
	}
	return nil, problemf(http.StatusNotFound, "there is no process or instance %s (there are %s%s)",
		strings.Join(unknown, ", "), strings.Join(known, ", "), rest)
}
