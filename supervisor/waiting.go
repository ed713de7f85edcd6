package supervisor

import (
	"fmt"
	"strings"
	"time"

	"lastout/ordering"
)

// waiting is what is needed to say for whom a shutdown waits, once that takes longer than a second.
type waiting struct {
	list []waitedFor // in the order of their turns; those that are over are dropped when it is said
	from Instant     // when the present wait of the whole tree began, where it does not wait for a process
	next Instant     // when it is to be said
}

// waitedFor is a process whose turn has come.
type waitedFor struct {
	p    *process
	kind ordering.StepKind
}

func (w waitedFor) turn() *turn {
	if w.kind == ordering.Drain {
		return &w.p.drained
	}
	return &w.p.turn
}

// firstWait is for how long nothing is said.
const firstWait = time.Second

// waitFor begins to count how long a process takes.
func (m *Machine) waitFor(p *process, kind ordering.StepKind) {
	m.wait.list = append(m.wait.list, waitedFor{p: p, kind: kind})
	m.wait.next = min(m.wait.next, m.after(firstWait))
}

// nextWait is after which time a wait that has lasted so long is said again: 1, 2, 4, 8 and 10 s, then every 10 s.
func nextWait(waited time.Duration) time.Duration {
	for _, d := range []time.Duration{firstWait, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
		if waited < d {
			return d
		}
	}
	return (waited/(10*time.Second) + 1) * 10 * time.Second
}

// nextWaiting is when a wait that began at from is to be said.
func (m *Machine) nextWaiting(from Instant) Instant { return plus(from, nextWait(m.now-from)) }

// sayWaiting says for whom the shutdown waits, and how long still.
func (m *Machine) sayWaiting() {
	m.wait.next = never
	if m.phase == Announcing || m.phase == Closing {
		r := Report{Kind: KindWaiting, After: m.shutdown.whom(), Bound: Forever}
		if m.shutdown.until != never {
			r.Bound = m.rest(m.shutdown.until)
		}
		m.say(r)
		m.wait.next = m.nextWaiting(m.wait.from)
		return
	}
	kept := m.wait.list[:0]
	for _, w := range m.wait.list {
		if !w.turn().over {
			kept = append(kept, w)
		}
	}
	m.wait.list = kept
	if len(kept) == 0 {
		return
	}
	longest := kept[0].turn().at
	if m.now-longest >= firstWait {
		m.sayHeld()
	}
	m.wait.next = m.nextWaiting(longest)
}

// sayHeld names the instances whose turn it is.
func (m *Machine) sayHeld() {
	r := Report{Kind: KindWaiting}
	var whatFor []string
	by := m.now
	for _, w := range m.wait.list {
		for _, i := range w.p.inst {
			if i.course == stays || w.kind == ordering.Drain && i.state != Draining || i.state.Left() {
				continue
			}
			m.work++
			r.After = append(r.After, i.name)
			if what := i.drainsFor(); what != "" {
				whatFor = append(whatFor, what)
			}
			by = max(by, m.overBy(i))
		}
	}
	r.Bound, r.Cause = Forever, aFew(whatFor)
	if by != never {
		r.Bound = by - m.now
	}
	m.say(r)
}

// aFew joins what is said of the first few; people do not read of more.
func aFew(said []string) string {
	const most = 3
	if len(said) > most {
		said = append(said[:most:most], fmt.Sprintf("and %d more", len(said)-most))
	}
	return strings.Join(said, "; ")
}

// overBy is when what an instance is at in a shutdown will be over at the latest.
func (m *Machine) overBy(i *instance) Instant {
	s := &i.proc.spec
	post := s.Hooks[PostStop]
	kill := plus(m.opts.KillTimeout, post)
	var by Instant
	steps, invite := s.cost(m.opts).Steps, s.cost(m.opts).Invite
	switch i.state {
	case InPostStop, Starting:
		return i.deadline
	case Draining:
		if !m.itIsTurnOf(i) {
			return i.drainBy
		}
		by = plus(plus(i.drainBy, steps), kill)
	case Settling:
		by = plus(plus(plus(i.deadline, s.Hooks[PreStop]), steps), kill)
	case Killing:
		by = plus(i.deadline, post)
	case Stopping:
		by = plus(i.killAt, kill)
	case InPreStop:
		by = plus(plus(i.deadline, plus(invite, steps)), kill)
	case Off, Waiting, InPreStart, Running, InPostStart, Ready, Drained, Remains, InBackoff, Done, Failed, Stopped, Lost:
		panic("supervisor: nobody waits for " + i.name + " in state " + string(i.state))
	}
	return max(min(by, m.out.at(m.out.budget.LeaveBy(i.proc.id))), i.deadline)
}

// whom is for what the shutdown waits where it is not for a process.
func (s *shutdown) whom() []string {
	switch s.stage {
	case beforeHook, afterHook:
		return []string{string(s.hook.kind)}
	case delaying:
		return []string{"shutdown.delay"}
	case surveying:
		return []string{"a look at who listens"}
	case telling, killing, counting:
		if len(s.left) > 0 {
			return s.left
		}
		return []string{"descendants"}
	case lingering:
		if len(s.linger.owed) > 0 {
			return s.linger.owed
		}
		return []string{"bytes on their way to clients"}
	case idle:
	}
	panic("supervisor: the shutdown waits for nothing")
}
