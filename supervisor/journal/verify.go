package journal

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"lastout/supervisor"
)

// Lateness is how late a shutdown may be over beyond its bound before Verify calls it late: what a loaded machine may
// take to wake the supervisor up.
const Lateness = 100 * time.Millisecond

// Violation is a guarantee that did not hold, and the line that shows it.
type Violation struct {
	Guarantee string // "G1" to "G4"
	Line      int
	Text      string
}

func (v Violation) String() string {
	return fmt.Sprintf("line %d: %s: %s", v.Line, v.Guarantee, v.Text)
}

// Verify checks the guarantees on a journal. It shares nothing with the planner and the machine: the order is worked
// out anew from the header, and who lives is counted from what was started, reaped and declared lost.
//
//	G1  nobody got a stop step while somebody who must leave before it had a living tree member; where only some leave,
//	    that is counted among them
//	G2  every run was reaped exactly once, or declared lost; the outcome names those and no others
//	G3  the shutdown was over within its bound
//	G4  no instance started after the shutdown began, and none that was to leave
//
// A journal that ends before its finish is checked as far as it goes.
func Verify(j *Journal) []Violation {
	v := &verifier{
		header: j.Header, order: newRelation(j.Header.Nodes),
		runs: make(map[supervisor.Run]*life), living: make(map[int]map[*life]bool), leaves: make(map[string]bool), lost: make(map[string]bool),
	}
	for _, e := range j.Entries {
		v.line = e.Line
		v.report(e.Report)
	}
	return v.found
}

// life is one run as far as the journal tells it.
type life struct {
	run      supervisor.Run
	proc     int
	process  string
	instance string

	pid                       bool // its exec succeeded
	exited, gone, lost, ended bool
	killed                    bool // in the shutdown, and not lost before
}

type verifier struct {
	header Header
	order  *relation
	line   int
	found  []Violation

	runs   map[supervisor.Run]*life
	living map[int]map[*life]bool // by process
	leaves map[string]bool        // instances that leave in a departure of some, while the tree is up
	lost   map[string]bool        // instances with a lost run

	down     bool // the shutdown began
	began    supervisor.Instant
	forced   bool
	finished bool
	late     bool // said
}

func (v *verifier) fail(guarantee, format string, args ...any) {
	v.found = append(v.found, Violation{Guarantee: guarantee, Line: v.line, Text: fmt.Sprintf(format, args...)})
}

func (v *verifier) report(r supervisor.Report) {
	if v.finished {
		v.fail("G3", "a report of kind %q after the finish", r.Kind)
		return
	}
	v.checkTime(r.At)
	switch r.Kind {
	case supervisor.KindState:
		v.state(r)
	case supervisor.KindSignal, supervisor.KindCommand, supervisor.KindKill:
		v.stopStep(r)
	case supervisor.KindExit:
		v.exit(r)
	case supervisor.KindGone:
		v.goneReport(r)
	case supervisor.KindLost:
		v.lostReport(r)
	case supervisor.KindPhase:
		if r.Phase == supervisor.Announcing && !v.down {
			v.down, v.began = true, r.At
		}
	case supervisor.KindLevel:
		v.forced = v.forced || r.Level == supervisor.Forced
	case supervisor.KindFinish:
		v.finish(*r.Outcome)
	case supervisor.KindReload:
		v.reload(r)
	case supervisor.KindDepart:
		for _, name := range r.After {
			v.leaves[name] = r.Cause != "drain"
		}
	case supervisor.KindOperation:
		v.header.Bound = max(v.header.Bound, r.Bound) // it may have made the tree larger
	case supervisor.KindHook, supervisor.KindRetry, supervisor.KindFree, supervisor.KindWaiting,
		supervisor.KindStrays, supervisor.KindUpgrade, supervisor.KindHealth, supervisor.KindNote, supervisor.KindOutlook, supervisor.KindQuiesce, supervisor.KindInvite,
		supervisor.KindUnanswered, supervisor.KindCut:
		// An invitation to finish is no stop step: who is invited may leave, and nobody need have left before it.
	}
}

// checkTime is G3. It looks at every report and not only at the last, so that a journal that was cut shows it too.
func (v *verifier) checkTime(at supervisor.Instant) {
	bound := v.header.Bound
	if !v.down || v.late || at-v.began-Lateness <= bound {
		return
	}
	v.late = true
	v.fail("G3", "the shutdown still goes on %v after its begin, its bound is %v", at-v.began, bound)
}

// lifeOf finds the run that a report speaks of. One that was never begun is told once and then followed.
func (v *verifier) lifeOf(r supervisor.Report) *life {
	if l := v.runs[r.Run]; l != nil {
		if l.instance != r.Instance {
			v.fail("G2", "run %d belongs to %s and not to %s", r.Run, l.instance, r.Instance)
		}
		return l
	}
	v.fail("G2", "run %d of %s was never begun", r.Run, r.Instance)
	return v.begin(r)
}

// reload works the order out anew, and finds the living in it.
func (v *verifier) reload(r supervisor.Report) {
	v.order = newRelation(r.Nodes)
	v.header.Bound = max(v.header.Bound, r.Bound)
	living := make(map[int]map[*life]bool)
	for _, lives := range v.living {
		for l := range lives {
			l.proc = -1
			if id, ok := v.order.id[l.process]; ok {
				l.proc = id
			}
			if living[l.proc] == nil {
				living[l.proc] = make(map[*life]bool)
			}
			living[l.proc][l] = true
		}
	}
	v.living = living
}

func (v *verifier) begin(r supervisor.Report) *life {
	proc, ok := v.order.id[r.Process]
	if !ok {
		v.fail("G2", "process %q is not in the header", r.Process)
		proc = -1
	}
	l := &life{run: r.Run, proc: proc, process: r.Process, instance: r.Instance}
	v.runs[r.Run] = l
	if v.living[proc] == nil {
		v.living[proc] = make(map[*life]bool)
	}
	v.living[proc][l] = true
	return l
}

