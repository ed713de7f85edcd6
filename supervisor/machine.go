package supervisor

import (
	"fmt"
	"slices"

	"lastout/ordering"
)

// never is the Instant of what is not to come.
const never Instant = 1<<63 - 1

// Machine is the whole tree: what is wanted, what there is, and what comes next. See the package's words for what its
// caller owes it.
type Machine struct {
	graph *ordering.Graph
	opts  Options
	procs []*process  // by ID
	insts []*instance // all, by process and number

	now   Instant
	begun bool
	phase Phase
	level Level
	runs  Run // the last number given
	hooks map[Run]*hook
	lives map[Run]*instance // by their present run
	lost  []*instance       // that are none any more, and were lost

	present, alive int // instances that have not left; instances of which a process may exist
	dirty          queue[*process]
	poised         queue[*process] // of which some wait, and it is clear what becomes of them
	timers         timers

	out      *departure // who is on the way out; nil: nobody
	shutdown shutdown   // of the whole tree
	wait     waiting
	press    press
	outcome  Outcome
	legacy   int // the exit code of a supervisor that has died and left its tree; 0: it does not count

	ops  []*operation      // under way, by the time they were accepted
	ripe queue[*operation] // those to look at

	changed bool // something was, since the operations were looked through for those that wait in vain

	acts []Action `image:"-"` // of the Step under way
	work uint64   // how many elementary things were done; tests hold it to be linear
}

// process is a configured process with its instances, and what is counted of them.
type process struct {
	id    ordering.ID
	spec  Spec
	filed int // how many instances the file asks for; spec has how many there shall be
	inst  []*instance
	queue bool // it is in Machine.dirty

	present  int // instances that have not left
	waiting  int // in state Waiting
	draining int // of a gateway: in state Draining
	stopped  int // in state Stopped
	going    int // that leave in the departure under way
	ready    int // that satisfy those who need the process
	hopeless int // that will not do so any more

	unmet     int // needs that are not satisfied
	denied    int // needs that will never be
	satisfied bool
	broken    bool // will never be satisfied
	emptied   bool // a user scaled it to nothing

	turn    turn
	drained turn
	silent  bool // its drain was left out, for it listens nowhere
}

// New makes the machine of a tree; specs are by the graph's IDs. Nothing happens before Begin. It panics where graph
// and specs do not belong together.
func New(g *ordering.Graph, specs []Spec, o Options) *Machine {
	if g.Len() != len(specs) {
		panic(fmt.Sprintf("supervisor: %d specs for %d processes", len(specs), g.Len()))
	}
	m := &Machine{graph: g, opts: o, phase: Up, hooks: make(map[Run]*hook), lives: make(map[Run]*instance)}
	m.shutdown.until, m.wait.next = never, never
	for id, spec := range specs {
		p := &process{id: ordering.ID(id), spec: spec, filed: spec.Instances, unmet: len(g.Needs(ordering.ID(id)))}
		for n := 1; spec.Enabled && n <= spec.Instances; n++ {
			i := newInstance(p, n, spec.Instances > 1)
			i.at = len(m.insts)
			p.inst = append(p.inst, i)
			m.insts = append(m.insts, i)
		}
		m.procs = append(m.procs, p)
	}
	return m
}

// Step takes one event and answers what is to be done. Time is the monotonic time since the engine began; it panics
// when that runs backwards. An event that is stale, late, comes twice or speaks of nobody changes nothing.
func (m *Machine) Step(now Instant, ev Event) []Action {
	if now < m.now {
		panic(fmt.Sprintf("supervisor: time runs backwards, from %v to %v", m.now, now))
	}
	m.now = now
	if m.phase == Finished {
		return nil
	}
	m.acts = nil
	// The event comes before what is due: whoever left in time is not killed because the news came late.
	m.handle(ev)
	m.settle()
	for m.phase != Finished && m.expire() {
		m.settle()
	}
	acts := m.acts
	m.acts = nil
	return acts
}

