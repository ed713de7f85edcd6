package acceptance

import (
	"syscall"
	"testing"
	"time"
)

// router is uWSGI twice: a router that speaks HTTP, and two workers behind it.
var router = town{
	files: []string{"app.py"}, ready: 2,
	first: []worker{{"app", syscall.SIGTERM}}, last: []worker{{"router", syscall.SIGTERM}},
	conf: `
[shutdown]
timeout = "25s"
[process.app]
preset = "uwsgi"
command = ["uwsgi", "--plugin", "python3", "--master", "--processes", "2", "--socket", "$BEHIND", "--die-on-term",
  "--hook-master-start", "unix_signal:15 gracefully_kill_them_all", "--wsgi-file", "$DIR/app.py"]
env = { LEDGER = "$DIR/ledger" }
ready = { tcp = "$BEHIND", interval = "20ms" }
stop = { timeout = "5s" }
[process.router]
role = "gateway"
preset = "uwsgi-router"
command = ["uwsgi", "--plugin", "http", "--master", "--die-on-term", "--processes", "0", "--http", "$ADDR",
  "--http-to", "$BEHIND"]
depends_on = ["app"]
ready = { tcp = "$ADDR", interval = "20ms" }
`,
}

// Two requests are in hand and six are queued at the workers, and more come during the drain, while a connection was
// opened that never carries a byte.
func TestRouterQueued(t *testing.T) {
	needs(t, "uwsgi")
	t.Parallel()
	scene{town: router, answered: 8, play: func(s *site) {
		s.preconnect()
		s.clients.each(8, wish{})
		s.untilStarted(2)
		s.clients.wg.Go(func() { s.clients.late(20*time.Millisecond, wish{}) })
		s.stop()
	}}.run(t, 10)
}

// Large answers go to clients who read slowly, and two of them are queued behind two others. The smaller ones fit into the
// buffers of the kernel, the larger ones wait in those of the router, too.
func TestRouterSlow(t *testing.T) {
	needs(t, "uwsgi")
	t.Parallel()
	for name, c := range map[string]struct{ n, bytes int }{"3.9 MB": {4, 3_900_070}, "9 MB": {4, 9_000_000}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scene{town: router, answered: c.n, play: func(s *site) {
				s.clients.each(c.n, wish{bytes: c.bytes, slowly: s.stopped})
				s.untilStarted(2)
				s.stop()
			}}.run(t, 5)
		})
	}
}

// whole is uWSGI as most run it: the router and the workers are of one master, and one process is a gateway.
var whole = town{
	files: []string{"app.py"}, ready: 1, last: []worker{{"app", syscall.SIGTERM}},
	conf: `
[shutdown]
timeout = "25s"
[process.app]
role = "gateway"
preset = "uwsgi"
command = ["uwsgi", "--plugin", "http,python3", "--master", "--die-on-term", "--processes", "2", "--http", "$ADDR",
  "--wsgi-file", "$DIR/app.py"]
env = { LEDGER = "$DIR/ledger" }
ready = { tcp = "$ADDR", interval = "20ms" }
stop = { timeout = "5s" }
`,
}

// Four requests meet two workers.
func TestWhole(t *testing.T) {
	needs(t, "uwsgi")
	t.Parallel()
	scene{town: whole, answered: 4, alone: true, play: func(s *site) {
		s.clients.each(4, wish{})
		s.untilStarted(2)
		s.stop()
	}}.run(t, 20)
}
