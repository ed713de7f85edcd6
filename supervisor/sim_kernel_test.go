package supervisor_test

import (
	"container/heap"
	"fmt"
	"syscall"
	"time"

	"lastout/supervisor"
)

// never stands for a moment that does not come.
const never time.Duration = -1

// kernel is the world outside of the machine: it performs actions, and decides what becomes of them by a body that
// each run was given when it was born.
type kernel struct {
	plan      *plan
	now       supervisor.Instant
	queue     queue
	seq       int
	children  map[supervisor.Run]*child
	hooks     map[supervisor.Run]*hook
	lives     map[supervisor.Inst]uint64 // how many runs the instance had
	sweeps    uint64
	ended     uint64 // events that were the last of their kind, for stale
	strays    []*stray
	mute      bool // no sweep is answered
	asked     int  // sweeps that are not answered yet
	forgotten []*child
	inviting  bool // the next signal is an invitation
}

// child is one run as it truly is.
type child struct {
	inst supervisor.Inst
	run  supervisor.Run
	pid  int
	body body

	answered bool // the spawn was
	leader   bool // lives
	rest     []*member
	restLeft int // those of rest that live once the leader is gone
	exited   bool
	probing  bool
	watches  int // begun and ended, together
	checks   int // of its health, the same
}

// hook is a hook or stop command that runs.
type hook struct {
	over    bool
	stopped bool
}

// stray is a descendant that belongs to nobody.
type stray struct {
	hears, dies time.Duration
	gone        bool
}

func newKernel(p *plan) *kernel {
	return &kernel{
		plan: p, children: make(map[supervisor.Run]*child), hooks: make(map[supervisor.Run]*hook),
		lives: make(map[supervisor.Inst]uint64),
	}
}

// do performs one action.
func (k *kernel) do(a supervisor.Action) {
	switch a := a.(type) {
	case supervisor.Spawn:
		k.spawn(a)
	case supervisor.Cancel:
		k.cancel(a)
	case supervisor.Probe:
		c := k.children[a.Run]
		c.probing = true
		k.after(c.body.ready, func() supervisor.Event {
			if !c.probing || !c.leader {
				return nil
			}
			return supervisor.BecameReady{Inst: c.inst, Run: c.run}
		})
	case supervisor.StopProbe:
		c := k.children[a.Run]
		c.probing = c.body.heeds && c.probing // else its answer is on the way already
	case supervisor.CheckHealth:
		k.checkHealth(a)
	case supervisor.StopHealth:
		k.children[a.Run].checks++
	case supervisor.Signal:
		if k.inviting {
			k.inviting = false
			k.invited(k.children[a.Run])
			return
		}
		k.signal(k.children[a.Run], a)
	case supervisor.StopCommand:
		c := k.children[a.Run]
		k.startHook(a.Hook)
		k.hear(c)
	case supervisor.Kill:
		k.kill(k.children[a.Run])
	case supervisor.Forget:
		k.forgotten = append(k.forgotten, k.children[a.Run])
	case supervisor.RunHook:
		k.startHook(a.Hook)
	case supervisor.StopHook:
		k.stopHook(a.Hook)
	case supervisor.Survey:
		k.survey(a)
	case supervisor.Unquiesce, supervisor.Reloaded:
	case supervisor.Send:
		k.send(a)
	case supervisor.Quiesce:
		k.quiesce(a)
	case supervisor.DrainCommand:
		k.startHook(a.Hook)
		k.invited(k.children[a.Run])
	case supervisor.Watch:
		k.watch(a.Run, 2, supervisor.BecameDrained{Inst: a.Inst, Run: a.Run, Why: "quiet"})
	case supervisor.Settle:
		k.watch(a.Run, 3, supervisor.Settled(a))
	case supervisor.StopWatch:
		k.stopWatch(a)
	case supervisor.Linger:
		k.linger()
	case supervisor.Sweep:
		k.sweep(a)
	case supervisor.Say:
		k.inviting = k.inviting || a.Report.Kind == supervisor.KindInvite && a.Report.Signal != 0
	case supervisor.Finish:
	}
}