func (m *Machine) handle(ev Event) {
	switch ev := ev.(type) {
	case Begin:
		m.begin()
	case Adopt:
		m.inherit(ev)
	case Stop:
		m.stop(ev.Cause)
	case Interrupt:
		m.interrupt(ev.Cause)
	case Hurry:
		m.hurry(ev.Cause)
	case Spawned:
		m.spawned(ev)
	case SpawnFailed:
		m.spawnFailed(ev)
	case BecameReady:
		m.becameReady(ev)
	case Exited:
		m.exited(ev)
	case Gone:
		m.gone(ev)
	case HookEnded:
		m.hookEnded(ev)
	case Surveyed:
		m.surveyed(ev)
	case HealthFailed:
		m.healthFailed(ev)
	case HealthWorks:
		m.healthWorks(ev)
	case Quiesced:
		m.quiesced(ev)
	case BecameDrained:
		m.becameDrained(ev)
	case Settled:
		m.settled(ev)
	case Cut:
		m.cut(ev)
	case Unanswered:
		m.unanswered(ev)
	case Lingered:
		m.lingered(ev)
	case Swept:
		m.swept(ev)
	case Operate:
		m.operate(ev)
	case Reload:
		m.reload(ev)
	case Tick:
	default:
		panic(fmt.Sprintf("supervisor: unknown event %T", ev))
	}
}

// settle follows what has changed to its end. It is a loop over queues and not a recursion, for a chain of processes
// that have nothing running may be as long as the tree is large.
func (m *Machine) settle() {
	for {
		if p, ok := m.dirty.pop(); ok {
			p.queue = false
			m.review(p)
			continue
		}
		if p, ok := m.poised.pop(); ok {
			m.decide(p)
			continue
		}
		if m.out != nil {
			if f, ok := m.out.free.pop(); ok {
				m.take(f)
				continue
			}
		}
		if o, ok := m.ripe.pop(); ok {
			o.queued = false
			m.advance(o)
			continue
		}
		switch {
		case m.changed && len(m.ops) > 0:
			m.changed = false
			m.ceaseToWait()
		case m.phase == Up && m.out != nil && m.out.steps == 0:
			m.out = nil
			m.wait = waiting{next: never}
			m.unblock()
		case m.phase == Up && m.begun && m.present == 0 && !m.opts.Stay && !m.kept():
			m.shut("nothing is left to run", nil)
		case m.phase == Walking && m.out.steps == 0:
			m.close()
		default:
			return
		}
	}
}

// review looks at a process of which something was counted anew.
func (m *Machine) review(p *process) {
	m.work++
	m.changed = true
	if m.phase == Up {
		m.forgetSurplus(p)
		m.reviewStart(p)
	}
	if m.out != nil {
		m.reviewOut(p)
	}
}

// touch puts a process on the list of those to review.
func (m *Machine) touch(p *process) {
	if !p.queue {
		p.queue = true
		m.dirty.push(p)
	}
}

// do adds an action.
func (m *Machine) do(a Action) { m.acts = append(m.acts, a) }

// say adds a report.
func (m *Machine) say(r Report) {
	r.At = m.now
	m.do(Say{Report: r})
}

// specs are those of all processes, by ID.
func (m *Machine) specs() []Spec {
	specs := make([]Spec, len(m.procs))
	for id, p := range m.procs {
		specs[id] = p.spec
	}
	return specs
}

// newRun numbers a life.
func (m *Machine) newRun() Run {
	m.runs++
	return m.runs
}

// find gives the instance an event speaks of, if the event is about its present run.
func (m *Machine) find(at Inst, run Run) *instance {
	if i := m.lives[run]; i != nil && (at == i.addr || at == i.inst()) {
		return i
	}
	return nil
}

// kept says whether the tree stays up although nothing runs: somebody was stopped by a user, or an operation goes on.
func (m *Machine) kept() bool {
	return len(m.ops) > 0 || slices.ContainsFunc(m.procs, func(p *process) bool { return p.stopped > 0 || p.emptied })
}

// InstanceName is how people call an instance: "api", or "api.2" where there are several. It panics where there is no
// such instance.
func (m *Machine) InstanceName(at Inst) string {
	p := m.procs[at.Proc]
	return p.inst[slices.IndexFunc(p.inst, func(i *instance) bool { return i.n == at.N })].name
}

// queue is a list that is taken from in front. Its room is used again once it is empty.
type queue[T any] struct {
	items []T
	first int
}

func (q *queue[T]) push(item T) { q.items = append(q.items, item) }

func (q *queue[T]) pop() (item T, ok bool) {
	if q.first == len(q.items) {
		q.items, q.first = q.items[:0], 0
		return item, false
	}
	item = q.items[q.first]
	q.first++
	return item, true
}
