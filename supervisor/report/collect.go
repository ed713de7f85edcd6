package report

import (
	"slices"
	"strings"
	"time"

	"lastout/process/signame"
	"lastout/supervisor"
)

// Tree is what the reports do not say of the tree they speak of.
type Tree struct {
	Name  string
	Wall  time.Time         // the time of day at instant 0; zero: unknown
	Roles map[string]string // by process
}

// TreeOf is a tree of these processes.
func TreeOf(name string, nodes []supervisor.Declared) Tree {
	return Tree{Name: name, Roles: rolesOf(nodes)}
}

func rolesOf(nodes []supervisor.Declared) map[string]string {
	roles := make(map[string]string, len(nodes))
	for _, n := range nodes {
		roles[n.Name] = n.Role
	}
	return roles
}

// New makes the report of the shutdown that reports contain. Those of the time before it are passed over, so the caller
// may keep nothing but what came since the tree left the phase up.
func New(reports []supervisor.Report, of Tree) *Shutdown {
	c := collector{
		tree:     of,
		shutdown: &Shutdown{Name: of.Name, Phases: []PhaseSpan{}, Instances: []Instance{}, Resting: []string{}, Critical: []PathStep{}},
		byName:   map[string]*subject{},
		turns:    map[string]turns{},
	}
	for _, r := range reports {
		c.add(r)
	}
	return c.close()
}

// collector walks over the reports once. Who took part is only known at the end: an instance that was merely taken out
// of its wait has no row of its own.
type collector struct {
	tree     Tree
	shutdown *Shutdown
	begun    bool
	last     supervisor.Instant
	subjects []*subject // in the order they were first spoken of
	byName   map[string]*subject
	turns    map[string]turns // by process
}

// subject is an instance while its reports are being joined.
type subject struct {
	Instance
	part bool // a process of it lived in the shutdown
}

// turns are the two steps of a process.
type turns struct{ drain, leave *Turn }

func (c *collector) add(r supervisor.Report) {
	switch r.Kind {
	case supervisor.KindPhase:
		c.phase(r)
	case supervisor.KindReload:
		c.tree.Roles = rolesOf(r.Nodes)
	}
	if !c.begun {
		return
	}
	c.last = r.At
	if r.Instance == "" {
		c.addWhole(r)
		return
	}
	c.addInstance(c.subject(r), r)
}

// phase closes the phase before and opens the next one.
func (c *collector) phase(r supervisor.Report) {
	if r.Phase == supervisor.Up {
		return
	}
	s := c.shutdown
	if !c.begun {
		c.begun = true
		s.Begin, s.Cause = r.At, r.Cause
		if !c.tree.Wall.IsZero() {
			s.Wall = c.tree.Wall.Add(r.At).Format(time.RFC3339Nano)
		}
		if r.Bound != supervisor.Forever {
			s.Bound = r.Bound
		}
	}
	if n := len(s.Phases); n > 0 {
		s.Phases[n-1].End = r.At
	}
	if r.Phase != supervisor.Finished {
		s.Phases = append(s.Phases, PhaseSpan{Phase: r.Phase, Begin: r.At, End: r.At})
	}
}

// addWhole takes a report that speaks of no instance: of the tree, or of a process's step.
func (c *collector) addWhole(r supervisor.Report) {
	s := c.shutdown
	switch r.Kind {
	case supervisor.KindFree:
		t := c.turns[r.Process]
		turn := &Turn{At: r.At, FreedBy: slices.Clone(r.After)}
		if b := finite(r.Bound); b > 0 {
			turn.By = r.At + b
		}
		if r.Cause == "drain" {
			t.drain = turn
		} else {
			t.leave = turn
		}
		c.turns[r.Process] = t
	case supervisor.KindLevel:
		s.Level = r.Level
	case supervisor.KindHook:
		s.Hooks = addHook(s.Hooks, r)
	case supervisor.KindStrays:
		s.Strays = appendNew(s.Strays, r.After)
	case supervisor.KindNote:
		s.Notes = append(s.Notes, r.Cause)
	case supervisor.KindFinish:
		s.Outcome = r.Outcome
	case supervisor.KindState, supervisor.KindSignal, supervisor.KindCommand, supervisor.KindKill, supervisor.KindExit,
		supervisor.KindGone, supervisor.KindLost, supervisor.KindRetry, supervisor.KindWaiting, supervisor.KindPhase,
		supervisor.KindQuiesce, supervisor.KindInvite, supervisor.KindCut, supervisor.KindUnanswered,
		supervisor.KindHealth, supervisor.KindOutlook, supervisor.KindOperation, supervisor.KindDepart,
		supervisor.KindReload:
	}
}

