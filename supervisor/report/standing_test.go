package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastout/supervisor"
)

// standing follows a story and keeps what changes: the line, whether it is ready, and how long the wait may last.
func standing(s *Standing, reports []supervisor.Report) (lines []string) {
	last := ""
	for _, r := range reports {
		further := s.Follow(r)
		line := s.Line()
		if s.Ready() {
			line = "[ready] " + line
		}
		if within := s.Within(r.At); further && within > 0 {
			line += " <" + Duration(within) + ">"
		}
		if line != last {
			lines, last = append(lines, line), line
		}
	}
	return lines
}

func TestStanding(t *testing.T) {
	s := &story{}
	begin := func(instance string, from, to supervisor.State, bound time.Duration) {
		s.state(instance, from, to)
		s.reports[len(s.reports)-1].Bound = bound
	}
	for _, x := range []string{"db", "migrate", "api.1", "api.2", "extra", "edge"} {
		begin(x, supervisor.Off, supervisor.Waiting, 0)
	}
	begin("db", supervisor.Waiting, supervisor.Starting, 0)
	begin("db", supervisor.Starting, supervisor.Running, time.Minute)
	s.after(time.Second)
	begin("db", supervisor.Running, supervisor.Ready, 0)
	begin("migrate", supervisor.Waiting, supervisor.Running, 30*time.Second)
	begin("migrate", supervisor.Running, supervisor.Done, 0)
	for _, x := range []string{"api.1", "api.2", "edge"} {
		begin(x, supervisor.Waiting, supervisor.Ready, 0)
	}
	begin("extra", supervisor.Waiting, supervisor.Ready, 0)
	begin("api.1", supervisor.Ready, supervisor.InBackoff, 100*ms)
	s.after(100*ms).phase(supervisor.Announcing, "SIGTERM", 25*time.Second)
	begin("api.1", supervisor.InBackoff, supervisor.Stopped, 0)
	s.phase(supervisor.Walking, "", 25*time.Second)
	begin("api.2", supervisor.Ready, supervisor.Stopping, 10*time.Second)
	begin("extra", supervisor.Ready, supervisor.Stopping, 12*time.Second)
	s.after(2 * time.Second).say(supervisor.Report{
		Kind: supervisor.KindWaiting, After: []string{"api.2", "extra"}, Bound: 8 * time.Second,
	})
	s.exit("extra", supervisor.Exit{}, true, 0)
	s.gone("extra", supervisor.Stopping, supervisor.Stopped)
	s.after(8*time.Second).kill("api.2", "still there")
	s.gone("api.2", supervisor.Killing, supervisor.Stopped)
	begin("edge", supervisor.Ready, supervisor.Settling, time.Second)
	s.say(supervisor.Report{
		Kind: supervisor.KindWaiting, After: []string{"edge"}, Bound: time.Second, Cause: "edge waits for 2 connections",
	})
	s.gone("edge", supervisor.Settling, supervisor.Stopped)
	s.gone("db", supervisor.Ready, supervisor.Stopped)
	s.phase(supervisor.Closing, "", 15*time.Second)
	s.finish(supervisor.Outcome{Code: 3})
	want := []string{
		"0 of 1 ready; not: db (waiting)",
		"0 of 2 ready; not: db (waiting), migrate (waiting)",
		"0 of 3 ready; not: db (waiting), migrate (waiting), api.1 (waiting)",
		"0 of 4 ready; not: db (waiting), migrate (waiting), api.1 (waiting) and 1 more",
		"0 of 5 ready; not: db (waiting), migrate (waiting), api.1 (waiting) and 2 more",
		"0 of 6 ready; not: db (waiting), migrate (waiting), api.1 (waiting) and 3 more",
		"0 of 6 ready; not: db (starting), migrate (waiting), api.1 (waiting) and 3 more",
		"0 of 6 ready; not: db (running), migrate (waiting), api.1 (waiting) and 3 more <1m0s>",
		"1 of 6 ready; not: migrate (waiting), api.1 (waiting), api.2 (waiting) and 2 more",
		"1 of 6 ready; not: migrate (running), api.1 (waiting), api.2 (waiting) and 2 more <30.0s>",
		"1 of 5 ready; not: api.1 (waiting), api.2 (waiting), extra (waiting) and 1 more",
		"2 of 5 ready; not: api.2 (waiting), extra (waiting), edge (waiting)",
		"3 of 5 ready; not: extra (waiting), edge (waiting)",
		"[ready] 4 of 5 ready; not: extra (waiting)",
		"[ready] 5 instances ready",
		"4 of 5 ready; not: api.1 (backoff) <100ms>",
		"stopping 0/4 (SIGTERM) <25.0s>",
		"stopping 0/4: waiting for api.2 <10.0s>",
		"stopping 0/4: waiting for api.2, extra <12.0s>",
		"stopping 0/4: waiting for api.2, extra, for 8.00s more at most",
		"stopping 1/4: waiting for api.2 <8.00s>",
		"stopping 1/4: waiting for api.2 <5.00s>",
		"stopping 1/4 (SIGTERM) <15.0s>",
		"stopping 1/4 (SIGTERM)",
		"stopping 2/4 (SIGTERM) <15.0s>",
		"stopping 2/4: waiting for edge <1.00s>",
		"stopping 2/4: edge waits for 2 connections, for 1.00s more at most",
		"stopping 3/4 (SIGTERM) <15.0s>",
		"stopping 3/4 (SIGTERM)",
		"stopping 4/4 (SIGTERM) <15.0s>",
		"stopped; exit code 3",
	}
	got := standing(NewStanding([]supervisor.Declared{
		{Name: "db", Instances: 1},
		{Name: "migrate", Role: "task", Instances: 1},
		{Name: "api", Instances: 2},
		{Name: "extra", Optional: true, Instances: 1},
		{Name: "edge", Instances: 1},
	}), s.reports)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the standing (-want +got):\n%s", diff)
	}
}