func (k *kernel) spawn(a supervisor.Spawn) {
	k.lives[a.Inst]++
	c := &child{inst: a.Inst, run: a.Run, pid: int(a.Run) + 1000, body: k.drawBody(a.Inst)}
	r := k.bodyStream(a.Inst, 1)
	for range pick(r, 0, 0, 0, 1, 1, 2) {
		if !k.plan.cut.has(cutRest) {
			c.rest = append(c.rest, k.drawMember(r))
		}
	}
	k.children[a.Run] = c
	k.after(c.body.spawn, func() supervisor.Event { return k.answerSpawn(c) })
}

func (k *kernel) answerSpawn(c *child) supervisor.Event {
	if c.answered {
		return nil
	}
	c.answered = true
	if c.body.fails {
		k.stale(supervisor.SpawnFailed{Inst: c.inst, Run: c.run, Reason: "no such file"})
		return supervisor.SpawnFailed{Inst: c.inst, Run: c.run, Reason: "exec ./x: no such file or directory"}
	}
	c.leader = true
	for _, m := range c.rest {
		m.alive = true
	}
	k.after(c.body.life, func() supervisor.Event { return k.die(c, c.body.exit) })
	return supervisor.Spawned{Inst: c.inst, Run: c.run, PID: c.pid}
}

func (k *kernel) cancel(a supervisor.Cancel) {
	c := k.children[a.Run]
	if !c.body.heeds || c.answered {
		return
	}
	k.after(k.plan.quick(uint64(c.run)), func() supervisor.Event {
		if c.answered {
			return nil
		}
		c.answered = true
		return supervisor.SpawnFailed{Inst: c.inst, Run: c.run, Reason: "cancelled", Cancelled: true}
	})
}

func (k *kernel) signal(c *child, a supervisor.Signal) {
	if a.Scope == supervisor.Leader {
		k.hear(c)
		return
	}
	for _, m := range c.rest {
		k.after(m.hears, func() supervisor.Event { return k.leave(c, m) })
	}
}

// hear is the effect of a stop step on the main process.
func (k *kernel) hear(c *child) {
	after := never
	if c.body.heard < len(c.body.hears) {
		after = c.body.hears[c.body.heard]
	}
	c.body.heard++
	k.after(after, func() supervisor.Event { return k.die(c, c.body.lastWords) })
}

func (k *kernel) kill(c *child) {
	for _, m := range c.rest {
		k.after(m.dies, func() supervisor.Event { return k.leave(c, m) })
	}
	if !c.exited {
		k.after(c.body.dies, func() supervisor.Event {
			return k.die(c, supervisor.Exit{Signal: syscall.SIGKILL})
		})
	}
}

// die is the end of the main process. Those of its tree that live then are counted.
func (k *kernel) die(c *child, exit supervisor.Exit) supervisor.Event {
	if !c.leader {
		return nil
	}
	c.leader, c.exited = false, true
	k.cutOff(c)
	for _, m := range c.rest {
		if m.alive {
			m.counted = true
			c.restLeft++
			k.after(m.leaves, func() supervisor.Event { return k.leave(c, m) })
		}
	}
	if c.restLeft == 0 {
		k.after(0, func() supervisor.Event { return k.gone(c) })
	}
	return supervisor.Exited{Inst: c.inst, Run: c.run, Exit: exit, Left: c.restLeft}
}

// leave is the end of another member of the tree.
func (k *kernel) leave(c *child, m *member) supervisor.Event {
	if !m.alive {
		return nil
	}
	m.alive = false
	if !m.counted {
		return nil
	}
	c.restLeft--
	if c.restLeft > 0 {
		return nil
	}
	return k.gone(c)
}

func (k *kernel) gone(c *child) supervisor.Event {
	for _, ev := range []supervisor.Event{
		supervisor.Spawned{Inst: c.inst, Run: c.run, PID: c.pid},
		supervisor.BecameReady{Inst: c.inst, Run: c.run},
		supervisor.Exited{Inst: c.inst, Run: c.run, Exit: c.body.exit},
		supervisor.Gone{Inst: c.inst, Run: c.run},
	} {
		k.stale(ev)
	}
	if !k.plan.cut.has(cutHealth) {
		k.stale(supervisor.HealthFailed{Inst: c.inst, Run: c.run, Why: "late", Final: true})
	}
	if !k.plan.cut.has(cutDrains) {
		k.stale(supervisor.Quiesced{Inst: c.inst, Run: c.run})
		k.stale(supervisor.BecameDrained{Inst: c.inst, Run: c.run})
		k.stale(supervisor.Settled{Inst: c.inst, Run: c.run})
	}
	k.after(0, k.answerSweeps)
	return supervisor.Gone{Inst: c.inst, Run: c.run}
}

