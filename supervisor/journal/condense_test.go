package journal_test

import (
	"bytes"
	"io"
	"runtime"
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
				j.Entries = append(condensed(t, s.j.Header, s.j.Entries[:cut]), s.j.Entries[cut:]...)
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
	if n := len(condensed(t, s.j.Header, s.j.Entries)); n > 4*5 {
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

// written is a journal as it stands in a file.
func written(t *testing.T, h journal.Header, entries []journal.Entry) []byte {
	t.Helper()
	var text bytes.Buffer
	w, err := journal.NewWriter(&text, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := w.Report(e.Report); err != nil {
			t.Fatal(err)
		}
	}
	return text.Bytes()
}

func condensed(t *testing.T, h journal.Header, entries []journal.Entry) []journal.Entry {
	t.Helper()
	var short bytes.Buffer
	if err := journal.Condense(&short, bytes.NewReader(written(t, h, entries))); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Read(&short)
	if err != nil {
		t.Fatal(err)
	}
	return j.Entries
}

// TestCondenseTakesLittle condenses a large journal: what is held of it at any moment is a small part.
func TestCondenseTakesLittle(t *testing.T) {
	s := newStory()
	s.up()
	for range 5000 {
		s.exit("api.1", 0)
		s.gone("api.1")
		s.start("api.1")
	}
	text := written(t, s.j.Header, s.j.Entries)
	s.j.Entries = nil
	src := &weighed{Reader: bytes.NewReader(text)}
	before := live()
	if err := journal.Condense(io.Discard, src); err != nil {
		t.Fatal(err)
	}
	if src.reads < 20 {
		t.Fatalf("it was read in %d parts", src.reads)
	}
	if most := src.most - before; most > int64(len(text))/4 {
		t.Errorf("of %d bytes %d were held", len(text), most)
	}
}

// weighed is a reader that looks at every read how much memory is in use.
type weighed struct {
	*bytes.Reader
	most  int64
	reads int
}

func (w *weighed) Read(p []byte) (int, error) {
	w.most = max(w.most, live())
	w.reads++
	return w.Reader.Read(p)
}

// live is how many bytes are in use.
func live() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
