package supervisor_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"

	"lastout/ordering"
	"lastout/supervisor"
)

// TestSimAdopt has machines take over trees in which some live and others do not, as the plans of worlds have them: nobody
// is started, nobody is told before his turn, and it comes to its end within its bound.
func TestSimAdopt(t *testing.T) {
	worlds := *simWorlds / 4
	for seed := *simFrom; seed < *simFrom+worlds; seed++ {
		if err := adoptWorld(seed); err != nil {
			t.Fatalf("world %d: %v", seed, err)
		}
	}
}

// adopted is a tree that is taken over.
type adopted struct {
	*plan
	machine *supervisor.Machine
	kernel  *kernel
	gone    map[supervisor.Run]bool // reaped with its tree, or lost
	forced  bool
	over    bool
}

func adoptWorld(seed uint64) error {
	p, err := newPlan(seed, 0)
	if err != nil {
		return err
	}
	rnd := rand.New(rand.NewPCG(seed, 0xad09))
	a := &adopted{plan: p, kernel: newKernel(p), gone: map[supervisor.Run]bool{}}
	a.machine = supervisor.New(p.graph, p.specs, p.options)
	bound := supervisor.MakePlan(p.graph, p.specs, p.options).Bound
	if err := a.step(a.draw(rnd)); err != nil {
		return err
	}
	impatient := rnd.IntN(4) == 0
	for !a.over {
		if impatient && a.kernel.now > s/2 {
			impatient = false
			if err := a.step(supervisor.Hurry{Cause: "the world"}); err != nil {
				return err
			}
			continue
		}
		ev, err := a.next()
		if err != nil {
			return err
		}
		if ev == nil {
			continue
		}
		if err := a.step(ev); err != nil {
			return err
		}
	}
	if a.kernel.now > bound {
		return fmt.Errorf("it took %v, and its bound is %v", a.kernel.now, bound)
	}
	for run, c := range a.kernel.children {
		if !a.gone[run] {
			return fmt.Errorf("run %d of %v was neither reaped nor lost", run, c.inst)
		}
	}
	return nil
}

// draw decides who lives.
func (a *adopted) draw(rnd *rand.Rand) supervisor.Adopt {
	ev := supervisor.Adopt{Cause: "lastout was killed"}
	run := supervisor.Run(0)
	for id, spec := range a.specs {
		for n := 1; spec.Enabled && n <= spec.Instances; n++ {
			run += supervisor.Run(rnd.IntN(3))
			if rnd.IntN(4) == 0 {
				continue
			}
			run++
			inst := supervisor.Inst{Proc: ordering.ID(id), N: n}
			c := &child{inst: inst, run: run, pid: int(run) + 1000, body: a.kernel.drawBody(inst), answered: true, leader: true}
			a.kernel.children[run] = c
			a.kernel.after(c.body.life, func() supervisor.Event { return a.kernel.die(c, supervisor.Exit{Unknown: true}) })
			ev.Runs = append(ev.Runs, supervisor.Adopted{Inst: inst, Name: fmt.Sprint(spec.Name, n), Run: run, PID: c.pid})
		}
	}
	return ev
}

// next is what happens next.
func (a *adopted) next() (supervisor.Event, error) {
	deadline, timed := a.machine.Deadline()
	if q := a.kernel.queue; len(q) > 0 && (!timed || q[0].at <= deadline) {
		h := heap.Pop(&a.kernel.queue).(happening)
		a.kernel.now = max(a.kernel.now, h.at)
		return h.happens(), nil
	}
	if !timed {
		return nil, fmt.Errorf("nothing will happen any more, and it has not finished")
	}
	a.kernel.now = max(a.kernel.now, deadline)
	return supervisor.Tick{}, nil
}

func (a *adopted) step(ev supervisor.Event) error {
	for _, action := range a.machine.Step(a.kernel.now, ev) {
		if err := a.judge(action); err != nil {
			return fmt.Errorf("at %v: %w", a.kernel.now, err)
		}
		a.kernel.do(action)
	}
	if err := a.machine.Check(); err != nil {
		return fmt.Errorf("at %v: %w", a.kernel.now, err)
	}
	return nil
}

func (a *adopted) judge(action supervisor.Action) error {
	switch act := action.(type) {
	case supervisor.Spawn:
		return fmt.Errorf("%v is started", act.Inst)
	case supervisor.Signal:
		if !a.kernel.inviting {
			return a.turn(act.Run)
		}
	case supervisor.StopCommand:
		return a.turn(act.Run)
	case supervisor.Kill:
		return a.turn(act.Run)
	case supervisor.Say:
		switch r := act.Report; r.Kind {
		case supervisor.KindGone, supervisor.KindLost:
			a.gone[r.Run] = true
		case supervisor.KindLevel:
			a.forced = a.forced || r.Level == supervisor.Forced
		}
	case supervisor.Finish:
		a.over = true
	}
	return nil
}

// turn holds that nobody lives who must leave before a run.
func (a *adopted) turn(run supervisor.Run) error {
	c := a.kernel.children[run]
	if c == nil {
		return fmt.Errorf("run %d is nobody's", run)
	}
	for other, o := range a.kernel.children {
		if !a.forced && !a.gone[other] && a.order.before[o.inst.Proc][c.inst.Proc] {
			return fmt.Errorf("run %d of %v is told while run %d of %v lives", run, c.inst, other, o.inst)
		}
	}
	return nil
}
