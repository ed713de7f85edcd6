package supervisor

import (
	"fmt"
	"slices"
	"syscall"
	"time"
)

// Op numbers an operation: from 1, rising, given out by the caller. 0: none.
type Op uint64

// Verb is what an operation does. Its text is that of the command line.
type Verb string

// The verbs.
const (
	VerbStart   Verb = "start"   // Names and, unless NoDeps, all they need
	VerbStop    Verb = "stop"    // Names and, unless NoDeps, their dependents, but not across a turned edge
	VerbRestart Verb = "restart" // Names: they leave, in order, and when all have they come back by readiness
	VerbRolling Verb = "rolling" // the same instance by instance, the next only when the one before it is ready again
	VerbScale   Verb = "scale"   // Names (one) to Count instances
	VerbDrain   Verb = "drain"   // Names (gateways): work is turned away and finished; they stay
	VerbUndrain Verb = "undrain" // and new work is let in again
	VerbReload  Verb = "reload"  // a changed configuration (the event Reload)
	VerbSignal  Verb = "signal"  // Names get Signal, their main processes only; it is no stop step
)

// Operation is what a user asks of a running tree.
type Operation struct {
	Verb    Verb
	Names   []string       // processes ("api"), or single instances ("api.2"; not for rolling and scale)
	NoDeps  bool           // start, stop: touch only what is named
	Count   int            // scale
	Signal  syscall.Signal // signal
	Timeout time.Duration  // how long it is waited for; 0: for stops as long as they take, for each start startBound
	Cause   string         // who asks, for people: "root, pid 4711"
}

// Result is what became of an operation. Accepted or Refused is said at once; after Accepted comes, once, Completed or
// Unsuccessful.
type Result string

// The results.
const (
	Accepted     Result = "accepted"
	Refused      Result = "refused"
	Completed    Result = "done"
	Unsuccessful Result = "failed"
)

const (
	// maxOperations is how many operations may be under way at a time.
	maxOperations = 64

	// startBound is how long an operation waits for those that it started.
	startBound = 5 * time.Minute
)

// operation is one that is under way. What it wants of each instance is a part.
type operation struct {
	op      Op
	what    Operation
	since   Instant
	until   Instant // when it is not waited for any more
	returns bool    // who leaves for it comes back

	parts   []*part // that are not over
	leaving int     // parts whose instance must leave before any comes in
	failed  []string
	why     string // the first failure
	said    bool   // its end was said; it goes on until all who left for it are back
	queued  bool   // it is in Machine.ripe
	blocked bool   // somebody who leaves for another must have left before
	reload  *reloading
}

// part is what an operation wants of one instance.
type part struct {
	op   *operation
	inst *instance
	goal goal
	away bool // who has left does not come back, though others of the operation do
}

// goal is what a part waits for.
type goal uint8

const (
	itsGo   goal = iota // its turn in the operation
	toLeave             // it is to leave
	toEnter             // it is to come in
	toServe             // it is to be ready
	toDrain             // it is to be drained
)

// want adds a part.
func (o *operation) want(i *instance, g goal) *part {
	p := &part{op: o, inst: i, goal: g}
	o.parts = append(o.parts, p)
	i.parts = append(i.parts, p)
	if g == toLeave {
		o.leaving++
	}
	return p
}

// end takes a part away. A failure is kept.
func (m *Machine) end(p *part, failure string) {
	if failure != "" {
		p.op.fail(p.inst, failure)
	}
	m.drop(p)
}

func (o *operation) fail(i *instance, why string) {
	o.failed = append(o.failed, i.name)
	if o.why == "" {
		o.why = i.name + " " + why
	}
}

// drop takes a part away.
func (m *Machine) drop(p *part) {
	if p.goal == toLeave {
		p.op.leaving--
	}
	same := func(q *part) bool { return q == p }
	p.op.parts = slices.DeleteFunc(p.op.parts, same)
	p.inst.parts = slices.DeleteFunc(p.inst.parts, same)
	m.ripen(p.op)
}

// ripen puts an operation on the list of those to look at.
func (m *Machine) ripen(o *operation) {
	if !o.queued {
		o.queued = true
		m.ripe.push(o)
	}
}

// unblock looks again at the operations that wait for others to leave.
func (m *Machine) unblock() {
	for _, o := range m.ops {
		if o.blocked {
			o.blocked = false
			m.ripen(o)
		}
	}
}

// progress sees what the new state of an instance means to the operations that want something of it.
func (m *Machine) progress(i *instance, cause string) {
	for _, p := range slices.Clone(i.parts) {
		if over, failure := p.judge(cause); over {
			m.partOver(p, failure)
		}
	}
}