// addInstance takes a report that speaks of an instance.
func (c *collector) addInstance(x *subject, r supervisor.Report) {
	switch r.Kind {
	case supervisor.KindState:
		x.enter(c.shutdown.Begin, r)
	case supervisor.KindSignal:
		x.Asked = append(x.Asked, Ask{
			At: r.At, Step: r.Step, Signal: r.Signal, Name: signame.Of(r.Signal),
			Rest: r.Scope == supervisor.Rest, Bound: finite(r.Bound),
		})
	case supervisor.KindCommand:
		x.Asked = append(x.Asked, Ask{At: r.At, Step: r.Step, Name: "command", Command: true, Bound: finite(r.Bound)})
	case supervisor.KindQuiesce, supervisor.KindInvite, supervisor.KindCut, supervisor.KindUnanswered:
		x.addDrain(r)
	case supervisor.KindKill:
		x.Killed = &Kill{At: r.At, Cause: r.Cause}
	case supervisor.KindExit:
		x.part = true
		if r.Exit != nil {
			x.Exit = &End{At: r.At, Code: r.Exit.Code, Signal: r.Exit.Signal, OOM: r.Exit.OOM, Unknown: r.Exit.Unknown, Asked: r.Asked, Left: r.Left}
		}
	case supervisor.KindGone:
		x.Gone = new(r.At)
	case supervisor.KindHook:
		x.Hooks = addHook(x.Hooks, r)
	case supervisor.KindNote:
		c.shutdown.Notes = append(c.shutdown.Notes, r.Instance+": "+r.Cause)
	case supervisor.KindLost, supervisor.KindRetry, supervisor.KindFree, supervisor.KindWaiting, supervisor.KindPhase,
		supervisor.KindLevel, supervisor.KindStrays, supervisor.KindFinish:
	}
}

// subject finds the instance that a report speaks of.
func (c *collector) subject(r supervisor.Report) *subject {
	x := c.byName[r.Instance]
	if x == nil {
		x = &subject{Instance: Instance{Name: r.Instance, Process: r.Process, Role: c.tree.Roles[r.Process], Phases: []Span{}}}
		c.byName[r.Instance] = x
		c.subjects = append(c.subjects, x)
	}
	return x
}

// enter closes the span of the old state and opens the next. The first transition also tells what the instance did when
// the shutdown began.
func (x *subject) enter(begin supervisor.Instant, r supervisor.Report) {
	if n := len(x.Phases); n > 0 {
		x.Phases[n-1].End = r.At
	} else if r.From != "" && !r.From.Left() {
		x.Phases = append(x.Phases, Span{State: r.From, Begin: begin, End: r.At})
	}
	x.State = r.State
	x.part = x.part || (r.From != "" && r.From.Alive()) || r.State.Alive() || r.From == supervisor.InPostStop
	if r.State.Left() {
		x.Left = new(r.At)
		return
	}
	x.Left = nil
	x.Phases = append(x.Phases, Span{State: r.State, Begin: r.At, End: r.At})
}

// close puts together what only the whole tells.
func (c *collector) close() *Shutdown {
	s := c.shutdown
	s.End = c.last
	s.Took = s.End - s.Begin
	if n := len(s.Phases); n > 0 {
		s.Phases[n-1].End = max(s.Phases[n-1].End, s.End)
	}
	for _, x := range c.subjects {
		if !x.part {
			s.Resting = append(s.Resting, x.Name)
			continue
		}
		if n := len(x.Phases); n > 0 && x.Left == nil {
			x.Phases[n-1].End = s.End
		}
		t := c.turns[x.Process]
		x.Drain = t.drain
		if t.leave != nil && !x.leftBefore(t.leave.At) {
			x.Turn, x.FreedBy = &t.leave.At, t.leave.FreedBy
			if t.leave.By > 0 {
				x.LeaveBy = &t.leave.By
			}
		}
		s.Instances = append(s.Instances, x.Instance)
	}
	slices.SortStableFunc(s.Instances, byLeaving)
	s.markCritical(c.turns)
	return s
}

// leftBefore says whether the instance had left before its turn came.
func (x *subject) leftBefore(turn supervisor.Instant) bool {
	return x.Left != nil && *x.Left < turn
}

// byLeaving orders by the moment of leaving, then by turn, then by name; whoever has not left comes last.
func byLeaving(a, b Instance) int {
	if d := compareInstants(a.Left, b.Left, 1); d != 0 {
		return d
	}
	if d := compareInstants(a.Turn, b.Turn, -1); d != 0 {
		return d
	}
	return strings.Compare(a.Name, b.Name)
}

// compareInstants compares two instants of which either may be missing; missing says where a missing one stands.
func compareInstants(a, b *supervisor.Instant, missing int) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return missing
	case b == nil:
		return -missing
	}
	return int(min(1, max(-1, *a-*b)))
}

// addHook opens a hook (Step 0), or closes the last one of its kind (Step 1).
func addHook(hooks []Hook, r supervisor.Report) []Hook {
	if r.Step == 0 {
		return append(hooks, Hook{Kind: r.Hook, Begin: r.At, End: r.At})
	}
	for i := range slices.Backward(hooks) {
		if hooks[i].Kind == r.Hook {
			hooks[i].End, hooks[i].Failed = r.At, r.Cause
			break
		}
	}
	return hooks
}

// appendNew appends the names that are not there yet.
func appendNew(list, names []string) []string {
	for _, n := range names {
		if !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list
}

// finite turns a bound that is none into 0.
func finite(d supervisor.Instant) supervisor.Instant {
	if d == supervisor.Forever {
		return 0
	}
	return d
}
