package process

import (
	"bytes"
	"fmt"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// tagStep is how far apart the tags of two runs are. A supervisor that was itself started by one of ours finds a
// limit below infinity and goes down from there in steps of 1, so its runs stay between two tags of the outer one,
// which rounds them down to the run they all belong to.
const tagStep = 1 << 28

// tags turns run numbers into hard limits of RLIMIT_RTTIME, and back. The limit bounds the CPU time of a real-time
// thread in microseconds (getrlimit(2)); lowered by this little from infinity, it bounds nothing. Lowering needs no
// privilege; raising does, so runs only ever rise.
type tags struct {
	base uint64 // the hard limit we were started with
	soft uint64
	step uint64
	last uint64 // the highest run number there is room for
}

// inheritedTags reads the limit before anybody lowered it, once for the life of the program.
var inheritedTags = sync.OnceValues(func() (tags, error) {
	var l unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_RTTIME, nil, &l); err != nil {
		return tags{}, fmt.Errorf("cannot read RLIMIT_RTTIME: %w", err)
	}
	return newTags(l), nil
})

func newTags(l unix.Rlimit) tags {
	if l.Max == unix.RLIM_INFINITY {
		return tags{base: l.Max, soft: l.Cur, step: tagStep, last: l.Max/tagStep - 1}
	}
	// More runs than an outer step would be taken for the outer supervisor's next run.
	return tags{base: l.Max, soft: l.Cur, step: 1, last: min(l.Max/2, tagStep-1)}
}

// set makes the next child carry the tag of the run.
func (t tags) set(run uint64) error {
	if run == 0 || run > t.last {
		return fmt.Errorf("cannot tag run %d: RLIMIT_RTTIME was inherited as %d, which has room for %d", run, t.base, t.last)
	}
	l := t.limit(run)
	if err := unix.Prlimit(0, unix.RLIMIT_RTTIME, &l, nil); err != nil {
		return fmt.Errorf("cannot tag run %d by RLIMIT_RTTIME: %w", run, err)
	}
	return nil
}

// limit leaves the soft limit as it was, as far as it is not above the hard one.
func (t tags) limit(run uint64) unix.Rlimit {
	hard := t.base - run*t.step
	return unix.Rlimit{Cur: min(t.soft, hard), Max: hard}
}

// run tells whose tag a hard limit is; 0 is nobody's.
func (t tags) run(hard uint64) uint64 {
	if hard > t.base {
		return 0 // raised by a privileged program
	}
	if run := (t.base - hard) / t.step; run <= t.last {
		return run
	}
	return 0
}

// hardRTTime finds the hard limit of RLIMIT_RTTIME in the text of /proc/PID/limits (proc_pid_limits(5)).
func hardRTTime(limits []byte) (uint64, bool) {
	_, line, ok := bytes.Cut(limits, []byte("Max realtime timeout"))
	if !ok {
		return 0, false
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	f := bytes.Fields(line)
	if len(f) < 2 {
		return 0, false
	}
	if string(f[1]) == "unlimited" {
		return unix.RLIM_INFINITY, true
	}
	n, err := strconv.ParseUint(string(f[1]), 10, 64)
	return n, err == nil
}
