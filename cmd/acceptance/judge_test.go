package acceptance

import (
	"maps"
	"slices"
)

// judge is what must hold whenever lastout took a town down whose programs did as they should.
func (s *site) judge() {
	s.t.Helper()
	s.t.Logf("%v", s.clients)
	if s.code != 0 {
		s.t.Errorf("exit %d", s.code)
	}
	for _, r := range s.clients.of(lost) {
		s.t.Errorf("%s was lost: %s (%+v)", r.id, r.why, *r)
	}
	report := s.report()
	for _, i := range report.Instances {
		for _, c := range i.Cut {
			s.t.Errorf("%s cut off %+v", i.Name, c)
		}
	}
	s.judgeBooks()
	s.judgeClock(report)
	s.verify()
}

// judgeBooks joins what the workers wrote down with what the clients saw: what a worker began was answered, and what was
// answered a worker knows of.
func (s *site) judgeBooks() {
	s.t.Helper()
	good := map[string]bool{}
	for _, r := range s.clients.of(answered) {
		good[r.id] = true
	}
	s.books.close()
	s.books.Lock()
	defer s.books.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.books.started)) {
		if !good[id] {
			s.t.Errorf("a worker began %s, which was never answered", id)
		}
		if s.books.started[id] != s.books.finished[id] {
			s.t.Errorf("%s was begun %d times and finished %d times", id, s.books.started[id], s.books.finished[id])
		}
		delete(good, id)
	}
	for id := range good {
		s.t.Errorf("%s was answered, and no worker knows of it", id)
	}
}

// judgeClock compares the journal's clock with the clients', which are one. Who was not let in knocked after the door was
// told to be shut; and nobody got in who knocked after it was said to be shut.
func (s *site) judgeClock(report *shutdown) {
	s.t.Helper()
	zero := s.journal()[0].Monotonic
	if zero == 0 {
		s.t.Fatal("the journal does not say when it began")
	}
	for _, i := range report.Instances {
		if i.Quiesce == nil || i.Quiesce.Done == nil {
			continue
		}
		told, shut := zero+i.Quiesce.At, zero+*i.Quiesce.Done
		for _, r := range s.clients.all {
			if r.fate == refused && r.sent < told {
				s.t.Errorf("%s was not let in, %d ns before that began: %+v", r.id, told-r.sent, *r)
			}
			if r.began > shut && r.open != 0 {
				s.t.Errorf("%s was let in %d ns after the door was shut: %+v", r.id, r.began-shut, *r)
			}
		}
	}
}
