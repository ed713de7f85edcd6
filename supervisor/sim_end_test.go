package supervisor_test

import (
	"bytes"
	"slices"
	"strings"

	"lastout/ordering"
	"lastout/supervisor"
	"lastout/supervisor/journal"
)

// end judges the whole world once it has finished.
func (w *witness) end(bound supervisor.Instant) {
	w.checkBound(bound)
	w.checkBooks()
	w.checkHooks()
	w.checkOutcome()
	w.checkJournal(bound)
}

// checkBound is G3.
func (w *witness) checkBound(bound supervisor.Instant) {
	if took := w.now - w.downAt; bound < supervisor.Forever-w.lateness && took > bound+w.lateness {
		w.failf("G3: the shutdown took %v, its bound is %v (and %v for timers that came late)", took, bound, w.lateness)
	}
}

// checkBooks is G2: each run that was begun is gone, failed or lost, and the reports say each of these things once.
func (w *witness) checkBooks() {
	said := make(map[supervisor.Run]map[supervisor.Kind]int)
	for _, r := range w.reports {
		switch r.Kind {
		case supervisor.KindExit, supervisor.KindGone, supervisor.KindLost:
			if said[r.Run] == nil {
				said[r.Run] = make(map[supervisor.Kind]int)
			}
			said[r.Run][r.Kind]++
		}
	}
	for _, r := range w.ordered {
		if r.alive() {
			w.failf("G2: run %d of %s lives at the end and was not declared lost", r.run, w.name(r.inst))
		}
		s := said[r.run]
		if (s[supervisor.KindLost] == 1) != r.lost || s[supervisor.KindLost] > 1 {
			w.failf("G2: run %d of %s: lost %v, reported %d times", r.run, w.name(r.inst), r.lost, s[supervisor.KindLost])
		}
		if r.lost {
			continue
		}
		if s[supervisor.KindExit] != count(r.exited) || s[supervisor.KindGone] != count(r.gone) {
			w.failf("G2: run %d of %s: exited %v, gone %v, reported %d and %d times", r.run, w.name(r.inst),
				r.exited, r.gone, s[supervisor.KindExit], s[supervisor.KindGone])
		}
	}
	for i, state := range w.states {
		if !state.Left() {
			w.failf("rule: %s is %s at the end", w.name(i), state)
		}
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// checkHooks holds that post_stop ran for every run that was begun, and the hooks of the tree once.
func (w *witness) checkHooks() {
	if w.said == supervisor.Forced {
		return
	}
	for _, r := range w.ordered {
		begun := r.spawned || r.hooks[supervisor.PreStart] != nil
		if begun && w.spec(r.inst).Hooks[supervisor.PostStop] > 0 && r.hooks[supervisor.PostStop] == nil {
			w.failf("hooks: post_stop did not run for run %d of %s", r.run, w.name(r.inst))
		}
	}
	if o := w.plan.options; w.after != count(o.After > 0) ||
		w.said == supervisor.Orderly && w.before != count(o.Before > 0) || w.before > 1 {
		w.failf("hooks: before_shutdown ran %d times and after_shutdown %d times", w.before, w.after)
	}
}

// checkOutcome works out the exit class from what was seen, and holds it against what the machine says.
func (w *witness) checkOutcome() {
	o := w.outcome
	var killed, lost, failed []string
	for _, r := range w.ordered {
		if r.killDown {
			killed = append(killed, w.plainName(r.inst))
		}
		if r.lost {
			lost = append(lost, w.plainName(r.inst))
		}
	}
	for i, state := range w.states {
		if state == supervisor.Failed {
			failed = append(failed, w.plainName(i))
		}
	}
	w.sameNames("killed", o.Killed, killed)
	w.sameNames("lost", o.Lost, lost)
	w.sameNames("failed", o.Failed, failed)
	w.sameNames("survived", o.Survived, w.survivors)
	if len(w.survivors) > 0 && !w.swept {
		w.failf("rule: %q survived, and nobody tried to kill them", w.survivors)
	}
	class := 0
	switch {
	case w.level == supervisor.Forced:
		class = 5
	case len(lost) > 0 || len(w.survivors) > 0:
		class = 4
	case len(killed) > 0:
		class = 3
	case w.startFailed():
		class = 1
	}
	if o.Class != class {
		w.failf("class: it is %d, it should be %d (killed %q, lost %q, failed %q)", o.Class, class, killed, lost, failed)
	}
	w.checkCode(class)
}

// startFailed says whether a start failed for good, or all had ended and one had failed.
func (w *witness) startFailed() bool {
	for _, i := range w.failedUp {
		if r := w.last[i]; w.allOver || w.outcome.Trigger != "" || r == nil || !r.ready || w.hopelessly[i] {
			return true
		}
	}
	return false
}

// checkCode holds the exit code against the class, or the end that began the shutdown.
func (w *witness) checkCode(class int) {
	o := w.outcome
	if o.Trigger != "" && w.asked {
		w.failf("class: %s is called the trigger of a shutdown that was asked for from outside", o.Trigger)
	}
	code := class
	if o.Trigger != "" && class != 5 && !w.plan.options.ClassOnly {
		for i, r := range w.last {
			if w.plainName(i) == o.Trigger && r.exited && r.unasked && !w.hopelessly[i] {
				code = r.exit.Status()
			}
		}
	}
	if o.Code != code {
		w.failf("class: the exit code is %d, it should be %d (class %d, trigger %q)", o.Code, code, class, o.Trigger)
	}
}

func (w *witness) plainName(i supervisor.Inst) string {
	return w.called[i]
}

// sameNames holds a list of the outcome against the witness's own.
func (w *witness) sameNames(what string, said, seen []string) {
	said, seen = slices.Clone(said), slices.Clone(seen)
	slices.Sort(said)
	slices.Sort(seen)
	if !slices.Equal(said, slices.Compact(seen)) {
		w.failf("class: the outcome calls %q %s, seen were %q", said, what, seen)
	}
}

// checkJournal holds that the journal of the world passes the check that people run after the fact. Now and then it
// goes through its text.
func (w *witness) checkJournal(bound supervisor.Instant) {
	header := journal.Header{
		Version: journal.Version, Name: "world", Nodes: journal.Records(w.plan.nodes, w.plan.specs),
		Options: w.plan.options, Bound: supervisor.Forever,
	}
	if bound < supervisor.Forever-w.lateness {
		header.Bound = bound + w.lateness
	}
	j := &journal.Journal{Header: header}
	for k, r := range w.reports {
		j.Entries = append(j.Entries, journal.Entry{Line: k + 2, Report: r})
	}
	if w.plan.seed%16 == 0 {
		var text bytes.Buffer
		jw, err := journal.NewWriter(&text, header)
		for _, r := range w.reports {
			if err == nil {
				err = jw.Report(r)
			}
		}
		if err == nil {
			j, err = journal.Read(strings.NewReader(text.String()))
		}
		if err != nil {
			w.failf("journal: %v", err)
			return
		}
	}
	if found := journal.Verify(j); len(found) > 0 {
		w.failf("journal: %v", found[0])
	}
}

// checkSnapshot holds that there is no second truth: the snapshot says what the reports said.
func (w *witness) checkSnapshot(snap supervisor.Snapshot) {
	seen := 0
	for _, i := range snap.Instances {
		p := w.plan.order.id[i.Process]
		for _, inst := range w.there[ordering.ID(p)] {
			if w.plainName(inst) != i.Name {
				continue
			}
			seen++
			if said, ok := w.states[inst]; ok && said != i.State || !ok && i.State != supervisor.Off {
				w.failf("rule: the snapshot calls %s %s, the last report said %q", i.Name, i.State, said)
			}
		}
	}
	if seen != len(snap.Instances) {
		w.failf("rule: the snapshot shows %d instances, %d are known", len(snap.Instances), seen)
	}
}
