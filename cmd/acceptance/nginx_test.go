package acceptance

import (
	"syscall"
	"testing"
	"time"
)

// web is nginx before gunicorn, which each have two workers.
var web = town{
	files: []string{"app.py", "nginx.conf"}, ready: 2,
	first: []worker{{"app", syscall.SIGTERM}}, last: []worker{{"edge", syscall.SIGQUIT}},
	conf: `
[shutdown]
timeout = "25s"
[process.app]
command = ["gunicorn", "--workers", "2", "--threads", "64", "--bind", "unix:$DIR/app.sock", "--chdir", "$DIR",
  "app:application"]
env = { LEDGER = "$DIR/ledger" }
ready = { log = "takes requests" }
stop = { timeout = "10s" }
[process.edge]
role = "gateway"
preset = "nginx"
command = ["nginx", "-p", "$DIR", "-c", "$DIR/nginx.conf", "-e", "$DIR/nginx.log"]
depends_on = ["app"]
ready = { http = "http://$ADDR/", interval = "20ms" }
`,
}

// Requests are in hand, and others come late.
func TestNginxInFlight(t *testing.T) {
	needs(t, "nginx", "gunicorn")
	t.Parallel()
	scene{town: web, answered: 20, play: func(s *site) {
		s.clients.each(20, wish{})
		s.untilStarted(10)
		s.clients.wg.Go(func() { s.clients.late(5*time.Millisecond, wish{}) })
		s.stop()
	}}.run(t, 10)
}

// The stop comes in the middle of 500 requests at 250 a second.
func TestNginxStorm(t *testing.T) {
	needs(t, "nginx", "gunicorn")
	t.Parallel()
	scene{town: web, answered: 200, play: func(s *site) {
		s.clients.flow(500, 4*time.Millisecond, wish{}, 250, s.stop)
	}}.run(t, 6)
}

// What is sent to nginx is a POST, and large enough not to come in one piece.
func TestNginxPost(t *testing.T) {
	needs(t, "nginx", "gunicorn")
	t.Parallel()
	scene{town: web, answered: 20, play: func(s *site) {
		s.clients.flow(100, 10*time.Millisecond, wish{body: 200_000}, 50, s.stop)
	}}.run(t, 6)
}

// Visitors send one request after another on connections that they keep, across the stop.
func TestNginxKept(t *testing.T) {
	needs(t, "nginx", "gunicorn")
	t.Parallel()
	scene{town: web, answered: 100, play: func(s *site) {
		for range 20 {
			s.clients.wg.Go(func() { s.clients.visit(3*time.Millisecond, wish{path: "/?ms=20"}) })
		}
		s.untilStarted(200)
		s.stop()
	}}.run(t, 10)
}

// A connection that never carried a byte does not make nginx wait for client_header_timeout, which is a minute: where
// such connections may be ended from outside nobody notices it. It is long open, or opened a moment ago.
func TestNginxPreconnect(t *testing.T) {
	needs(t, "nginx", "gunicorn")
	for name, before := range map[string]time.Duration{"old": time.Second, "young": 0} {
		t.Run(name, func(t *testing.T) {
			s := web.open(t, byLastout)
			s.preconnect()
			aged := time.After(before)
			s.clients.each(2, wish{})
			s.clients.wg.Wait()
			<-aged
			s.stop()
			s.judge()
			report := s.report()
			took := time.Duration(*report.of(t, "edge").Left - report.Begin)
			t.Logf("nginx took %v, all %v", took, report.Took)
			if took > time.Second {
				t.Errorf("took %v: the silent connection was waited for", took)
			}
		})
	}
}