// Who was scaled away, or is gone from the file, is not missing, and roles are those of the file in force.
func TestStandingOfAnotherTree(t *testing.T) {
	nodes := []supervisor.Declared{{Name: "db", Instances: 1}, {Name: "api", Instances: 2}, {Name: "seed", Instances: 1}}
	s := &story{}
	up := func(names ...string) {
		for _, x := range names {
			s.state(x, supervisor.Waiting, supervisor.Starting)
			s.state(x, supervisor.Starting, supervisor.Ready)
		}
	}
	depart := func(cause supervisor.Verb, names ...string) {
		s.say(supervisor.Report{Kind: supervisor.KindDepart, Cause: string(cause), After: names})
		for _, x := range names {
			s.state(x, supervisor.Ready, supervisor.Stopped)
		}
		s.say(supervisor.Report{Kind: supervisor.KindOperation, Verb: cause, Result: supervisor.Completed})
	}
	st := NewStanding(nodes)
	seen := 0
	stands := func(what, want string) {
		t.Helper()
		for _, r := range s.reports[seen:] {
			st.Follow(r)
		}
		seen = len(s.reports)
		if got := st.Line(); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	up("db", "api.1", "api.2", "seed")
	stands("up", "4 instances ready")
	depart(supervisor.VerbStop, "db")
	stands("stopped by a user", "3 of 4 ready; not: db (stopped)")
	up("db")
	depart(supervisor.VerbScale, "api.2")
	stands("scaled down", "3 instances ready")
	up("api.2")
	stands("scaled up", "4 instances ready")
	depart(supervisor.VerbReload, "api.2", "db", "seed")
	stands("before the reload is in force", "1 of 4 ready; not: db (stopped), seed (stopped), api.2 (stopped)")
	s.say(supervisor.Report{Kind: supervisor.KindReload, Nodes: []supervisor.Declared{
		{Name: "api", Instances: 1}, {Name: "seed", Role: "task", Instances: 1},
	}})
	s.state("seed", supervisor.Stopped, supervisor.Done)
	stands("reloaded", "1 instance ready")
}
