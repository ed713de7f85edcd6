package engine

import (
	"context"
	"errors"
	"fmt"

	"lastout/supervisor"
	"lastout/supervisor/config"
)

// probe begins to look whether a run is ready.
func (h *Host) probe(a supervisor.Probe) {
	l := h.lifeOf(a.Run)
	if l == nil || l.probe == nil {
		return
	}
	l.probing = true
	if !h.frozen {
		h.beginLook(l)
	}
}

func (h *Host) beginLook(l *life) {
	ctx, stop := context.WithCancel(h.alive)
	l.stop = stop
	probe := l.probe
	look := func() {
		if probe(ctx, func(err error) { l.seen.Store(&err) }) {
			h.box.Call(func(supervisor.Instant, *supervisor.Machine) supervisor.Event {
				l.probing = false
				return supervisor.BecameReady{Inst: l.inst, Run: l.run}
			})
		}
	}
	if l.asks {
		go look() // it waits for its child, and that for the loop
		return
	}
	h.probers.Go(look)
}

// stopProbe ends that. Where the run lives on and no shutdown began, the time for it is over, and what was seen last
// tells people why.
func (h *Host) stopProbe(a supervisor.StopProbe) {
	c := h.runs[a.Run]
	if c == nil {
		return
	}
	l := c.part.(*life)
	l.probing = false
	if l.stop == nil {
		return
	}
	l.stop()
	if l.look != nil {
		h.kill(l.look)
	}
	if seen := l.seen.Load(); seen != nil && !c.over && !h.down {
		h.note(fmt.Sprintf("%s is not ready: %v", c.name, *seen))
	}
}

// execLook asks a program whether a run is ready: exit 0 says yes. A look that is given up is killed, and the next one
// begins only when it is gone, so that there is never more than one.
func (h *Host) execLook(l *life, name string, command config.Command) look {
	return func(ctx context.Context) error {
		ended := make(chan error, 1)
		c := &child{name: name, command: command, hook: true}
		c.part = &asker{life: l, child: c, ended: ended}
		c.prepare = func(*child) error { return nil }
		h.onLoop(func() {
			if ctx.Err() != nil {
				ended <- ctx.Err()
				return
			}
			l.look = c
			h.start(c)
		})
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
		}
		h.onLoop(func() { h.kill(c) })
		select {
		case err := <-ended:
			return err
		case <-h.box.Over():
			return ctx.Err()
		}
	}
}

// onLoop runs f on the loop, unless that is over.
func (h *Host) onLoop(f func()) {
	h.box.Call(func(supervisor.Instant, *supervisor.Machine) supervisor.Event {
		f()
		return nil
	})
}

// asker is the part of an exec probe's child.
type asker struct {
	life  *life
	child *child
	ended chan<- error
}

func (k *asker) started(int) supervisor.Event { return nil }

func (k *asker) failed(err error) supervisor.Event { return k.over(err) }

func (k *asker) exited(exit supervisor.Exit, left int) supervisor.Event {
	if left > 0 {
		k.life.host.kill(k.child)
	}
	if text := failure(exit); text != "" {
		return k.over(errors.New(text))
	}
	return k.over(nil)
}

func (k *asker) gone() supervisor.Event { return nil }

func (k *asker) over(err error) supervisor.Event {
	if k.life.look == k.child {
		k.life.look = nil
	}
	k.ended <- err
	return nil
}
