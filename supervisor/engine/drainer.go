package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"lastout/process/quiesce"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

const (
	// probeInterval is between two looks of a drain probe.
	probeInterval = 100 * time.Millisecond

	// queueBound is how long the queues of the listeners are waited for before the drain goes on.
	queueBound = time.Second

	// The times between two looks at the connections. Looks are rarer while nothing changes.
	shortLook, longLook = 20 * time.Millisecond, 100 * time.Millisecond

	// queueLook is the time between two looks at the queues: the first part of a drain is short, and all wait for it.
	queueLook = 2 * time.Millisecond
)

// never is a look that is not due.
const never time.Duration = -1

// lookKind is for what a drainer looks at the connections.
type lookKind uint8

const (
	forNothing lookKind = iota
	forExit
	forQuiet
	forConnections
	forProbe // somebody else decides; listeners and preconnects are still seen to
	forSettled
)

func lookFor(u supervisor.Until) lookKind {
	switch u {
	case supervisor.UntilExit:
		return forExit
	case supervisor.UntilQuiet:
		return forQuiet
	case supervisor.UntilConnections:
		return forConnections
	case supervisor.UntilProbe:
		return forProbe
	case supervisor.UntilNothing:
	}
	return forNothing
}

// orders are what the loop wants of a drainer.
type orders struct {
	shut bool       // new connections are turned away
	held []*holding // also from these
	look lookKind
	told bool // the run was told to stop: listeners are its own
	over bool // the run is gone
	late bool // its drain was over before it came to its end
	undo int  // how often new connections were let in again
}

// drainer sees to the listeners and connections of one run, from its drain on until it is gone. It has a goroutine of
// its own, for system calls and proofs take their time; the loop gives it orders and never waits for it.
type drainer struct {
	host    *Host
	child   *child
	life    *life
	drain   config.Drain
	invites bool // the program itself is asked to finish

	orders atomic.Pointer[orders] // written by the loop
	wake   chan struct{}          // a token: the orders have changed
	where  atomic.Pointer[places] // where the tree listens, for the loop

	stopProbe context.CancelFunc // of the loop
	gone      func()             // says that the run is gone; set before the order that it is over

	mu       sync.Mutex // held while it works; the loop only tries
	view     view
	door     door
	hearing  hearing
	shutAt   time.Time // when it began to turn connections away; zero: it did not
	answered bool      // that they are turned away
	undone   int       // how often they were let in again: behind the orders, which may ask for both before they are seen
	vigil    vigil
	back     heldBack
	ended    map[uint64]bool // preconnects that were seen to, by cookie
	refused  bool            // it was said that they cannot be ended
	asked    bool            // who was not answered by the end of the drain
}

func newDrainer(h *Host, c *child, l *life) *drainer {
	drain := l.set.inst.Drain
	d := &drainer{
		host: h, child: c, life: l, drain: drain, invites: l.set.spec.Drain.Invite != (supervisor.Invite{}),
		wake: make(chan struct{}, 1), ended: map[uint64]bool{},
	}
	d.view = newView(drain.Ports)
	d.door = newDoor(drain)
	d.back.all = map[uint32]*quiesce.Hold{}
	d.orders.Store(&orders{})
	d.where.Store(&places{})
	return d
}

// change gives other orders. It is of the loop.
func (d *drainer) change(f func(*orders)) {
	o := *d.orders.Load()
	f(&o)
	d.orders.Store(&o)
	select {
	case d.wake <- struct{}{}:
	default: // it has not seen the last ones yet, and will see these
	}
}

// release gives the listeners back before the run is told to stop. Where the drainer is at work it does so itself when
// it has done.
func (d *drainer) release() {
	if d.mu.TryLock() {
		d.door.release()
		d.mu.Unlock()
	}
}

// close ends the drainer when its run is gone, so that its ports are free at once. The machine is told so when it is
// known which connections that cut off, or when that takes too long.
func (d *drainer) close(ev supervisor.Gone) {
	d.endProbe()
	d.gone = sync.OnceFunc(func() { d.host.box.Put(ev) })
	time.AfterFunc(endBound, d.gone)
	d.host.where.join(*d.where.Load()) // the kernel may still owe its clients something
	if d.mu.TryLock() {
		d.door.close()
		d.mu.Unlock()
	}
	d.change(func(o *orders) { o.over = true })
}

func (d *drainer) endProbe() {
	if d.stopProbe != nil {
		d.stopProbe()
		d.stopProbe = nil
	}
}

// run works until the run is gone, or the tree.
func (d *drainer) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		o := *d.orders.Load()
		if o.over || d.host.alive.Err() != nil {
			d.end()
			if o.over {
				d.gone()
			}
			return
		}
		timer.Stop()
		if next := d.work(o, time.Now()); next != never {
			timer.Reset(next)
		}
		select {
		case <-d.wake:
		case <-timer.C:
		case <-d.host.alive.Done():
		}
	}
}

// end says which connections the end of the run cut off, and leaves nothing open.
func (d *drainer) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.door.close()
	d.keepHeld(time.Now())
	d.letGo(orders{over: true}, time.Now())
	if cut := d.cutOff(time.Now()); len(cut) > 0 {
		d.host.box.Put(supervisor.Cut{Inst: d.life.inst, Run: d.life.run, Connections: cut})
	}
	d.hearing.close()
	d.view.close()
}

// work does what is due and says when there will be more to do.
func (d *drainer) work(o orders, now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := d.proceed(o, now)
	if d.letGo(o, now) && (next == never || next > shortLook) {
		next = shortLook
	}
	return next
}

