package process

import (
	"os"
	"time"
)

// clockTicks is how /proc counts CPU time: per second, USER_HZ, the same on every platform that Go has
// (proc_pid_stat(5)).
const clockTicks = 100

// Status is what a process is and uses.
type Status struct {
	Comm string
	RSS  int64         // bytes in memory
	CPU  time.Duration // user and system time so far, without its children's
}

// Status looks at a process.
func (r *Reaper) Status(pid int) (Status, error) {
	s, err := r.proc.stat(pid)
	if err != nil {
		return Status{}, err
	}
	return Status{
		Comm: s.comm,
		RSS:  s.rss * int64(os.Getpagesize()),
		CPU:  time.Duration(s.utime+s.stime) * (time.Second / clockTicks),
	}, nil
}