func (v *verifier) state(r supervisor.Report) {
	if v.down && (r.State == supervisor.Starting || r.State == supervisor.InPreStart) {
		v.fail("G4", "%s is started (run %d) although the shutdown began %v before", r.Instance, r.Run, r.At-v.began)
	}
	if v.leaves[r.Instance] && !v.down && (r.State == supervisor.Starting || r.State == supervisor.InPreStart) {
		v.fail("G4", "%s is started (run %d) although it is to leave", r.Instance, r.Run)
	}
	if !alive(r.State) && r.State.Left() {
		delete(v.leaves, r.Instance)
	}
	if r.State == supervisor.Starting {
		for l := range v.living[v.order.id[r.Process]] {
			if l.instance == r.Instance {
				v.fail("G2", "%s is started anew (run %d) while its run %d lives", r.Instance, r.Run, l.run)
			}
		}
		if v.runs[r.Run] != nil {
			v.fail("G2", "run %d is begun a second time", r.Run)
			return
		}
		v.begin(r)
		return
	}
	l := v.runs[r.Run]
	if l == nil || l.instance != r.Instance {
		return
	}
	l.pid = l.pid || r.PID != 0
	if !alive(r.State) && !l.pid && !l.exited {
		v.end(l) // there never was a process: the spawn failed or was taken back
	}
	if !alive(r.State) && l.pid && !l.gone && !l.lost && !l.ended {
		v.fail("G2", "%s is %s although its run %d is not gone", r.Instance, r.State, r.Run)
	}
}

func (v *verifier) end(l *life) {
	l.ended = true
	delete(v.living[l.proc], l)
}

// stopStep is G1.
func (v *verifier) stopStep(r supervisor.Report) {
	l := v.lifeOf(r)
	l.killed = l.killed || r.Kind == supervisor.KindKill && v.down && !l.lost
	if l.gone {
		v.fail("G2", "%s gets a %s although its run %d is gone", r.Instance, r.Kind, r.Run)
	}
	if !v.down && !v.leaves[l.instance] || v.forced || l.lost || l.proc < 0 {
		return
	}
	var names []string
	for q := range v.order.before(l.proc) {
		for other := range v.living[q] {
			if !v.down && !v.leaves[other.instance] {
				continue // it stays
			}
			names = append(names, other.instance)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		v.fail("G1", "%s gets a %s while %q must leave before it and live", r.Instance, r.Kind, names)
	}
}

func (v *verifier) exit(r supervisor.Report) {
	l := v.lifeOf(r)
	if l.exited {
		v.fail("G2", "run %d of %s is reaped a second time", r.Run, r.Instance)
	}
	l.exited, l.pid = true, true
}

func (v *verifier) goneReport(r supervisor.Report) {
	l := v.lifeOf(r)
	switch {
	case l.gone:
		v.fail("G2", "run %d of %s is gone a second time", r.Run, r.Instance)
	case !l.exited:
		v.fail("G2", "run %d of %s is gone although it was never reaped", r.Run, r.Instance)
	}
	l.gone = true
	v.end(l)
}

func (v *verifier) lostReport(r supervisor.Report) {
	l := v.lifeOf(r)
	switch {
	case l.lost:
		v.fail("G2", "run %d of %s is lost a second time", r.Run, r.Instance)
	case l.ended:
		v.fail("G2", "run %d of %s is declared lost although it had ended", r.Run, r.Instance)
	}
	l.lost = true
	v.lost[r.Instance] = true
	v.end(l)
}

// finish closes the books: nobody may be left over, and the outcome must name whom the lines named.
func (v *verifier) finish(o supervisor.Outcome) {
	v.finished = true
	var left []*life
	for _, l := range v.runs {
		if !l.ended {
			left = append(left, l)
		}
	}
	slices.SortFunc(left, func(a, b *life) int { return int(a.run) - int(b.run) })
	for _, l := range left {
		v.fail("G2", "run %d of %s was neither reaped nor declared lost", l.run, l.instance)
	}
	killed := make(map[string]bool)
	for _, l := range v.runs {
		if l.killed {
			killed[l.instance] = true
		}
	}
	v.recount("was lost", o.Lost, v.lost)
	v.recount("needed SIGKILL", o.Killed, killed)
}

// recount holds a list of the outcome against the instances that the lines named.
func (v *verifier) recount(what string, said []string, seen map[string]bool) {
	for _, name := range said {
		if !seen[name] {
			v.fail("G2", "the outcome says that %s %s, no line does", name, what)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		if !slices.Contains(said, name) {
			v.fail("G2", "the outcome does not say that %s %s", name, what)
		}
	}
}

// alive says whether a process of a run may exist in a state.
func alive(s supervisor.State) bool { return states[s] }

func known(s supervisor.State) bool {
	_, ok := states[s]
	return ok
}

// states tells for each state whether a process may exist in it. It is written out here a second time on purpose.
var states = map[supervisor.State]bool{
	supervisor.Off: false, supervisor.Waiting: false, supervisor.InPreStart: false, supervisor.Starting: true,
	supervisor.Running: true, supervisor.InPostStart: true, supervisor.Ready: true, supervisor.Draining: true,
	supervisor.Drained: true, supervisor.Remains: true, supervisor.Settling: true, supervisor.InPreStop: true,
	supervisor.Stopping: true, supervisor.Killing: true, supervisor.InPostStop: false, supervisor.InBackoff: false,
	supervisor.Done: false, supervisor.Failed: false, supervisor.Stopped: false, supervisor.Lost: false,
}
