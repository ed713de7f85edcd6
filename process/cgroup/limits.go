package cgroup

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// Limits are those of one group. 0 is none.
type Limits struct {
	Memory int64 // bytes; who needs more is killed by the kernel
	Pids   int64 // processes and threads; fork(2) fails above that
	Weight int64 // of its share of the CPU, 1 to 10000; who says nothing has 100
}

// Limit is one of them.
type Limit struct {
	Key        string // as the configuration calls it
	Controller string
	Value      string // for people
	file, text string
}

// Any says whether there is one.
func (l *Limits) Any() bool { return l != nil && *l != Limits{} }

// List is what there is, in the order in which it is written.
func (l *Limits) List() []Limit {
	var all []Limit
	if l == nil {
		return nil
	}
	add := func(n int64, key, controller, file, value string) {
		if n > 0 {
			all = append(all, Limit{key, controller, value, file, strconv.FormatInt(n, 10)})
		}
	}
	add(l.Memory, "memory_max", "memory", "memory.max", Size(l.Memory))
	add(l.Pids, "pids_max", "pids", "pids.max", strconv.FormatInt(l.Pids, 10))
	add(l.Weight, "cpu_weight", "cpu", "cpu.weight", strconv.FormatInt(l.Weight, 10))
	return all
}

// Size shows a number of bytes as people write it: "64MiB".
func Size(n int64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n%1024 != 0 || n == 0 {
			return strconv.FormatInt(n, 10) + unit
		}
		n /= 1024
	}
	return strconv.FormatInt(n, 10) + "TiB"
}

// Unkept is a limit that cannot be kept.
type Unkept struct {
	Limit
	Why error
}

// Apply limits the group of a run, before anybody is in it, and returns what cannot be kept.
func (d *Domain) Apply(dir string, limits *Limits) (unkept []Unkept) {
	for _, l := range limits.List() {
		err := d.Enable(l.Controller)
		if err == nil {
			if err = d.fs.Write(filepath.Join(dir, l.file), l.text); err != nil {
				err = fmt.Errorf("cannot set %s: %w", l.file, reason(err))
			}
		}
		if err != nil {
			unkept = append(unkept, Unkept{l, err})
		}
	}
	return unkept
}
