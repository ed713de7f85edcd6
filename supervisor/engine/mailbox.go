package engine

import (
	"sync"
	"time"

	"lastout/supervisor"
)

// Mailbox carries what happens to the loop. Put does not block, but while the tree is held, and nothing is lost, so the reaper can call it: events
// stick in a queue. The queue is bounded by what puts into it: a run has at most four events, a hook one, and the
// machine begins no further life of an instance before it saw the end of the last.
type Mailbox struct {
	wake chan struct{} // holds a token whenever something was put since the last take
	over chan struct{} // closed when the loop has ended

	atEnd func() // called then; nil: nothing

	mu    sync.Mutex
	queue []message
	done  bool
	held  sync.Cond // not held any more
	hold  bool      // who puts something waits

	behind int       // of the loop: how many of those it took are not seen yet
	began  time.Time // of the loop: its instant 0
}

// message is an event, or a call to make on the loop.
type message struct {
	event supervisor.Event
	call  Call
}

// Call is a function that the loop runs between two steps, at the time now. It may look at the machine. The event it
// returns, where it returns one, is the machine's next.
type Call func(now supervisor.Instant, m *supervisor.Machine) supervisor.Event

// NewMailbox makes an empty one.
func NewMailbox() *Mailbox {
	b := &Mailbox{wake: make(chan struct{}, 1), over: make(chan struct{})}
	b.held.L = &b.mu
	return b
}

// Put hands an event to the loop. After the loop has ended it does nothing.
func (b *Mailbox) Put(ev supervisor.Event) { b.put(message{event: ev}) }

// Call has the loop run f, in the order of the events. After the loop has ended it does nothing: who waits for an
// answer waits for Over as well.
func (b *Mailbox) Call(f Call) { b.put(message{call: f}) }

// Over is closed when the loop has ended and takes nothing more.
func (b *Mailbox) Over() <-chan struct{} { return b.over }

func (b *Mailbox) put(m message) {
	b.mu.Lock()
	for b.hold {
		b.held.Wait()
	}
	if !b.done {
		b.queue = append(b.queue, m)
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default: // a token is there already: the loop will see this message with the one that left it
	}
}

// take empties the queue. An empty one holds no memory: a tree that is up may be silent for weeks.
func (b *Mailbox) take() []message {
	b.mu.Lock()
	defer b.mu.Unlock()
	queue := b.queue
	b.queue = nil
	return queue
}

// holdEmpty has whoever puts something wait until goOn, if there is nothing that the loop, which calls it, has not seen.
// Who put something before that can count on it, whatever becomes of this process; who waits cannot.
func (b *Mailbox) holdEmpty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hold = b.behind == 0 && len(b.queue) == 0
	return b.hold
}

func (b *Mailbox) goOn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hold = false
	b.held.Broadcast()
}

// close ends it: the loop is over.
func (b *Mailbox) close() {
	b.mu.Lock()
	b.done, b.queue = true, nil
	b.mu.Unlock()
	close(b.over)
	if b.atEnd != nil {
		b.atEnd()
	}
}
