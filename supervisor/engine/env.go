package engine

import (
	"slices"
	"strconv"
	"strings"

	"lastout/supervisor"
)

// withEnv is the environment with these variables set, each once.
func withEnv(env []string, set ...string) []string {
	whole := slices.DeleteFunc(slices.Clone(env), func(old string) bool {
		name, _, _ := strings.Cut(old, "=")
		return slices.ContainsFunc(set, func(s string) bool { return strings.HasPrefix(s, name+"=") })
	})
	return append(whole, set...)
}

// hookEnv tells a hook what happens. A fact that there is none of is not set.
func hookEnv(hook string, told supervisor.Facts) []string {
	set := []string{"LASTOUT_HOOK=" + hook}
	if told.PID != 0 {
		set = append(set, "LASTOUT_PID="+strconv.Itoa(told.PID))
	}
	if told.Exit != nil && !told.Exit.Unknown {
		set = append(set, "LASTOUT_EXIT_CODE="+strconv.Itoa(told.Exit.Status()))
	}
	if told.Reason != "" {
		set = append(set, "LASTOUT_REASON="+told.Reason)
	}
	return set
}
