package journal_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lastout/supervisor"
	"lastout/supervisor/journal"
)

// story writes the lines of a journal. Its instances are named as in the header: db, api.1, api.2, edge.
type story struct {
	j   journal.Journal
	at  time.Duration
	run supervisor.Run
	now map[string]supervisor.Run
}

func newStory() *story {
	return &story{j: journal.Journal{Header: header()}, now: make(map[string]supervisor.Run)}
}

func (s *story) say(r supervisor.Report) {
	s.at += time.Millisecond
	r.At = s.at
	s.j.Entries = append(s.j.Entries, journal.Entry{Line: len(s.j.Entries) + 2, Report: r})
}

func (s *story) of(kind supervisor.Kind, instance string) supervisor.Report {
	process, _, _ := strings.Cut(instance, ".")
	return supervisor.Report{Kind: kind, Process: process, Instance: instance, Run: s.now[instance]}
}

func (s *story) state(instance string, to supervisor.State, pid int) {
	r := s.of(supervisor.KindState, instance)
	r.State, r.PID = to, pid
	s.say(r)
}

func (s *story) start(instances ...string) {
	for _, i := range instances {
		s.run++
		s.now[i] = s.run
		s.state(i, supervisor.Starting, 0)
		s.state(i, supervisor.Running, 1000+int(s.run))
		s.state(i, supervisor.Ready, 0)
	}
}

func (s *story) phase(p supervisor.Phase) {
	s.say(supervisor.Report{Kind: supervisor.KindPhase, Phase: p})
}

func (s *story) down() { s.phase(supervisor.Announcing); s.phase(supervisor.Walking) }

func (s *story) level(l supervisor.Level) {
	s.say(supervisor.Report{Kind: supervisor.KindLevel, Level: l})
}

func (s *story) tell(instances ...string) {
	for _, i := range instances {
		s.say(s.of(supervisor.KindSignal, i))
		s.state(i, supervisor.Stopping, 0)
	}
}

func (s *story) kill(instance string) {
	s.say(s.of(supervisor.KindKill, instance))
	s.state(instance, supervisor.Killing, 0)
}

func (s *story) exit(instance string, left int) {
	r := s.of(supervisor.KindExit, instance)
	r.Exit, r.Left = &supervisor.Exit{}, left
	s.say(r)
}

func (s *story) gone(instance string) { s.say(s.of(supervisor.KindGone, instance)) }

func (s *story) lost(instance string) {
	s.say(s.of(supervisor.KindLost, instance))
	s.state(instance, supervisor.Lost, 0)
}

// depart lets some leave while the tree is up.
func (s *story) depart(instances ...string) {
	s.say(supervisor.Report{Kind: supervisor.KindDepart, After: instances})
}

// leaves is the end of an instance as it should be.
func (s *story) leaves(instances ...string) {
	for _, i := range instances {
		s.exit(i, 0)
		s.gone(i)
		s.state(i, supervisor.Stopped, 0)
	}
}

func (s *story) finish(o supervisor.Outcome) {
	s.phase(supervisor.Finished)
	s.say(supervisor.Report{Kind: supervisor.KindFinish, Outcome: &o})
}

// up brings all of them up.
func (s *story) up() { s.start("db", "api.1", "api.2", "edge") }

// rest lets all who are left go in order, from the workers on.
func (s *story) rest() {
	s.tell("api.1", "api.2")
	s.leaves("api.2", "api.1")
	s.tell("edge")
	s.leaves("edge")
	s.tell("db")
	s.leaves("db")
}

