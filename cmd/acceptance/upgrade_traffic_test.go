package acceptance

import (
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestUpgradeTraffic upgrades again and again while requests flow, on connections that are kept and on new ones: nobody
// is refused and nobody's answer is lost, neither then nor in the shutdown at the end.
func TestUpgradeTraffic(t *testing.T) {
	needs(t, "nginx", "gunicorn")
	t.Parallel()
	times := 10
	if soak() {
		times = 50
	}
	for name, c := range map[string]struct {
		town
		visitors int // gunicorn itself cuts off those who keep its connections busy, whether anybody upgrades or not
	}{"nginx": {web, 5}, "held nginx": {heldNginx, 5}, "held gunicorn": {heldGunicorn, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.upgraded(t, times, c.visitors)
		})
	}
}

func (o town) upgraded(t *testing.T, times, visitors int) {
	paths := theBuilds(t)
	o.conf = "[control]\nsocket = \"$DIR/c.sock\"\n" + o.conf
	s := o.open(t, byLastout)
	s.clients.wg.Go(func() { s.clients.late(10*time.Millisecond, wish{}) })
	for range visitors {
		s.clients.wg.Go(func() { s.clients.visit(10*time.Millisecond, wish{path: "/?ms=20"}) })
	}
	for i := range times {
		s.untilMore(20)
		out, err := s.upgrade("--socket", filepath.Join(s.dir, "c.sock"), "--binary", paths[i%2])
		if err != nil {
			t.Fatalf("upgrade %d: %v\n%s", i+1, err, out)
		}
	}
	s.untilMore(20)
	s.clients.change(func() {
		for _, r := range s.clients.all {
			if r.fate == refused || r.fate == lost {
				t.Errorf("%s was %s before the stop: %s (%+v)", r.id, r.fate, r.why, *r)
			}
		}
	})
	s.stop()
	s.judge()
	upgrades := len(slices.DeleteFunc(s.journal(), func(e entry) bool { return e.Kind != "upgrade" }))
	if upgrades != times {
		t.Errorf("the journal knows of %d upgrades of %d", upgrades, times)
	}
	for _, name := range []string{"edge", "app"} {
		pids := map[int]bool{}
		for _, e := range s.journal() {
			if e.Instance == name && e.PID > 0 {
				pids[e.PID] = true
			}
		}
		if len(pids) > 1 {
			t.Errorf("%s had %d pids", name, len(pids))
		}
	}
}

// untilMore waits until n requests more are answered.
func (s *site) untilMore(n int) {
	s.t.Helper()
	count := func() (answers int) {
		for _, r := range s.clients.all {
			if r.fate == answered {
				answers++
			}
		}
		return answers
	}
	before := -1
	s.clients.until("more answers", func() bool {
		if before < 0 {
			before = count()
		}
		return count() >= before+n
	})
}
