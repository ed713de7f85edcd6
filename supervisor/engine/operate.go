package engine

import (
	"fmt"
	"sync"
	"syscall"

	"lastout/supervisor"
)

// Ticket is an operation that was handed in.
type Ticket struct {
	Op      supervisor.Op
	answers chan supervisor.Report
}

// Answers yields what becomes of the operation, as KindOperation reports: refused; or accepted, and done or failed later.
// It is closed behind the last one, and when the tree ends before that. Nobody need read it.
func (t *Ticket) Answers() <-chan supervisor.Report { return t.answers }

// tickets are the operations that were handed in and have not ended. Any goroutine may hand one in.
type tickets struct {
	mu   sync.Mutex
	last supervisor.Op
	open map[supervisor.Op]*Ticket
	over bool
}

// answersOf is how many reports an operation has at most.
const answersOf = 2

func (t *tickets) issue() *Ticket {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	ticket := &Ticket{Op: t.last, answers: make(chan supervisor.Report, answersOf)}
	if t.over {
		close(ticket.answers)
	} else {
		t.open[ticket.Op] = ticket
	}
	return ticket
}

// issued is the last number that was given out.
func (t *tickets) issued() supervisor.Op {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// answer hands a report to whoever waits for its operation.
func (t *tickets) answer(r supervisor.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ticket := t.open[r.Op]
	if ticket == nil {
		return
	}
	ticket.answers <- r // there is room for all there are
	if r.Result != supervisor.Accepted {
		delete(t.open, r.Op)
		close(ticket.answers)
	}
}

// end closes all that are open: nothing follows.
func (t *tickets) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	for _, ticket := range t.open {
		close(ticket.answers)
	}
	clear(t.open)
}

// Operate hands an operation to the loop and returns at once. Any goroutine may call it.
func (h *Host) Operate(o supervisor.Operation) *Ticket {
	t := h.tickets.issue()
	h.box.Call(func(_ supervisor.Instant, m *supervisor.Machine) supervisor.Event {
		ev := supervisor.Operate{Op: t.Op, Operation: o}
		if o.Verb == supervisor.VerbScale {
			ev.Unfit = h.grow(o)
		}
		return ev
	})
	return t
}

// grow makes the settings of the instances that a process is to have, and opens their log files. It returns why there
// cannot be so many.
func (h *Host) grow(o supervisor.Operation) string {
	if len(o.Names) != 1 || o.Count > supervisor.MaxInstances {
		return "" // the machine refuses it
	}
	id, ok := h.config.Graph.Lookup(o.Names[0])
	if !ok || !h.config.Specs[id].Enabled {
		return ""
	}
	proc := &h.config.Processes[id]
	have := len(proc.Instances)
	if err := h.config.Grow(id, o.Count); err != nil {
		return err.Error()
	}
	h.changed(h.config)
	for i := range proc.Instances[have:] {
		if _, err := h.outputs.add(proc.Log, &proc.Instances[have+i]); err != nil {
			return fmt.Sprintf("process %q: %v", proc.Name, err)
		}
	}
	return ""
}

// send sends a signal that a user asked for.
func (h *Host) send(a supervisor.Send) {
	if c := h.runs[a.Run]; c != nil {
		h.noteError(h.reaper.Send(c.tag, syscall.Signal(a.Signal)))
	}
}

// unquiesce lets new connections of a run in again.
func (h *Host) unquiesce(a supervisor.Unquiesce) {
	l := h.lifeOf(a.Run)
	if l == nil || l.drainer == nil {
		return
	}
	held := l.drainer.orders.Load().held
	l.drainer.change(func(o *orders) {
		o.shut, o.held, o.look, o.late = false, nil, forNothing, false
		o.undo++
	})
	for _, x := range held {
		x.shut.Store(false)
		h.drainers.Go(func() { h.noteError(x.letIn()) })
	}
}
