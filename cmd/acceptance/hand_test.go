package acceptance

import (
	"slices"
	"syscall"
	"testing"
	"time"
)

// way is how a town is taken down.
type way string

const (
	byLastout    way = "lastout"
	atOnce       way = "at once"       // a hand tells everybody by SIGTERM at the same time
	workersFirst way = "workers first" // a hand tells each by his own signal, and waits for the workers before the gateways
)

// handPatience is how long a hand waits before it kills.
const handPatience = 3 * time.Second

// stop takes the town down and waits until nobody is there. A hand lets lastout look on, which asks nobody to leave then.
func (s *site) stop() {
	s.t.Helper()
	close(s.stopped)
	if s.way == byLastout {
		s.code, _ = s.tree.stop(syscall.SIGTERM)
		return
	}
	s.signal(syscall.SIGTERM)
	s.until("the shutdown to begin", func(es []entry) bool {
		return slices.ContainsFunc(es, func(e entry) bool { return e.Phase != "" && e.Phase != "up" })
	})
	groups := [][]worker{s.town.first, s.town.last}
	if s.way == atOnce {
		groups = [][]worker{slices.Concat(groups...)}
		for i := range groups[0] {
			groups[0][i].sig = syscall.SIGTERM
		}
	}
	for _, group := range groups {
		s.tell(group)
	}
	s.signal(syscall.SIGINT) // whoever is left is killed
	s.code = s.wait()
}

func (s *site) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// tell sends each of a group his signal, and waits until their main processes have ended, for as long as hands do.
func (s *site) tell(group []worker) {
	s.t.Helper()
	for _, w := range group {
		syscall.Kill(s.pid(w.name), w.sig)
	}
	late := time.After(handPatience)
	for {
		s.mu.Lock()
		left, fresh := 0, s.fresh
		for _, w := range group {
			gone := func(e entry) bool { return e.Kind == "exit" && e.Instance == w.name }
			if !slices.ContainsFunc(s.entries, gone) {
				left++
			}
		}
		s.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-fresh:
		case <-late:
			return
		}
	}
}

// pid is an instance's main process.
func (s *site) pid(name string) int {
	s.t.Helper()
	for _, e := range s.journal() {
		if e.Instance == name && e.PID > 0 {
			return e.PID
		}
	}
	s.t.Fatalf("%s has no process", name)
	return 0
}

// scene is a town, and what its clients do around the stop.
type scene struct {
	town
	play func(s *site) // has the clients do it, and calls s.stop

	answered int  // how many answers are the least
	alone    bool // there is one process: workers first is the same as at once
}

// run plays a scene again and again under lastout, which loses nothing, and by hand, which must lose something, or the
// scene cannot see. few is how often outside of a soak.
func (c scene) run(t *testing.T, few int) {
	ways := []way{atOnce, workersFirst}
	if c.alone {
		ways = ways[:1]
	}
	for _, w := range ways {
		t.Run(string(w), func(t *testing.T) {
			t.Parallel()
			s := c.open(t, w)
			c.play(s)
			t.Logf("%v", s.clients)
			if len(s.clients.of(lost)) == 0 {
				t.Errorf("nothing was lost: %v", s.clients)
			}
		})
	}
	repeat(t, few, func(t *testing.T) {
		s := c.open(t, byLastout)
		c.play(s)
		s.judge()
		if n := len(s.clients.of(answered)); n < c.answered {
			t.Errorf("hardly anything was answered: %v", s.clients)
		}
	})
}

// repeat does something again and again: few times, and in a soak as often as nothing is promised to go wrong.
func repeat(t *testing.T, few int, f func(t *testing.T)) {
	if soak() {
		few = 20
	}
	if testing.Short() {
		few = 1
	}
	for range few {
		t.Run("lastout", func(t *testing.T) {
			t.Parallel()
			f(t)
		})
	}
}
