package acceptance

import (
	"fmt"
	"path/filepath"
	"time"
)

// judgeAnswers holds that every operation that was accepted came to exactly one end, and that the clients saw enough for
// the test to mean anything.
func (o *operated) judgeAnswers(total int) {
	o.t.Helper()
	ends := map[uint64]int{}
	for _, e := range o.journal() {
		switch {
		case e.Kind != "operation" || e.Result == "refused":
		case e.Result == "accepted":
			ends[e.Op] += 0
		default:
			ends[e.Op]++
		}
	}
	for op, n := range ends {
		if n != 1 {
			o.t.Errorf("operation %d ended %d times", op, n)
		}
	}
	for op := range o.files {
		if _, ok := ends[op]; !ok {
			o.t.Errorf("the journal does not know of operation %d", op)
		}
	}
	if n := o.counts["reload accepted"]; n < total/50 {
		o.t.Errorf("only %d reloads were taken: %v", n, o.counts)
	}
	for _, what := range []string{"start", "stop", "restart", "scale"} {
		if n := o.counts[what+" done"]; n < total/100 {
			o.t.Errorf("of each verb enough should be done: %v", o.counts)
			break
		}
	}
}

// epoch is the time in which one file was in force.
type epoch struct {
	from   int64
	before [][]bool
}

// toldLife is a life that a child wrote down, and when the journal says that it was first told to leave.
type toldLife struct {
	life
	proc int
	name string
	told int64
}

// judgeLives compares the children's stamps with the order. When somebody is told nobody lives who was told before and
// must have left before; in the shutdown, nobody who must have left before. The journal says no more than when which file
// was in force and who was told first: a child may be slow to write that down.
func (o *operated) judgeLives() {
	o.t.Helper()
	entries := o.journal()
	zero, shutdown := entries[0].Monotonic, int64(0)
	epochs := []epoch{{before: leavesBefore(present(o.nodes))}}
	told := map[string]int64{}
	for _, e := range entries {
		key := fmt.Sprint(e.Process, e.PID)
		switch {
		case e.Kind == "reload" && o.files[e.Op] == nil:
			o.t.Fatalf("operation %d has put a file in force that nobody had taken", e.Op)
		case e.Kind == "reload":
			epochs = append(epochs, epoch{zero + e.At, leavesBefore(present(o.files[e.Op]))})
		case e.Kind == "signal" && told[key] == 0:
			told[key] = zero + e.At
		case e.Phase == "announcing":
			shutdown = zero + e.At
		}
	}
	all := o.allLives(told)
	pairs := 0
	for _, b := range all {
		if b.told == 0 {
			continue
		}
		before := orderAt(epochs, b.told)
		for _, a := range all {
			if !before[a.proc][b.proc] || a.start > b.term {
				continue
			}
			pairs++
			if a.exit > b.term && (a.told != 0 && a.told <= b.told || b.told >= shutdown) {
				o.t.Errorf("%s (pid %d) was told at %v, %v before %s (pid %d) was gone", b.name, b.pid,
					time.Duration(b.told-zero), time.Duration(a.exit-b.term), a.name, a.pid)
			}
		}
	}
	o.t.Logf("%d lives, %d files, %d pairs in order", len(all), len(epochs), pairs)
}

func orderAt(epochs []epoch, at int64) [][]bool {
	for k := len(epochs) - 1; ; k-- {
		if epochs[k].from <= at {
			return epochs[k].before
		}
	}
}

// allLives are the lives of all children: each was asked to leave, and left, but for tasks, which end by themselves.
func (o *operated) allLives(told map[string]int64) (all []toldLife) {
	o.t.Helper()
	for i, n := range o.nodes {
		files, err := filepath.Glob(filepath.Join(o.dir, n.name+".*"))
		if err != nil || len(files) == 0 {
			o.t.Errorf("%s has never lived: %v", n.name, err)
		}
		for _, file := range files {
			for _, l := range o.lives(filepath.Base(file)) {
				if n.role != "task" && (l.term == 0 || l.exit == 0) {
					o.t.Errorf("%s (pid %d) did not leave when it was asked to: %+v", n.name, l.pid, l)
				}
				all = append(all, toldLife{l, i, filepath.Base(file), told[fmt.Sprint(n.name, l.pid)]})
			}
		}
	}
	return all
}
