package engine

import (
	"lastout/process"
	"lastout/process/output"
	"lastout/supervisor"
)

// keptChild is a child that runs.
type keptChild struct {
	tag         uint64
	name        string
	hook        bool
	pid         int
	dying, over bool
	known       bool              // the machine speaks of it by its run
	run         supervisor.Run    // of a run, a hook or a stop command; 0: it is the look of a probe
	spawn       *supervisor.Spawn // of a run
	set         settings          // likewise
	pipes       []keptPipe

	notify, ready int  // descriptors; 0: none
	found         bool // something else found out that it is ready
	probing       bool

	began          int64 // when it was to be started, by CLOCK_MONOTONIC
	checking, sick bool
	howled         bool // its watchdog's word that it has failed was not heard yet
}

// keptPipe is a pipe with its place.
type keptPipe struct {
	pipe   output.KeptPipe
	sink   int // its number among the files, or one of the following
	recent string
}

const (
	toStdout  = -1
	toNowhere = -2
)

// keptOrder is what was asked of the host for a child that is not begun: one of these.
type keptOrder struct {
	tag   uint64
	spawn *supervisor.Spawn
	hook  *supervisor.RunHook
	stop  *supervisor.StopCommand
	drain *supervisor.DrainCommand
}

func (k *keptOrder) action() supervisor.Action {
	switch {
	case k.spawn != nil:
		return *k.spawn
	case k.hook != nil:
		return *k.hook
	case k.stop != nil:
		return *k.stop
	default:
		return *k.drain
	}
}

// keepOrder is what has a child begun anew; false for the look of a probe, which begins by itself.
func keepOrder(c *child) (keptOrder, bool) {
	k := keptOrder{tag: c.tag}
	switch a := c.order.(type) {
	case supervisor.Spawn:
		k.spawn = &a
	case supervisor.RunHook:
		k.hook = &a
	case supervisor.StopCommand:
		k.stop = &a
	case supervisor.DrainCommand:
		k.drain = &a
	default:
		return k, false
	}
	return k, true
}

// keepChild adds a child to what is kept.
func (h *Host) keepChild(k *Kept, c *child) error {
	if c.pid == 0 {
		if order, ok := keepOrder(c); ok && c.stage.Load() == queued {
			k.queued = append(k.queued, order)
		}
		return nil
	}
	x := keptChild{tag: c.tag, name: c.name, hook: c.hook, pid: c.pid, dying: c.dying, over: c.over}
	switch p := c.part.(type) {
	case *life:
		x.run, x.set, x.spawn = p.run, p.set, &supervisor.Spawn{Inst: p.inst, Run: p.run}
		x.probing, x.found = p.probing, p.isFound()
		x.began = monotonicOf(p.began)
		x.checking, x.sick, x.howled = p.checking, p.sick.Load(), len(p.howls) > 0
	case *hook:
		x.run = p.run
	default: // the look of a probe: it is begun anew
	}
	x.known = x.run != 0 && h.runs[x.run] == c
	if c.notify != nil {
		x.notify = c.notify.Keep()
	}
	if c.ready != nil {
		if raw, err := c.ready.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { x.ready = int(fd) })
		}
	}
	for _, p := range c.pipes {
		if pipe, ok := p.Keep(); ok {
			x.pipes = append(x.pipes, keptPipe{pipe: pipe, sink: h.outputs.place(p.To()), recent: h.outputs.shelfName(c)})
		}
	}
	k.live = append(k.live, x)
	return nil
}

func (l *life) isFound() bool {
	if l.found == nil {
		return false
	}
	select {
	case <-l.found:
		return true
	default:
		return false
	}
}

// place is the number of a sink among the files, or one of the others.
func (o *outputs) place(s *output.Sink) int {
	if s == nil {
		return toNowhere
	}
	for n, f := range o.files {
		if f.Sink == s {
			return n
		}
	}
	return toStdout
}

// shelfName is under which name the last of what a child writes is kept; nothing: it is not.
func (o *outputs) shelfName(c *child) string {
	if _, ok := c.part.(*life); ok {
		return c.name
	}
	return ""
}

// restoreChild takes a child up again, before the loop runs.
func (h *Host) restoreChild(k *keptChild) {
	c := &child{tag: k.tag, name: k.name, hook: k.hook, pid: k.pid, dying: k.dying, over: k.over}
	c.stage.Store(starting)
	h.children[c.tag] = c
	var m *match
	switch {
	case k.spawn != nil:
		m = h.restoreLife(c, k)
	case k.run != 0:
		c.part = &hook{host: h, run: k.run}
	default:
		c.part = leftover{}
		h.reaper.Kill(c.tag)
	}
	if k.known {
		h.runs[k.run] = c
	}
	for i := range k.pipes {
		h.restorePipe(c, &k.pipes[i], m)
	}
	if l, ok := c.part.(*life); ok {
		l.probing, l.checking = k.probing, k.checking
		h.beginLooks(l)
	}
}

// restoreLife takes a run up again, with what its readiness is known by.
func (h *Host) restoreLife(c *child, k *keptChild) (m *match) {
	inst := k.set.inst
	l := &life{host: h, inst: k.spawn.Inst, run: k.run, set: k.set}
	l.began = At(k.began)
	l.sick.Store(k.sick)
	c.part, c.order = l, *k.spawn
	found := func() {}
	switch {
	case inst.Probe.Notify:
		found = l.awaitFound(unsentReady)
		l.notified = found
	case k.ready != 0:
		c.ready = file(k.ready, "readiness")
		l.probe = lineProber(c.ready)
	case inst.Probe.Log != nil:
		found = l.awaitFound("no line of its output matched")
		m = &match{inst.Probe.Log, found}
	default:
		h.lookFrom(l, inst)
	}
	if k.found {
		found()
	}
	if k.notify != 0 {
		h.restoreNotify(c, l, k)
	}
	return m
}

// restoreNotify listens again to what a run says of itself.
func (h *Host) restoreNotify(c *child, l *life, k *keptChild) {
	l.barks, l.howls = make(chan struct{}, 1), make(chan struct{}, 1)
	if k.howled {
		leave(l.howls)
	}
	var err error
	if c.notify, err = process.RestoreNotify(k.notify, c.tag, h.reaper, l.heard); err != nil {
		h.onLoop(func() { h.note(c.name + ": " + err.Error()) })
	}
}

// leftover is the part of a child that nobody waits for any more.
type leftover struct{}

func (leftover) started(int) supervisor.Event                 { return nil }
func (leftover) failed(error) supervisor.Event                { return nil }
func (leftover) exited(supervisor.Exit, int) supervisor.Event { return nil }
func (leftover) gone() supervisor.Event                       { return nil }
