package engine

import (
	"time"

	"lastout/supervisor"
)

// System is what the machine's decisions act upon: the real kernel (Host), or a test's own world. The loop calls Do from
// its one goroutine, in the machine's order. Do does not block, and cannot fail: what comes of an action arrives in the
// mailbox.
type System interface {
	Do(supervisor.Action)
	Events() *Mailbox
}

// Run begins the tree and runs it to its end; began is the machine's instant 0. It is the only loop: it hands events to
// the machine, performs what the machine decides, and keeps the one timer there is, set to the machine's earliest
// deadline. Where there is no deadline there is no timer, and nothing wakes it but an event.
func Run(m *supervisor.Machine, sys System, began time.Time) supervisor.Outcome {
	l := newLoop(m, sys, began)
	l.step(l.now(), supervisor.Begin{})
	return l.run()
}

// TakeDown is Run for a tree whose supervisor has died, which began at that time: it is taken down.
func TakeDown(m *supervisor.Machine, sys System, began time.Time, left supervisor.Adopt) supervisor.Outcome {
	l := newLoop(m, sys, began)
	l.step(l.now(), left)
	return l.run()
}

// Continue is Run for a tree that began at that time, in another program: the machine goes on where it stood then.
func Continue(m *supervisor.Machine, sys System, began time.Time) supervisor.Outcome {
	return newLoop(m, sys, began).run()
}

func newLoop(m *supervisor.Machine, sys System, began time.Time) *loop {
	l := &loop{machine: m, sys: sys, began: began, timer: time.NewTimer(time.Hour)}
	l.timer.Stop()
	sys.Events().began = began
	return l
}

func (l *loop) run() supervisor.Outcome {
	m, sys := l.machine, l.sys
	defer l.timer.Stop()
	defer sys.Events().close()
	for {
		// Whatever was put before this look at the clock is in the batch taken after it. So an event that is already
		// there is always seen before a deadline of the same moment: who has left is not killed for being late.
		now := l.now()
		batch := sys.Events().take()
		for n, msg := range batch {
			sys.Events().behind = len(batch) - n - 1
			l.receive(msg)
			if out, over := m.Outcome(); over {
				return out
			}
		}
		deadline, armed := m.Deadline()
		if armed && deadline <= now {
			l.step(now, supervisor.Tick{})
			if out, over := m.Outcome(); over {
				return out
			}
			continue
		}
		l.wait(deadline, armed)
	}
}

// loop is the state of Run.
type loop struct {
	machine *supervisor.Machine
	sys     System
	began   time.Time
	last    supervisor.Instant // of the last step; time never runs backwards
	timer   *time.Timer
}

func (l *loop) now() supervisor.Instant { return time.Since(l.began) }

// receive steps one message. A step looks at every deadline that has come, and more messages may be behind this one, so
// the time it is given stays below the earliest deadline.
func (l *loop) receive(msg message) {
	at := l.now()
	if deadline, armed := l.machine.Deadline(); armed && deadline <= at {
		at = deadline - 1
	}
	at = max(at, l.last)
	event := msg.event
	if msg.call != nil {
		event = msg.call(at, l.machine)
	}
	if event != nil {
		l.step(at, event)
	}
}

func (l *loop) step(at supervisor.Instant, ev supervisor.Event) {
	l.last = max(l.last, at)
	for _, action := range l.machine.Step(l.last, ev) {
		l.sys.Do(action)
	}
}

// wait sleeps until something is put or the deadline comes.
func (l *loop) wait(deadline supervisor.Instant, armed bool) {
	if !armed {
		<-l.sys.Events().wake
		return
	}
	l.timer.Reset(deadline - l.now())
	select {
	case <-l.sys.Events().wake:
		l.timer.Stop()
	case <-l.timer.C:
	}
}
