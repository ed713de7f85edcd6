package journal_test

import (
	"testing"

	"lastout/supervisor"
	"lastout/supervisor/journal"
)

// TestCondense cuts stories at every line before their shutdown, leaves out what lies before, and goes on: nothing may
// look broken that was not, and what was broken in the rest must still be seen.
func TestCondense(t *testing.T) {
	stories := map[string]struct {
		tell   func(*story)
		broken int
	}{
		"in order": {func(s *story) { s.up(); s.down(); s.rest(); s.finish(supervisor.Outcome{}) }, 0},
		"the gateway is told first": {func(s *story) {
			s.up()
			s.down()
			s.tell("edge")
			s.leaves("edge")
			s.inTurn("api.1", "api.2", "db")
			s.finish(supervisor.Outcome{})
		}, 1},
		"crashes and restarts": {func(s *story) {
			s.up()
			for range 50 {
				s.exit("api.1", 0)
				s.gone("api.1")
				s.state("api.1", supervisor.InBackoff, 0)
				s.start("api.1")
			}
			s.down()
			s.rest()
			s.finish(supervisor.Outcome{})
		}, 0},
		"a lost one that came back, and was started anew": {func(s *story) {
			s.up()
			s.kill("api.1")
			s.lost("api.1")
			s.start("api.1")
			s.down()
			s.rest()
			s.finish(supervisor.Outcome{Class: 4, Lost: []string{"api.1"}})
		}, 0},
		"told before the shutdown": {func(s *story) {
			s.up()
			s.tell("db")
			s.down()
			s.inTurn("api.1", "api.2")
			s.kill("db")
			s.leaves("db")
			s.inTurn("edge")
			s.finish(supervisor.Outcome{Class: 3, Killed: []string{"db"}})
		}, 0},
		"some leave": {func(s *story) {
			s.up()
			s.depart("api.1", "db")
			s.inTurn("api.1", "db")
			s.start("db", "api.1")
			s.depart("api.2")
			s.inTurn("api.2")
			s.down()
			s.inTurn("api.1", "edge", "db")
			s.finish(supervisor.Outcome{})
		}, 0},
		"some leave out of order": {func(s *story) {
			s.up()
			s.depart("api.1", "db")
			s.inTurn("db", "api.1")
		}, 1},
		"a spawn that failed": {func(s *story) {
			s.up()
			s.exit("api.1", 0)
			s.gone("api.1")
			s.run++
			s.now["api.1"] = s.run
			s.state("api.1", supervisor.Starting, 0)
			s.state("api.1", supervisor.InBackoff, 0)
			s.down()
			s.state("api.1", supervisor.Stopped, 0)
			s.inTurn("api.2", "edge", "db")
			s.finish(supervisor.Outcome{})
		}, 0},
	}
	for name, c := range stories {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			c.tell(s)
			for cut := range s.j.Entries {
				j := s.j
				j.Entries = append(journal.Condense(s.j.Entries[:cut]), s.j.Entries[cut:]...)
				if found := journal.Verify(&j); len(found) != c.broken {
					t.Fatalf("condensed at %d: found are %v, want %d", cut, found, c.broken)
				}
			}
		})
	}
}

// TestCondenseIsShort has an instance crash a thousand times: what stays does not grow with that.
func TestCondenseIsShort(t *testing.T) {
	s := newStory()
	s.up()
	for range 1000 {
		s.exit("api.1", 0)
		s.gone("api.1")
		s.start("api.1")
	}
	if n := len(journal.Condense(s.j.Entries)); n > 4*5 {
		t.Errorf("%d of %d entries stay", n, len(s.j.Entries))
	}
}

// inTurn lets these go, one after another.
func (s *story) inTurn(instances ...string) {
	for _, i := range instances {
		s.tell(i)
		s.leaves(i)
	}
}