func TestVerifyGood(t *testing.T) {
	for name, tell := range map[string]func(*story){
		"in order": func(s *story) { s.up(); s.down(); s.rest(); s.finish(supervisor.Outcome{}) },
		"a gateway is invited while its workers serve": func(s *story) {
			s.up()
			s.down()
			s.state("edge", supervisor.Draining, 0)
			s.say(s.of(supervisor.KindQuiesce, "edge"))
			s.say(s.of(supervisor.KindInvite, "edge"))
			s.state("edge", supervisor.Drained, 0)
			s.tell("api.1", "api.2")
			s.leaves("api.1", "api.2")
			s.state("edge", supervisor.Settling, 0)
			s.tell("edge")
			s.leaves("edge")
			s.say(s.of(supervisor.KindCut, "edge"))
			s.tell("db")
			s.leaves("db")
			s.finish(supervisor.Outcome{})
		},
		"killed and lost": func(s *story) {
			s.up()
			s.down()
			s.tell("api.1", "api.2")
			s.leaves("api.1")
			s.kill("api.2")
			s.lost("api.2")
			s.tell("edge")
			s.leaves("edge")
			s.kill("db")
			s.leaves("db")
			s.finish(supervisor.Outcome{Class: 4, Killed: []string{"api.2", "db"}, Lost: []string{"api.2"}})
		},
		"a lost one that came back is killed out of turn": func(s *story) {
			s.up()
			s.kill("db")
			s.lost("db")
			s.down()
			s.kill("db")
			s.tell("api.1", "api.2")
			s.leaves("api.1", "api.2")
			s.tell("edge")
			s.leaves("edge")
			s.exit("db", 0)
			s.gone("db")
			s.finish(supervisor.Outcome{Class: 4, Lost: []string{"db"}})
		},
		"told before the shutdown": func(s *story) {
			s.up()
			s.tell("db")
			s.down()
			s.tell("api.1", "api.2")
			s.leaves("api.1", "api.2")
			s.kill("db")
			s.leaves("db")
			s.tell("edge")
			s.leaves("edge")
			s.finish(supervisor.Outcome{Class: 3, Killed: []string{"db"}})
		},
		"forced": func(s *story) {
			s.up()
			s.down()
			s.level(supervisor.Urgent)
			s.level(supervisor.Forced)
			for _, i := range []string{"db", "edge", "api.1", "api.2"} {
				s.kill(i)
			}
			s.leaves("db", "edge", "api.1", "api.2")
			s.finish(supervisor.Outcome{Class: 5, Killed: []string{"api.1", "api.2", "db", "edge"}})
		},
		"crashes, failed spawns and restarts": func(s *story) {
			s.up()
			s.exit("api.1", 0)
			s.gone("api.1")
			s.state("api.1", supervisor.InBackoff, 0)
			s.run++
			s.now["api.1"] = s.run
			s.state("api.1", supervisor.Starting, 0)
			s.state("api.1", supervisor.InBackoff, 0)
			s.start("api.1")
			s.down()
			s.rest()
			s.finish(supervisor.Outcome{})
		},
		"a spawn that is taken back": func(s *story) {
			s.start("db")
			s.run++
			s.now["api.1"] = s.run
			s.state("api.1", supervisor.Starting, 0)
			s.down()
			s.state("api.1", supervisor.Stopped, 0)
			s.tell("db")
			s.leaves("db")
			s.finish(supervisor.Outcome{})
		},
		"some leave, in order": func(s *story) {
			s.up()
			s.depart("db", "api.1", "api.2")
			s.tell("api.1", "api.2")
			s.leaves("api.1", "api.2")
			s.tell("db")
			s.leaves("db")
			s.start("db", "api.1", "api.2")
			s.down()
			s.rest()
			s.finish(supervisor.Outcome{})
		},
		"one leaves without those who need it": func(s *story) {
			s.up()
			s.depart("db")
			s.tell("db")
			s.leaves("db")
			s.say(supervisor.Report{Kind: supervisor.KindDepart, Cause: "drain", After: []string{"edge"}})
			s.state("edge", supervisor.Draining, 0)
			s.state("edge", supervisor.Drained, 0)
			s.down()
			s.tell("api.1", "api.2")
			s.leaves("api.1", "api.2")
			s.tell("edge")
			s.leaves("edge")
			s.finish(supervisor.Outcome{})
		},
		"cut in the middle": func(s *story) { s.up(); s.down(); s.tell("api.1") },
		"as late as it may be": func(s *story) {
			s.up()
			s.down()
			s.at += s.j.Header.Bound
			s.rest()
			s.finish(supervisor.Outcome{})
		},
		"without a bound": func(s *story) {
			s.j.Header.Bound = supervisor.Forever
			s.up()
			s.down()
			s.at += 1000 * time.Hour
			s.rest()
			s.finish(supervisor.Outcome{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			tell(s)
			for _, v := range journal.Verify(&s.j) {
				t.Error(v)
			}
		})
	}
}

// TestVerifyBroken breaks a journal in one way each. The line that shows it is the one said last in the story.
func TestVerifyBroken(t *testing.T) {
	for name, c := range map[string]struct {
		guarantee, says string
		tell            func(*story)
	}{
		"the gateway is told first":          {"G1", `"api.1" "api.2"`, func(s *story) { s.up(); s.down(); s.say(s.of("signal", "edge")) }},
		"the gateway is told by a command":   {"G1", "edge", func(s *story) { s.up(); s.down(); s.say(s.of("command", "edge")) }},
		"the gateway is killed first":        {"G1", "edge", func(s *story) { s.up(); s.down(); s.say(s.of("kill", "edge")) }},
		"urgent is no excuse":                {"G1", "edge", func(s *story) { s.up(); s.down(); s.level(1); s.say(s.of("kill", "edge")) }},
		"the store goes before those behind": {"G1", `"api.1" "api.2"`, func(s *story) { s.up(); s.down(); s.say(s.of("signal", "db")) }},
		"one instance of two still lives": {"G1", `"api.2"`, func(s *story) {
			s.up()
			s.down()
			s.tell("api.1", "api.2")
			s.leaves("api.1")
			s.say(s.of("signal", "edge"))
		}},
		"SIGKILL counts as gone": {"G1", `"api.2"`, func(s *story) {
			s.up()
			s.down()
			s.tell("api.1", "api.2")
			s.leaves("api.1")
			s.kill("api.2")
			s.say(s.of("signal", "edge"))
		}},
		"others of the tree live": {"G1", `"api.2"`, func(s *story) {
			s.up()
			s.down()
			s.tell("api.1", "api.2")
			s.leaves("api.1")
			s.exit("api.2", 1)
			s.say(s.of("signal", "edge"))
		}},
		"a spawn in flight counts as alive": {"G1", `"api.1"`, func(s *story) {
			s.start("edge")
			s.now["api.1"] = 77
			s.state("api.1", supervisor.Starting, 0)
			s.down()
			s.say(s.of("signal", "edge"))
		}},
		"a dead one in the middle cuts no edge": {"G1", `"api.1"`, func(s *story) {
			s.start("api.1", "db")
			s.down()
			s.say(s.of("signal", "db"))
		}},
		"reaped twice": {"G2", "second time", func(s *story) { s.up(); s.exit("db", 1); s.exit("db", 1) }},
		"gone twice":   {"G2", "second time", func(s *story) { s.up(); s.exit("db", 1); s.gone("db"); s.gone("db") }},
		"lost twice": {"G2", "second time", func(s *story) {
			s.up()
			s.say(s.of("lost", "db"))
			s.say(s.of("lost", "db"))
		}},
		"lost although gone":           {"G2", "ended", func(s *story) { s.up(); s.leaves("db"); s.say(s.of("lost", "db")) }},
		"gone and never reaped":        {"G2", "never reaped", func(s *story) { s.up(); s.gone("db") }},
		"gone and never begun":         {"G2", "never begun", func(s *story) { s.exit("db", 0) }},
		"stopped and not gone":         {"G2", "not gone", func(s *story) { s.up(); s.exit("db", 1); s.state("db", supervisor.Stopped, 0) }},
		"failed and not gone":          {"G2", "not gone", func(s *story) { s.up(); s.state("db", supervisor.Failed, 0) }},
		"two lives at once":            {"G2", "while its run", func(s *story) { s.up(); s.now["db"] = 50; s.state("db", supervisor.Starting, 0) }},
		"a number used twice":          {"G2", "second time", func(s *story) { s.up(); s.leaves("db"); s.state("db", supervisor.Starting, 0) }},
		"a run of two instances":       {"G2", "belongs to", func(s *story) { s.up(); s.now["api.1"] = s.now["db"]; s.exit("api.1", 1) }},
		"of a process nobody declared": {"G2", "not in the header", func(s *story) { s.now["cache"] = 9; s.state("cache", supervisor.Starting, 0) }},
		"told after it is gone":        {"G2", "is gone", func(s *story) { s.up(); s.leaves("db"); s.say(s.of("signal", "db")) }},
		"not counted at the end":       {"G2", "neither reaped", func(s *story) { s.start("db"); s.down(); s.finish(supervisor.Outcome{}) }},
		"lost without a line": {"G2", "no line does", func(s *story) {
			s.down()
			s.finish(supervisor.Outcome{Class: 4, Lost: []string{"db"}})
		}},
		"lost without a word": {"G2", "does not say", func(s *story) {
			s.up()
			s.lost("db")
			s.down()
			s.tell("api.1", "api.2")
			s.leaves("api.1", "api.2")
			s.tell("edge")
			s.leaves("edge")
			s.finish(supervisor.Outcome{})
		}},
		"killed without a line": {"G2", "no line does", func(s *story) {
			s.up()
			s.down()
			s.rest()
			s.finish(supervisor.Outcome{Killed: []string{"db"}})
		}},
		"killed without a word": {"G2", "does not say that db needed SIGKILL", func(s *story) {
			s.start("db")
			s.down()
			s.kill("db")
			s.leaves("db")
			s.finish(supervisor.Outcome{})
		}},
		"too late": {"G3", "its bound is 10s", func(s *story) {
			s.up()
			s.down()
			s.at += s.j.Header.Bound + journal.Lateness
			s.tell("api.1")
			s.j.Entries = s.j.Entries[:len(s.j.Entries)-1]
		}},
		"a word after the finish": {"G3", "after the finish", func(s *story) { s.finish(supervisor.Outcome{}); s.level(1) }},
		"started after the begin": {"G4", "db", func(s *story) { s.down(); s.now["db"] = 1; s.state("db", supervisor.Starting, 0) }},
		"among those who leave, the store goes first": {"G1", `"api.1"`, func(s *story) {
			s.up()
			s.depart("api.1", "db")
			s.say(s.of("signal", "db"))
		}},
		"told before, and once more before its turn": {"G1", `"api.1" "api.2"`, func(s *story) {
			s.up()
			s.tell("db")
			s.down()
			s.say(s.of("kill", "db"))
		}},
		"started although it is to leave": {"G4", "api.1", func(s *story) {
			s.up()
			s.depart("api.1")
			s.exit("api.1", 0)
			s.gone("api.1")
			s.now["api.1"] = 50
			s.state("api.1", supervisor.Starting, 0)
		}},
		"pre_start after the begin": {"G4", "db", func(s *story) {
			s.phase(supervisor.Announcing)
			s.state("db", supervisor.InPreStart, 0)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			c.tell(s)
			found := journal.Verify(&s.j)
			last := s.j.Entries[len(s.j.Entries)-1].Line
			if len(found) != 1 {
				t.Fatalf("found are %v, want one", found)
			}
			v := found[0]
			if v.Guarantee != c.guarantee || v.Line != last || !strings.Contains(v.Text, c.says) {
				t.Errorf("found is %q, want %s in line %d saying %q", v, c.guarantee, last, c.says)
			}
		})
	}
}

// TestVerifyOrder tells one process to leave while another lives, for all pairs of a tree that has every rule of the
// order in it: exactly those that must leave before are named.
func TestVerifyOrder(t *testing.T) {
	nodes := []journal.NodeRecord{
		{Name: "db", Role: "service"},
		{Name: "migrate", Role: "task", DependsOn: []string{"db"}},
		{Name: "api", Role: "worker", DependsOn: []string{"migrate"}},
		{Name: "inner", Role: "gateway", DependsOn: []string{"api", "db"}},
		{Name: "edge", Role: "gateway", DependsOn: []string{"inner"}},
		{Name: "batch", Role: "worker", DependsOn: []string{"edge"}},
		{Name: "free", Role: "worker"},
		{Name: "side", Role: "gateway", Fronts: []string{"free"}},
		{Name: "log", Role: "worker", DependsOn: []string{"db"}, Outlives: []string{"db"}},
	}
	for i := range nodes {
		nodes[i].Instances = 1
	}
	before := map[string][]string{
		"db":    {"migrate", "api", "inner"},
		"inner": {"api"},
		"edge":  {"inner", "api", "batch"},
		"side":  {"free"},
		"log":   {"db", "migrate", "api", "inner"},
	}
	for _, x := range nodes {
		for _, y := range nodes {
			if x.Name == y.Name {
				continue
			}
			s := newStory()
			s.j.Header.Nodes = nodes
			s.start(x.Name, y.Name)
			s.down()
			s.tell(y.Name)
			want := slices.Contains(before[y.Name], x.Name)
			if found := journal.Verify(&s.j); (len(found) == 1) != want {
				t.Errorf("%s is told while %s lives: %s, want a violation: %v", y.Name, x.Name, fmt.Sprint(found), want)
			}
		}
	}
}