// stale sends an event of a life that is over once more, now and then, much too late.
func (k *kernel) stale(ev supervisor.Event) {
	k.ended++
	r := stream(k.plan.seed, forStale, k.ended)
	if chance(r, 4) && !k.plan.cut.has(cutStale) {
		k.after(pick(r, 0, upTo(r, 100*ms), upTo(r, 10*s)), func() supervisor.Event { return ev })
	}
}

func (k *kernel) startHook(run supervisor.Run) {
	h := &hook{}
	k.hooks[run] = h
	r := stream(k.plan.seed, forHook, uint64(run))
	takes := pick(r, upTo(r, 10*ms), upTo(r, 10*ms), upTo(r, 100*ms), upTo(r, 100*ms), upTo(r, 3*s), never)
	failed := pick(r, "", "", "", "", "exit code 1")
	if k.plan.cut.has(cutHookFaults) {
		takes, failed = ms, ""
	}
	k.after(takes, func() supervisor.Event { return k.endHook(run, failed) })
}

func (k *kernel) endHook(run supervisor.Run, failed string) supervisor.Event {
	h := k.hooks[run]
	if h.over {
		return nil
	}
	h.over = true
	k.stale(supervisor.HookEnded{Run: run})
	return supervisor.HookEnded{Run: run, Failed: failed}
}

func (k *kernel) stopHook(run supervisor.Run) {
	k.hooks[run].stopped = true
	r := stream(k.plan.seed, forHook, uint64(run), 1)
	k.after(pick(r, 0, ms, 5*ms, s, never), func() supervisor.Event { return k.endHook(run, "killed by SIGKILL") })
}

// sweep tells or kills what is left of anybody, and answers once none is left; where that is asked for it tells at once
// who is. Now and then no sweep is answered at all.
func (k *kernel) sweep(a supervisor.Sweep) {
	if k.sweeps == 0 {
		k.drawStrays()
	}
	k.sweeps++
	if k.mute {
		return
	}
	for _, st := range k.strays {
		takes := st.hears
		if a.Signal == syscall.SIGKILL {
			takes = st.dies
		}
		k.after(takes, func() supervisor.Event { st.gone = true; return k.answerSweeps() })
	}
	k.asked++
	if a.Report && len(k.left()) > 0 {
		k.after(0, func() supervisor.Event { return supervisor.Swept{Left: k.left()} })
		return
	}
	k.after(0, k.answerSweeps)
}

// answerSweeps answers all sweeps at once when nobody is left.
func (k *kernel) answerSweeps() supervisor.Event {
	if k.asked == 0 || len(k.left()) > 0 {
		return nil
	}
	k.asked = 0
	return supervisor.Swept{}
}

// left lists who is left: runs that were forgotten and live on, and strays.
func (k *kernel) left() (list []string) {
	for n, st := range k.strays {
		if !st.gone {
			list = append(list, fmt.Sprintf("pid %d (sleep)", 4711+n))
		}
	}
	for _, c := range k.forgotten {
		if c.leader || c.restLeft > 0 {
			list = append(list, fmt.Sprintf("pid %d, of %d.%d", c.pid, c.inst.Proc, c.inst.N))
		}
	}
	return list
}

// after puts what will happen into the queue. What happens yields the event that the machine is told of, or nil.
func (k *kernel) after(d time.Duration, happens func() supervisor.Event) {
	if d == never {
		return
	}
	k.seq++
	heap.Push(&k.queue, happening{at: k.now + d, seq: k.seq, happens: happens})
}

type happening struct {
	at      supervisor.Instant
	seq     int
	happens func() supervisor.Event
}

// queue is what will happen, by time and then by the order in which it was put in.
type queue []happening

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(happening)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
