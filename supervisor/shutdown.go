package supervisor

import (
	"syscall"
	"time"
)

// leastSweep is the time that is kept for the last descendants to be killed and reaped, whatever else is configured.
const leastSweep = 250 * time.Millisecond

// shutdown is what belongs to the shutdown of the whole tree alone.
type shutdown struct {
	cause   string
	trigger *instance
	allOver bool    // it began because nothing was left to run
	ends    Instant // when it is over at the latest
	until   Instant // when its present wait ends by itself
	since   Instant // when that wait began
	stage   stage
	hook    *hook

	announceBy Instant
	survey     survey
	killBy     Instant // closing: when descendants are killed
	countBy    Instant // closing: when those who are left are counted, for the last time
	sweepBy    Instant // closing: when they are given up
	left       []string
	asked      int  // closing: sweeps that were asked for
	answered   int  // and those answered with who is left
	counted    bool // closing: an answer to a sweep has come
	survived   []string
	linger     linger
}

// stage is what a phase waits for.
type stage uint8

const (
	idle stage = iota
	beforeHook
	delaying
	surveying
	telling  // descendants were told to leave
	killing  // and killed
	counting // and are asked for a last time
	lingering
	afterHook
)

// stop begins the shutdown, unless it has begun.
func (m *Machine) stop(cause string) {
	if m.phase == Up {
		m.shut(cause, nil)
	}
}

// shut begins the shutdown: from here on nothing starts, everything that is not alive has left, and every wait is fixed
// in the budget.
func (m *Machine) shut(cause string, trigger *instance) {
	s := &m.shutdown
	s.allOver = m.begun && m.present == 0
	s.cause, s.trigger = cause, trigger
	fresh, before := m.everybodyGoes()
	m.out = m.depart(limits(m.opts, m.specs()))
	s.ends = plus(m.now, m.opts.bound(m.out.budget))
	s.announceBy = m.out.at(m.out.budget.Announce())
	m.enterPhase(Announcing, cause)
	m.abandon()
	for _, i := range before {
		m.shorten(i)
	}
	for _, i := range fresh {
		m.halt(i)
	}
	m.beginSurvey()
	if m.opts.Before > 0 {
		m.startTreeHook(BeforeShutdown, beforeHook, min(m.after(m.opts.Before), s.announceBy))
		return
	}
	m.delay()
}

func (m *Machine) enterPhase(p Phase, cause string) {
	m.phase = p
	m.shutdown.until, m.shutdown.stage = never, idle
	m.wait = waiting{from: m.now, next: never}
	r := Report{Kind: KindPhase, Phase: p, Cause: cause, Bound: Forever}
	if m.shutdown.ends != never {
		r.Bound = max(0, m.shutdown.ends-m.now)
	}
	m.say(r)
}

// whenGone keeps the bound of an instance whose main process has exited and whose end is awaited.
func (i *instance) whenGone() Instant {
	if i.exit != nil {
		return i.deadline
	}
	return never
}

// delay waits for shutdown.delay, in what is left of the announcement's time.
func (m *Machine) delay() {
	until := min(m.after(m.opts.Delay), m.shutdown.announceBy)
	if until <= m.now {
		m.walk()
		return
	}
	m.await(delaying, until)
}

// await begins a wait of the whole tree.
func (m *Machine) await(s stage, until Instant) {
	m.shutdown.stage, m.shutdown.until, m.shutdown.since = s, until, m.now
	m.wait.from = m.now
	m.wait.next = m.nextWaiting(m.now)
}

// walk begins to show everybody out.
func (m *Machine) walk() {
	if m.awaitSurvey() {
		return
	}
	m.enterPhase(Walking, "")
	m.out.open()
}

// close begins the end, when everybody has left: descendants that belong to nobody are told to leave, then killed; the
// after_shutdown hook runs; and it is over.
func (m *Machine) close() {
	s := &m.shutdown
	m.enterPhase(Closing, "")
	room := max(0, s.ends-m.now)
	m.beginLinger(room - min(m.opts.After, room/4))
	sweep := min(room, 2*m.opts.Reserve)
	if m.opts.After > 0 {
		sweep = min(sweep, room-room/4)
	}
	s.killBy, s.sweepBy = m.after(min(room/2, sweep/2)), m.after(sweep)
	s.countBy = s.sweepBy - (s.sweepBy-s.killBy)/4
	if m.level == Forced {
		m.sweep(killing, s.countBy)
		return
	}
	m.sweep(telling, s.killBy)
}

