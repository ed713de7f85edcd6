package cgroup

import (
	"bytes"
	"path/filepath"
	"strconv"
)

// OOM is what the kernel did to a group for want of memory, as its memory.events counts it.
type OOM struct {
	Kills   uint64 // processes of the group, or below, that were killed
	Reached uint64 // how often its own limit was in the way; else that was a limit above it, or the machine's memory
}

// Since is what came to it.
func (o OOM) Since(before OOM) OOM {
	return OOM{Kills: o.Kills - min(before.Kills, o.Kills), Reached: o.Reached - min(before.Reached, o.Reached)}
}

// ReadOOM reads it; nothing where the memory controller is not on.
func ReadOOM(dir string) OOM {
	text, err := kernel.Read(MemoryEvents(dir))
	if err != nil {
		return OOM{}
	}
	return parseOOM(text)
}

// MemoryEvents is the file that tells, and that changes with each of these.
func MemoryEvents(dir string) string { return filepath.Join(dir, "memory.events") }

func parseOOM(text []byte) (o OOM) {
	for line := range bytes.Lines(text) {
		key, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		n, err := strconv.ParseUint(string(value), 10, 64)
		if err != nil {
			continue
		}
		switch string(key) {
		case "oom_kill": // whoever is killed with his group (memory.oom.group) is counted here too
			o.Kills = n
		case "oom":
			o.Reached = n
		}
	}
	return o
}