func (d *drainer) proceed(o orders, now time.Time) time.Duration {
	if o.late && !d.asked {
		d.asked = true
		if d.view.known == nil { // nothing was looked at yet
			d.find(o)
		}
		d.nameUnanswered()
	}
	if o.told || o.look == forSettled {
		d.door.release()
	}
	if o.told {
		if sight, err := d.view.look(d.pids); err == nil {
			d.endThese(sight.preconnects) // it would wait for them
		}
		d.listen(o.told, now)
		return d.rest(longLook, now)
	}
	if d.undone != o.undo {
		d.undone = o.undo
		d.letIn()
	}
	if !o.shut && o.look == forNothing {
		return never
	}
	d.door.held.held = o.held
	d.find(o)
	d.listen(o.told, now)
	if o.shut && !d.answered {
		if next := d.shut(now); !d.answered {
			return next
		}
	}
	if o.look != d.vigil.look {
		d.vigil = newVigil(o.look, d.drain.Quiet, now)
	}
	if o.look == forNothing || d.vigil.done {
		return never
	}
	return d.watch(now)
}

// rest is the time until the next look, given how long it may be and when this one began. With very many connections a
// look takes a while: no more than a fifth of a processor is spent on looking.
func (d *drainer) rest(next time.Duration, began time.Time) time.Duration {
	return max(next, 4*time.Since(began))
}

// find looks for listeners of the tree that appeared, and for those that went.
func (d *drainer) find(o orders) {
	changed, err := d.view.listening()
	if err != nil {
		d.say([]string{err.Error()})
	}
	if !d.shutAt.IsZero() && o.look != forSettled { // else nobody of the tree can have been turned away who is needed
		d.findInner(false)
	}
	if !changed {
		return
	}
	d.say(d.view.find(d.pids()))
	d.findInner(true)
	where := newPlaces()
	where.join(d.view.where)
	d.where.Store(&where)
	if o.shut && d.door.wanted() {
		d.say(d.door.shut(d.view.at, d.view.known, d.view.inner))
	}
	if d.invites && d.answered { // it must find its listeners its own: see door.release
		d.door.release()
	}
}

// findInner learns at which of its listeners the tree is its own client, and lets it in there again.
func (d *drainer) findInner(connected bool) {
	inside, err := d.view.findInner(d.pids, connected)
	if inside {
		d.say(d.door.reopen(d.view.inner))
	}
	if err != nil {
		d.say([]string{err.Error()})
	}
}

// say says for people what does not work here.
func (d *drainer) say(words []string) {
	for _, text := range words {
		d.host.noteOnce(d.child.name + ": " + text)
	}
}

// listen hears of connections that have ended.
func (d *drainer) listen(told bool, now time.Time) {
	if err := d.hearing.listen(d.view.where, told, now, d.view.heard); err != nil {
		d.say([]string{err.Error()})
	}
}

// letIn takes back what was done to turn new connections away, where that was begun.
func (d *drainer) letIn() {
	if d.shutAt.IsZero() {
		return
	}
	d.say(d.door.letIn())
	d.view.known = nil // who listens is looked for anew, should they be turned away from once more
	d.shutAt, d.answered, d.asked, d.vigil = time.Time{}, false, false, vigil{}
	d.back.letAllGo()
}

// shut answers that new connections are turned away once nobody is queued and no handshake is half open.
func (d *drainer) shut(now time.Time) time.Duration {
	if d.shutAt.IsZero() {
		d.shutAt = now
	}
	first, err := d.view.queued(d.door.inodes())
	second := first
	if err == nil && first == 0 {
		second, err = d.view.queued(d.door.inodes())
	}
	if err == nil && first+second > 0 && now.Sub(d.shutAt) < queueBound {
		return queueLook
	}
	if d.invites && d.holdBack() && now.Sub(d.shutAt) < queueBound {
		return queueLook
	}
	d.answered, d.back.until = true, now.Add(queueBound)
	d.endPreconnects()
	if d.invites {
		d.door.release()
	}
	how := d.door.how()
	if d.door.wanted() && d.view.light() == darkness {
		how = "not possible here: its listeners cannot be seen"
	}
	if first+second > 0 {
		how += "; " + plural(second, "connection") + " still queued"
	}
	d.host.box.Put(supervisor.Quiesced{Inst: d.life.inst, Run: d.life.run, How: how})
	return never
}

// watch looks at the connections and answers once what is waited for is so.
func (d *drainer) watch(now time.Time) time.Duration {
	for range 2 { // one look that shows nothing is a hint: a connection that changes may be missed
		sight, err := d.look()
		if err != nil {
			d.host.noteOnce(d.child.name + ": " + err.Error())
			return longLook
		}
		if !d.vigil.see(time.Now(), sight, d.view.light()) {
			return d.rest(d.vigil.next, now)
		}
	}
	if d.vigil.look == forSettled {
		d.host.box.Put(supervisor.Settled{Inst: d.life.inst, Run: d.life.run})
	} else {
		d.host.box.Put(supervisor.BecameDrained{Inst: d.life.inst, Run: d.life.run, Why: d.vigil.why})
	}
	d.vigil.done = true
	return never
}

// look reads the connections, and ends those that never carried a byte.
func (d *drainer) look() (*sight, error) {
	sight, err := d.view.look(d.pids)
	if refusal := d.view.refusal; refusal != "" {
		d.host.noteOnce(d.child.name + ": " + refusal)
	}
	if err == nil && d.vigil.look != forSettled {
		d.endThese(sight.preconnects)
	}
	return sight, err
}

// pids are the processes of the tree.
func (d *drainer) pids() []int {
	return d.host.pids(d.child.tag)
}
