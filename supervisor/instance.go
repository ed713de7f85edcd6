package supervisor

import (
	"fmt"
	"time"

	"lastout/ordering"
)

// instance is one copy of a process, in one life after another.
type instance struct {
	proc *process
	n    int // from 1
	at   int // its place in Machine.insts
	name string

	state    State
	since    Instant // when it entered it
	deadline Instant // when something is to be done if nothing has happened; never: there is no bound

	life
	last     *Exit // of the last run that ended
	starts   int   // how many lives it had
	attempts int   // restarts since a run lived long enough
	needed   bool  // it needed SIGKILL in a shutdown
	lost     bool
	whyLost  string

	failed    bool // for good, or lost, while the tree was up; nobody has started it again since
	unstarted bool // and that at its start

	course  course  // what the departure under way means to it
	errand  string  // why it leaves, or drains, for its hooks
	parts   []*part // what operations under way want of it
	found   bool    // it was lost, and is gone after all
	wasLost bool    // in some life
	surplus bool    // it was scaled away: it does not come back, and is forgotten once it has left
}

// course is what a departure means to an instance.
type course uint8

const (
	stays  course = iota
	drains        // it is drained with those who leave, and stays
	goes
)

// life is what is known of one run. It is made anew for each.
type life struct {
	run       Run
	addr      Inst // its name when this began
	pid       int
	ran       bool    // its exec succeeded
	cancelled bool    // the spawn was taken back in time
	began     Instant // when that was
	wasReady  bool
	probing   bool
	checked   bool  // its health is looked at
	sick      int   // looks in a row that failed
	hook      *hook // that runs for it

	cancelling bool   // the spawn is to be taken back, if there is still time
	prepared   bool   // its pre_stop hook ran
	asked      bool   // invited, told or killed: its end is no failure
	reason     string // why it leaves, for its hooks
	fault      string // why its start failed; empty: it did not

	exit  *Exit   // the main process is gone
	lived Instant // how long it had run
	freed bool    // and it went without being asked
	left  int     // others that lived then

	part     drainPart // of the drain
	drainBy  Instant   // when the drain ends, whatever is left to do
	quiesced bool      // new connections are turned away
	invited  bool      // and the program itself was asked to finish
	watched  bool      // a Watch or Settle was not answered yet
	finished bool      // one who is no gateway has had its drain
	ended    State     // the one in which the run came to its end

	told   Instant // when its stop steps began
	step   int     // the stop step it is at, from 1
	killAt Instant // when SIGKILL comes, whatever the steps
	cut    bool    // the shutdown gives it less than its own steps
}

// newInstance makes copy n of a process. Its name stays as it is, however many there will be.
func newInstance(p *process, n int, numbered bool) *instance {
	i := &instance{proc: p, n: n, name: p.spec.Name, state: Off, deadline: never}
	if numbered {
		i.name = fmt.Sprintf("%s.%d", p.spec.Name, n)
	}
	return i
}

// inst is its name in events and actions.
func (i *instance) inst() Inst { return Inst{Proc: i.proc.id, N: i.n} }

// enter is the only writer of a state. It ends the old state's bound, begins the new one's, keeps the counts and says
// it.
func (m *Machine) enter(i *instance, s State, cause string, until Instant) {
	m.work++
	from := i.state
	m.count(i, from, -1)
	m.count(i, s, +1)
	i.state, i.since = s, m.now
	if from.Alive() && !s.Alive() {
		i.ended = from
	}
	if s != Ready {
		m.stopHealth(i)
	}
	if s.Left() || i.course == drains && (from == Draining || s == Drained || !s.Alive()) {
		i.course = stays // no departure waits for it any more
	}
	m.setDeadline(i, until)
	r := i.report(KindState)
	r.From, r.State, r.Cause, r.Bound = from, s, cause, m.rest(until)
	if from == Starting && s == Running {
		r.PID = i.pid
	}
	m.say(r)
	m.touch(i.proc)
	m.progress(i, cause)
}

// setCourse says what the departure means to an instance.
func (m *Machine) setCourse(i *instance, c course) {
	m.count(i, i.state, -1)
	i.course = c
	m.count(i, i.state, +1)
	m.touch(i.proc)
}

// count adds an instance in a state to all counts, or takes it away.
func (m *Machine) count(i *instance, s State, by int) {
	p := i.proc
	if !s.Left() {
		p.present += by
		m.present += by
		if i.course == goes {
			p.going += by
		}
	}
	if s.Alive() {
		m.alive += by
	}
	switch {
	case s == Waiting:
		p.waiting += by
	case s == Draining:
		if p.spec.Role == ordering.Gateway {
			p.draining += by
		}
	case s == Stopped:
		p.stopped += by
	case p.satisfying(s):
		p.ready += by
	case s.Left() && s != Off:
		p.hopeless += by
	}
}

// report begins a report about an instance and its run.
func (i *instance) report(k Kind) Report {
	return Report{Kind: k, Process: i.proc.spec.Name, Instance: i.name, Run: i.run}
}

// note says something about an instance that is worth saying.
func (m *Machine) note(i *instance, cause string) {
	r := i.report(KindNote)
	r.Cause = cause
	m.say(r)
}

// rest is how long it is until an instant, for a report: 0 where it never comes.
func (m *Machine) rest(until Instant) Instant {
	if until == never {
		return 0
	}
	return max(0, until-m.now)
}

// rounded is a time as people want to read it.
func rounded(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// after is the instant so long from now.
func (m *Machine) after(d Instant) Instant { return plus(m.now, d) }

// plus adds two times that are not negative; what is too much for a time is never.
func plus(a, b Instant) Instant {
	if a > never-b {
		return never
	}
	return a + b
}