// sweep turns to the descendants that belong to no living run.
func (m *Machine) sweep(s stage, until Instant) {
	sig := syscall.SIGTERM
	if s != telling {
		sig = syscall.SIGKILL
	}
	m.await(s, until)
	m.shutdown.asked++
	m.do(Sweep{Signal: sig, Report: true})
}

func (m *Machine) swept(ev Swept) {
	s := &m.shutdown
	if m.phase != Closing || s.stage != telling && s.stage != killing && s.stage != counting {
		return
	}
	s.left, s.counted = ev.Left, true
	if len(ev.Left) == 0 {
		m.afterSweep()
		return
	}
	s.answered++
	switch {
	case s.stage != counting:
		m.sayStrays()
	case s.answered == s.asked: // an answer that comes late speaks of an earlier sweep
		m.survivors()
	}
}

func (m *Machine) sayStrays() {
	sig := syscall.SIGTERM
	if m.shutdown.stage != telling {
		sig = syscall.SIGKILL
	}
	m.say(Report{Kind: KindStrays, After: m.shutdown.left, Signal: sig, Bound: m.rest(m.shutdown.until)})
}

// survivors gives those up that SIGKILL did not end.
func (m *Machine) survivors() {
	s := &m.shutdown
	s.survived = s.left
	if !s.counted {
		s.survived = []string{"unknown: the sweep did not answer"}
	}
	m.say(Report{Kind: KindStrays, After: s.survived, Cause: "survived", Signal: syscall.SIGKILL})
	m.afterSweep()
}

func (m *Machine) afterSweep() {
	l := &m.shutdown.linger
	if l.asked && l.by > m.now {
		m.await(lingering, l.by)
		return
	}
	if l.asked {
		m.lingerLate()
	}
	m.afterLinger()
}

func (m *Machine) afterLinger() {
	switch {
	case m.opts.After <= 0:
		m.finish()
	case m.level == Forced:
		m.say(Report{Kind: KindNote, Hook: AfterShutdown, Cause: "after_shutdown hook skipped: forced"})
		m.finish()
	default:
		m.startTreeHook(AfterShutdown, afterHook, min(m.after(m.opts.After), max(m.now, m.shutdown.ends)))
	}
}

// shutdownDue is when a wait of the whole tree has reached its bound.
func (m *Machine) shutdownDue() {
	s := &m.shutdown
	switch s.stage {
	case beforeHook, afterHook:
		kind := s.hook.kind
		m.stopTreeHook("it took longer than " + rounded(m.now-s.since).String())
		m.treeHookOver(kind)
	case delaying, surveying:
		m.walk()
	case telling:
		m.sweep(killing, s.countBy)
	case killing:
		m.sweep(counting, max(m.now, s.sweepBy))
	case counting:
		m.survivors()
	case lingering:
		m.lingerLate()
	case idle:
		panic("supervisor: the shutdown waits for nothing")
	}
}

func (m *Machine) startTreeHook(kind HookKind, s stage, until Instant) {
	h := &hook{run: m.newRun(), kind: kind}
	m.hooks[h.run], m.shutdown.hook = h, h
	m.await(s, until)
	m.sayHook(h, 0, "", m.rest(until))
	m.do(RunHook{Hook: h.run, Kind: kind, Told: Facts{Reason: reasonShutdown}})
}

func (m *Machine) stopTreeHook(why string) {
	h := m.shutdown.hook
	if h == nil {
		return
	}
	m.shutdown.hook = nil
	delete(m.hooks, h.run)
	m.do(StopHook{Hook: h.run})
	m.sayHook(h, 1, "killed: "+why, 0)
}

// treeHookOver goes on after a hook of the whole tree.
func (m *Machine) treeHookOver(kind HookKind) {
	if kind == BeforeShutdown {
		m.delay()
		return
	}
	m.finish()
}
