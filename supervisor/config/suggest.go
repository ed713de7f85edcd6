package config

import (
	"fmt"
	"slices"
	"strings"

	"lastout/ordering"
)

// foreign are keys of other supervisors, with what they are called here.
var foreign = map[string]string{
	"cmd": "command", "exec": "command", "args": "command", "argv": "command", "entrypoint": "command",
	"script": "shell", "environment": "env", "envfile": "env_file", "dotenv": "env_file",
	"directory": "cwd", "dir": "cwd", "workdir": "cwd", "working_dir": "cwd", "working_directory": "cwd",
	"workingdirectory": "cwd", "autorestart": "restart", "restart_policy": "restart",
	"numprocs": "instances", "replicas": "instances", "scale": "instances", "count": "instances",
	"stopsignal": "stop.signal", "stop_signal": "stop.signal", "kill_signal": "stop.signal",
	"stopwaitsecs": "stop.timeout", "stop_timeout": "stop.timeout", "stop_grace_period": "stop.timeout",
	"grace": "stop.timeout", "kill_timeout": "shutdown.kill_timeout",
	"after": "depends_on", "requires": "depends_on", "needs": "depends_on", "wants": "depends_on",
	"healthcheck": "health", "readiness": "ready", "readiness_probe": "ready", "liveness_probe": "health",
	"programs": "process", "program": "process", "service": "process", "services": "process", "worker": "process",
	"processes": "process", "type": "role", "kind": "role", "logs": "log", "logging": "log", "stdout": "log.stdout",
	"pre_start": "hooks.pre_start", "post_start": "hooks.post_start", "pre_stop": "hooks.pre_stop",
	"post_stop": "hooks.post_stop", "pre_drain": "hooks.pre_drain", "timeout": "shutdown.timeout",
}

// didYouMean finds the key that was probably meant in a table with these keys, and says so.
func didYouMean(name string, known []string) (near, hint string) {
	if near = Closest(name, known); near != "" {
		return near, fmt.Sprintf(" (did you mean %q?)", near)
	}
	if ours, ok := foreign[plain(name)]; ok {
		near, _, _ = strings.Cut(ours, ".")
		if slices.Contains(known, near) {
			return near, fmt.Sprintf(" (did you mean %q?)", ours)
		}
	}
	if n := len(known); n > 0 && n <= 8 {
		return "", fmt.Sprintf(" (known: %s)", strings.Join(known, ", "))
	}
	return "", ""
}

// Closest is the candidate that a misspelt name was most likely meant to be; "": none is near. Of equally near ones it
// is the first in the alphabet.
func Closest(name string, candidates []string) string {
	if len(name) > 64 {
		return "" // nobody means that
	}
	best, least := "", 1+len(name)/4
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := ordering.Distance(plain(name), plain(c)); d < least || d == least && best == "" {
			best, least = c, d
		}
	}
	if least >= max(len(name), 2) {
		return "" // nothing of the name would be left
	}
	return best
}

func plain(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "-", "_")
}
