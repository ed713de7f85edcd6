package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// Standing follows a tree by its reports and says how it stands: whether it is ready, in a line for people, and for how
// long the present wait may still last. It is what a service manager is told.
type Standing struct {
	optional map[string]bool // processes without which the tree is ready all the same
	tasks    map[string]bool
	places   map[string]*place
	order    []*place // as they were first spoken of

	began   bool
	down    bool
	cause   string // of the shutdown
	total   int    // who had not left when it began
	left    int    // of those
	ends    supervisor.Instant
	waiting string // what was said last of whom it waits for; empty: something has happened since
	outcome *supervisor.Outcome
}

// place is where one instance is.
type place struct {
	name, process string
	state         supervisor.State
	by            supervisor.Instant // when its present wait is over at the latest; 0: it is in none
	leaves        bool               // it had not left when the shutdown began
	surplus       bool               // it is one too many, and leaves
}

// number is that of the instance, from 1.
func (p *place) number() int {
	n, err := strconv.Atoi(strings.TrimPrefix(p.name, p.process+"."))
	if err != nil {
		return 1 // it is the only one, by the name of its process
	}
	return n
}

// NewStanding follows a tree of these processes from its begin on.
func NewStanding(nodes []supervisor.Declared) *Standing {
	s := &Standing{places: map[string]*place{}}
	s.declare(nodes)
	return s
}

// declare takes in which processes there are, and forgets the instances that there are no more.
func (s *Standing) declare(nodes []supervisor.Declared) {
	s.optional, s.tasks = map[string]bool{}, map[string]bool{}
	wanted := map[string]int{}
	for _, n := range nodes {
		s.optional[n.Name], s.tasks[n.Name], wanted[n.Name] = n.Optional, n.Role == ordering.Task.String(), n.Instances
	}
	s.forget(func(p *place) bool { return p.number() > wanted[p.process] })
}

// forget takes those out who have left for good.
func (s *Standing) forget(gone func(*place) bool) {
	s.order = slices.DeleteFunc(s.order, func(p *place) bool {
		if !left(p.state) || !gone(p) {
			return false
		}
		delete(s.places, p.name)
		return true
	})
}

// Follow takes the next report, and says whether the tree has come any further with it.
func (s *Standing) Follow(r supervisor.Report) bool {
	switch r.Kind {
	case supervisor.KindState:
		s.state(r)
		return true
	case supervisor.KindPhase:
		s.phase(r)
		return true
	case supervisor.KindSignal, supervisor.KindCommand, supervisor.KindKill, supervisor.KindInvite:
		if p := s.places[r.Instance]; p != nil && r.Bound > 0 && r.Bound != supervisor.Forever {
			p.by = max(p.by, r.At+r.Bound)
		}
		return true
	case supervisor.KindWaiting:
		s.waiting = Waiting(r)
	case supervisor.KindFinish:
		s.outcome = r.Outcome
	case supervisor.KindReload:
		s.declare(r.Nodes)
	case supervisor.KindDepart:
		for _, name := range r.After {
			if p := s.places[name]; p != nil {
				p.surplus = r.Cause == string(supervisor.VerbScale)
			}
		}
	case supervisor.KindOperation:
		s.forget(func(p *place) bool { return p.surplus })
	case supervisor.KindQuiesce, supervisor.KindCut, supervisor.KindUnanswered, supervisor.KindOutlook, supervisor.KindUpgrade,
		supervisor.KindExit, supervisor.KindGone, supervisor.KindLost, supervisor.KindHook, supervisor.KindRetry,
		supervisor.KindFree, supervisor.KindLevel, supervisor.KindStrays, supervisor.KindHealth, supervisor.KindNote:
	}
	return false
}

func (s *Standing) state(r supervisor.Report) {
	s.began, s.waiting = true, ""
	p := s.places[r.Instance]
	if p == nil {
		p = &place{name: r.Instance, process: r.Process}
		s.places[r.Instance] = p
		s.order = append(s.order, p)
	}
	if s.down && p.leaves && !left(p.state) && left(r.State) {
		s.left++
	}
	p.state, p.by = r.State, 0
	p.surplus = p.surplus && r.State != supervisor.Starting
	if r.Bound > 0 && r.Bound != supervisor.Forever {
		p.by = r.At + r.Bound
	}
}

// left is Left, of an instance too that nobody has spoken of yet.
func left(s supervisor.State) bool { return s == "" || s.Left() }

func (s *Standing) phase(r supervisor.Report) {
	s.waiting = ""
	if r.Phase == supervisor.Up || s.down {
		return
	}
	s.down, s.cause = true, r.Cause
	if r.Bound > 0 && r.Bound != supervisor.Forever {
		s.ends = r.At + r.Bound
	}
	for _, p := range s.order {
		if p.leaves = p.state.Alive() || p.state == supervisor.InPostStop; p.leaves {
			s.total++
		}
	}
}

// Ready says whether everybody is ready whom the tree is not ready without. Who is off is not meant to run.
func (s *Standing) Ready() bool {
	if !s.began || s.down {
		return false
	}
	for _, p := range s.order {
		if !s.optional[p.process] && !s.ready(p) {
			return false
		}
	}
	return true
}

func (s *Standing) ready(p *place) bool {
	return p.state == supervisor.Ready || p.state == supervisor.Off || s.tasks[p.process] && p.state == supervisor.Done
}

// Down says whether a shutdown has begun.
func (s *Standing) Down() bool { return s.down }

// Within is for how long the present wait may still last at most; 0: there is none, or it has no bound.
func (s *Standing) Within(now supervisor.Instant) time.Duration {
	var by supervisor.Instant
	for _, p := range s.order {
		by = max(by, p.by)
	}
	switch {
	case by <= now && s.down:
		by = s.ends
	case s.down && s.ends > 0:
		by = min(by, s.ends)
	}
	return max(0, by-now)
}

// Line says how it stands.
func (s *Standing) Line() string {
	switch {
	case s.outcome != nil:
		return fmt.Sprintf("stopped; exit code %d", s.outcome.Code)
	case s.down:
		return s.stopping()
	case !s.began:
		return "starting"
	}
	ready, all := 0, 0
	var not few
	for _, p := range s.order {
		switch {
		case p.state == supervisor.Off || s.tasks[p.process] && p.state == supervisor.Done:
			continue
		case p.state == supervisor.Ready:
			ready++
		default:
			not.add(p)
		}
		all++
	}
	if ready == all {
		return Count(all, "instance") + " ready"
	}
	return fmt.Sprintf("%d of %d ready; not: %s", ready, all, not.text(true))
}

// stopping says how far a shutdown is: "stopping 3/7: waiting for api.2".
func (s *Standing) stopping() string {
	text := fmt.Sprintf("stopping %d/%d", s.left, s.total)
	if s.waiting != "" {
		return text + ": " + s.waiting
	}
	var who few
	for _, p := range s.order {
		if p.leaves && p.by > 0 && !left(p.state) {
			who.add(p)
		}
	}
	if who.n == 0 {
		return text + " (" + s.cause + ")"
	}
	return text + ": waiting for " + who.text(false)
}

// few are the first few of many: nobody reads of more in a line.
type few struct {
	first [3]*place
	n     int
}

func (f *few) add(p *place) {
	if f.n < len(f.first) {
		f.first[f.n] = p
	}
	f.n++
}

func (f *few) text(states bool) string {
	var names []string
	for _, p := range f.first[:min(f.n, len(f.first))] {
		name := p.name
		if states {
			name += " (" + string(p.state) + ")"
		}
		names = append(names, name)
	}
	text := strings.Join(names, ", ")
	if more := f.n - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
