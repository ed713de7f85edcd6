package engine

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"lastout/process"
	"lastout/process/output"
	"lastout/supervisor"
)

const (
	// startBound is how long Hold waits for a program that is just being started.
	startBound = 2 * time.Second

	// restBound is how long it waits for all else: for a write to a disk that hangs, above all.
	restBound = 2 * time.Second

	// rounds bounds how often it waits until nothing comes any more.
	rounds = 100
)

// Held is the whole tree at rest, for as long as the function lasts that is given to Hold.
type Held struct {
	Kept *Kept

	host *Host
	main chan<- func()
}

// Again tells anew what is in a sink of the Host, after more was written to it.
func (x *Held) Again(stdout *output.Sink) { x.Kept.stdout = stdout.Keep() }

// OnMain runs f on the thread that is the children's parent, and waits for it.
func (x *Held) OnMain(f func()) {
	done := make(chan struct{})
	x.main <- func() {
		defer close(done)
		f()
	}
	<-done
}

// Hold brings everything to rest that this process does for the tree, calls f on the loop, and lets it go on: nothing is
// started, reaped, read, written or decided meanwhile, and nothing of it is lost. The children notice nothing but, if it
// lasts, full pipes. It is refused, with the reason, while something goes on that cannot be kept. Any goroutine may call
// it but the loop's own, one at a time.
func (h *Host) Hold(f func(*Held) error) error {
	main, release, err := h.holdSpawner()
	if err != nil {
		return err
	}
	defer release()
	if err := h.ask(h.mayHold); err != nil {
		return err
	}
	h.reaper.Pause()
	defer h.reaper.Resume()
	defer h.outputs.resume()
	if err := h.outputs.pause(); err != nil {
		return err
	}
	// From here on no run ends, for nobody is reaped: what the pipes of those that have ended hold is handed on first.
	if err := h.barrier(); err != nil {
		return err
	}
	if !h.outputs.tails.WaitFor(restBound) {
		return errors.New("the output of a process that is gone is still being handed on")
	}
	defer func() { _ = h.ask(h.thaw) }()
	var resting []func()
	err = h.ask(func(*supervisor.Machine) error {
		resting = h.freeze()
		return h.mayHold(nil)
	})
	defer func() {
		for _, resume := range resting {
			resume()
		}
	}()
	if err != nil {
		return err
	}
	if err := h.still(); err != nil {
		return err
	}
	return h.whenEmpty(func(m *supervisor.Machine) error {
		if err := h.mayHold(m); err != nil {
			return err
		}
		kept, err := h.keep(m)
		if err != nil {
			return err
		}
		return f(&Held{Kept: kept, host: h, main: main})
	})
}

// holdSpawner waits until nothing is being started and keeps it so. Functions that are sent to main run on its thread.
func (h *Host) holdSpawner() (main chan<- func(), release func(), err error) {
	reached, gaveUp := make(chan struct{}), make(chan struct{})
	work := make(chan func())
	h.spawner.Do(func() {
		select {
		case reached <- struct{}{}:
		case <-gaveUp:
			return
		}
		for f := range work {
			f()
		}
	})
	timer := time.NewTimer(startBound)
	defer timer.Stop()
	select {
	case <-reached:
		return work, func() { close(work) }, nil
	case <-timer.C:
		close(gaveUp)
		return nil, nil, errors.New("a program is being started, and that takes long")
	case <-h.box.Over():
		close(gaveUp)
		return nil, nil, errOver
	}
}

var errOver = errors.New("the tree has come to its end")

// ask runs f on the loop and returns its answer.
func (h *Host) ask(f func(*supervisor.Machine) error) error {
	err, ok := asked(h, func(_ supervisor.Instant, m *supervisor.Machine) error { return f(m) })
	if !ok {
		return errOver
	}
	return err
}

// barrier waits until the loop has seen all that was put into the mailbox before.
func (h *Host) barrier() error { return h.ask(func(*supervisor.Machine) error { return nil }) }

// whenEmpty runs f on the loop when nothing is in the mailbox that the loop has not seen.
func (h *Host) whenEmpty(f func(*supervisor.Machine) error) error {
	for range rounds {
		ran := false
		err := h.ask(func(m *supervisor.Machine) error {
			if !h.box.holdEmpty() {
				return nil
			}
			defer h.box.goOn()
			ran = true
			return f(m)
		})
		if ran || err != nil {
			return err
		}
	}
	return errors.New("too much happens")
}

// mayHold says what goes on that cannot be kept.
func (h *Host) mayHold(*supervisor.Machine) error {
	if h.down {
		return errors.New("a shutdown is under way")
	}
	for _, c := range h.runs {
		if l, ok := c.part.(*life); ok && l.drainer != nil {
			return fmt.Errorf("%s is being drained, or was and came back", c.name)
		}
	}
	for _, x := range h.holdings {
		if x.shut.Load() {
			return fmt.Errorf("new connections to %s are turned away", x)
		}
	}
	return nil
}

// freeze brings to rest what runs for single children, on the loop, and returns what lets it go on.
func (h *Host) freeze() (resume []func()) {
	h.frozen = true
	for _, c := range h.children {
		if l, ok := c.part.(*life); ok {
			l.endLooks()
			if l.look != nil {
				h.kill(l.look)
			}
		}
		if c.notify != nil {
			resume = append(resume, c.notify.Resume)
		}
		for _, p := range c.pipes {
			resume = append(resume, p.Resume)
		}
	}
	return resume
}

// still waits until what was brought to rest has come there.
func (h *Host) still() error {
	var sockets []*process.Notify
	var pipes []*output.Pipe
	_ = h.ask(func(*supervisor.Machine) error {
		for _, c := range h.children {
			if c.notify != nil {
				sockets = append(sockets, c.notify)
			}
			pipes = append(pipes, c.pipes...)
		}
		return nil
	})
	var all sync.WaitGroup
	for _, s := range sockets {
		s.Pause()
	}
	resting := make(chan bool, len(pipes))
	for _, p := range pipes {
		all.Go(func() { resting <- p.Pause(restBound) })
	}
	all.Wait()
	close(resting)
	for ok := range resting {
		if !ok {
			return errors.New("the output of a process cannot be held")
		}
	}
	if !h.probers.WaitFor(restBound) || !h.drainers.WaitFor(restBound) {
		return errors.New("a look at a process or its listeners takes long")
	}
	return nil
}

// thaw begins anew what freeze ended: the looks whether runs are ready, and well.
func (h *Host) thaw(*supervisor.Machine) error {
	if !h.frozen {
		return nil
	}
	h.frozen = false
	for _, c := range h.children {
		if l, ok := c.part.(*life); ok {
			h.beginLooks(l)
		}
	}
	return nil
}

// beginLooks begins the looks at a run that are wanted.
func (h *Host) beginLooks(l *life) {
	if l.probing && l.probe != nil {
		h.beginLook(l)
	}
	if l.checking {
		h.beginHealth(l)
	}
}

// endLooks ends them.
func (l *life) endLooks() {
	if l.stop != nil {
		l.stop()
	}
	if l.stopHealth != nil {
		l.stopHealth()
	}
}