// judge says whether the instance is where its part wants it, or will not get there.
func (p *part) judge(cause string) (over bool, failure string) {
	i := p.inst
	switch {
	case i.state == Lost:
		return true, "is lost"
	case p.goal == toLeave:
		return i.state.Left(), ""
	case p.goal == toDrain:
		if i.state.Alive() || i.state == InPostStop {
			return i.state == Drained, ""
		}
		return true, i.whyUndrained(cause)
	case p.goal != toServe:
		return false, ""
	case i.proc.satisfying(i.state):
		return true, ""
	}
	switch i.state {
	case Done, Failed, InBackoff:
		return true, fmt.Sprintf("did not become ready: %s", cause)
	default:
		return false, ""
	}
}

// whyUndrained says why one that is not alive any more was not drained; empty where it had been asked to finish, and did.
func (i *instance) whyUndrained(cause string) string {
	if i.asked {
		return ""
	}
	return "was not drained: " + cause
}

// partOver goes on with an instance that has got where its operation wanted it. Who has left may have to come back.
func (m *Machine) partOver(p *part, failure string) {
	if p.goal == toLeave && p.op.returns && !p.away && failure == "" {
		p.goal = toEnter
		p.op.leaving--
		m.ripen(p.op)
		return
	}
	m.end(p, failure)
}

// advance does what is next for an operation.
func (m *Machine) advance(o *operation) {
	switch {
	case o.leaving > 0:
	case o.reload != nil && !o.reload.inForce && m.out != nil:
		o.blocked = true // somebody else leaves still
		return
	case o.reload != nil && !o.reload.inForce:
		m.takeOver(o)
		fallthrough
	default:
		m.bringIn(o)
	}
	if o.what.Verb == VerbRolling {
		m.roll(o)
	}
	if len(o.parts) == 0 {
		m.conclude(o)
	}
}

// bringIn lets those start who are to, unless they would hold up somebody who leaves for another operation.
func (m *Machine) bringIn(o *operation) {
	var in []*part
	for _, p := range o.parts {
		if p.goal == toEnter {
			if !m.mayComeIn(p.inst) {
				o.blocked = true
				return
			}
			in = append(in, p)
		}
	}
	for _, p := range in {
		p.goal = toServe
		m.boundStart(o)
		if p.inst.state.Left() {
			m.comeIn(p.inst, string(o.what.Verb))
		}
		if o.said {
			m.drop(p)
		}
	}
}

// boundStart bounds the wait for those that an operation starts.
func (m *Machine) boundStart(o *operation) {
	if !o.said && o.what.Timeout == 0 {
		o.until = m.after(startBound)
	}
}

// conclude ends an operation of which nothing is left to do.
func (m *Machine) conclude(o *operation) {
	m.ops = slices.DeleteFunc(m.ops, func(x *operation) bool { return x == o })
	m.sayEnd(o)
}

func (m *Machine) sayEnd(o *operation) {
	if o.said {
		return
	}
	o.said, o.until = true, never
	r := o.report(Completed)
	if len(o.failed) > 0 || o.why != "" {
		r.Result, r.After, r.Cause = Unsuccessful, o.failed, o.why
	}
	m.say(r)
}

func (o *operation) report(result Result) Report {
	return Report{Kind: KindOperation, Op: o.op, Verb: o.what.Verb, Result: result}
}

// operationLate ends the wait for an operation. What it began goes on, and who left for it comes back.
func (m *Machine) operationLate(o *operation) {
	for _, p := range slices.Clone(o.parts) {
		o.fail(p.inst, fmt.Sprintf("is %s after %v", p.inst.state, rounded(m.now-o.since)))
		if p.goal != toEnter && !(p.goal == toLeave && o.returns) {
			m.drop(p)
		}
	}
	m.sayEnd(o)
	m.ripen(o)
}

// abandon ends all operations, for the shutdown has begun.
func (m *Machine) abandon() {
	for _, o := range m.ops {
		for _, p := range o.parts {
			p.inst.parts = nil
			o.failed = append(o.failed, p.inst.name)
		}
		o.parts, o.why = nil, "a shutdown began"
		m.sayEnd(o)
	}
	m.ops, m.ripe = nil, queue[*operation]{}
}

// snapshot is the operation as it stands.
func (o *operation) snapshot() OperationSnapshot {
	s := OperationSnapshot{Op: o.op, Verb: o.what.Verb, Cause: o.what.Cause, Since: o.since}
	for _, p := range o.parts {
		if p.goal != itsGo {
			s.WaitsFor = append(s.WaitsFor, p.inst.name)
		}
	}
	return s
}
