package acceptance

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// twice is HAProxy two times before the same two instances of a Node application.
var twice = func() town {
	o := haproxy(`
[process.other]
role = "gateway"
preset = "haproxy"
command = ["haproxy", "-db", "-f", "$DIR/beside.cfg"]
depends_on = ["api"]
ready = { tcp = "$BESIDE", interval = "20ms" }
`)
	o.files, o.ready = append(slices.Clone(o.files), "beside.cfg"), 4
	return o
}()

// A gateway crashes while it drains. Its own clients are named, and nobody else's are harmed.
func TestGatewayCrashes(t *testing.T) {
	needs(t, "haproxy", "node")
	t.Parallel()
	repeat(t, 5, func(t *testing.T) {
		s := twice.open(t, byLastout)
		other := newTraffic(t, "other", s.beside, s.clients.over)
		s.clients.each(3, wish{path: "/hang"})
		other.each(3, wish{path: "/?ms=1000"})
		s.untilStarted(6)
		s.clients.wg.Go(s.stop)
		s.until("the drain", func(es []entry) bool {
			return slices.ContainsFunc(es, func(e entry) bool { return e.Kind == "invite" && e.Instance == "edge" })
		})
		syscall.Kill(s.pid("edge"), syscall.SIGKILL)
		if n := len(other.of(answered)); n != 3 {
			t.Errorf("the other gateway: %v", other)
		}
		if n := len(s.clients.of(lost)); n != 3 {
			t.Errorf("the crashed gateway: %v", s.clients)
		}
		report := s.report()
		s.judgeCut(report, "edge")
		if report.Took > 5*time.Second {
			t.Errorf("took %v", report.Took)
		}
		s.verify()
	})
}

// A worker never answers, and does not leave. It is waited for as long as it is configured, then killed and named, and
// so is who waited for its answer.
func TestWorkerHangs(t *testing.T) {
	needs(t, "haproxy", "node")
	t.Parallel()
	repeat(t, 5, func(t *testing.T) {
		o := haproxy(`drain = { timeout = "3s" }`)
		o.conf = strings.Replace(o.conf, `env = {`, `stop = { timeout = "300ms" }
env = { DEAF = "1",`, 1)
		s := o.open(t, byLastout)
		s.clients.each(1, wish{path: "/hang"})
		s.clients.each(6, wish{path: "/?ms=500"})
		s.untilStarted(7)
		s.stop()
		if a, l := len(s.clients.of(answered)), len(s.clients.of(lost)); a != 6 || l != 1 {
			t.Errorf("%v", s.clients)
		}
		report := s.report()
		s.judgeUnanswered(report, "edge")
		slices.Sort(report.Outcome.Killed)
		if s.code != 3 || !slices.Equal(report.Outcome.Killed, []string{"api.1", "api.2"}) {
			t.Errorf("exit %d, killed %v", s.code, report.Outcome.Killed)
		}
		if report.Took > 6*time.Second {
			t.Errorf("took %v", report.Took)
		}
		s.verify()
	})
}

// judgeCut sees that the report names the clients who lost something, as those whom a gateway cut off, and no others.
func (s *site) judgeCut(report *shutdown, gateway string) {
	s.t.Helper()
	var got []string
	for _, i := range report.Instances {
		for _, c := range i.Cut {
			for _, x := range c.Connections {
				if i.Name == gateway && x.In > 0 && x.Age > 0 {
					got = append(got, x.Peer)
				} else {
					s.t.Errorf("%s cut off %+v", i.Name, x)
				}
			}
		}
	}
	s.judgeNames(got)
}

// judgeUnanswered does so where the gateway answered in the worker's place: it names who waited when its drain was over.
func (s *site) judgeUnanswered(report *shutdown, gateway string) {
	s.t.Helper()
	var got []string
	for _, i := range report.Instances {
		for _, x := range i.Unanswered {
			if i.Name == gateway {
				got = append(got, x.Peer)
			} else {
				s.t.Errorf("unanswered by %s: %+v", i.Name, x)
			}
		}
	}
	s.judgeNames(got)
}

func (s *site) judgeNames(got []string) {
	s.t.Helper()
	var want []string
	for _, r := range s.clients.of(lost) {
		want = append(want, r.from)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		s.t.Errorf("the report names %v, and %v lost something", got, want)
	}
}
