package engine

import (
	"context"
	"fmt"
	"time"

	"lastout/process"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// checkHealth begins to look whether a run is well, when its grace is over. Nothing runs for a process without health.
func (h *Host) checkHealth(a supervisor.CheckHealth) {
	l := h.lifeOf(a.Run)
	if l == nil {
		return
	}
	l.checking = true
	if !h.frozen {
		h.beginHealth(l)
	}
}

func (h *Host) beginHealth(l *life) {
	inst := l.set.inst
	health := inst.Health
	grace := max(0, health.Grace-time.Since(l.began))
	ctx, stop := context.WithCancel(h.alive)
	l.stopHealth = stop
	if health.Watchdog > 0 {
		h.probers.Go(func() { h.watchdog(ctx, l, max(grace, health.Watchdog), health.Watchdog) })
		return
	}
	check := func() { h.checkOn(ctx, l, grace, health, h.healthLook(l, inst.Name, health)) }
	if health.Exec != nil {
		go check() // it waits for its child, and that for the loop
		return
	}
	h.probers.Go(check)
}

func (h *Host) healthLook(l *life, name string, health config.Health) look {
	switch {
	case health.TCP != "":
		return tcpLook(health.TCP)
	case health.HTTP != "":
		return httpLook(health.HTTP, &h.given)
	default:
		return h.execLook(l, name+" health", *health.Exec)
	}
}

// checkOn looks at every interval, and tells of each look that failed and of the first that did not after one.
func (h *Host) checkOn(ctx context.Context, l *life, grace time.Duration, health config.Health, look look) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(health.Interval)
		within, cancel := context.WithTimeout(ctx, health.Timeout)
		err := look(within)
		if err != nil && within.Err() != nil {
			err = fmt.Errorf("no answer within %v", health.Timeout)
		}
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			l.sick.Store(true)
			h.box.Put(supervisor.HealthFailed{Inst: l.inst, Run: l.run, Why: err.Error()})
		case l.sick.Swap(false):
			h.box.Put(supervisor.HealthWorks{Inst: l.inst, Run: l.run})
		}
	}
}

// watchdog waits for word of the program itself. The first may take as long as its grace.
func (h *Host) watchdog(ctx context.Context, l *life, first, every time.Duration) {
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.howls:
			h.box.Put(supervisor.HealthFailed{Inst: l.inst, Run: l.run, Final: true, Why: "it sent WATCHDOG=trigger"})
			return
		case <-l.barks:
			timer.Reset(every)
		case <-timer.C:
			why := fmt.Sprintf("it did not send WATCHDOG=1 within %v", every)
			h.box.Put(supervisor.HealthFailed{Inst: l.inst, Run: l.run, Final: true, Why: why})
			return
		}
	}
}

// heard takes in what a run says of itself by its NOTIFY_SOCKET, on the socket's goroutine.
func (l *life) heard(m process.Message) {
	if m.Ready && l.notified != nil {
		l.notified()
	}
	if m.Watchdog {
		leave(l.barks)
	}
	if m.Trigger {
		leave(l.howls)
	}
}

// leave leaves word, unless it lies there already.
func leave(word chan struct{}) {
	select {
	case word <- struct{}{}:
	default:
	}
}

// stopHealth ends the looks at a run.
func (h *Host) stopHealth(a supervisor.StopHealth) {
	l := h.lifeOf(a.Run)
	if l == nil {
		return
	}
	l.checking = false
	if l.stopHealth != nil {
		l.stopHealth()
	}
	if l.look != nil {
		h.kill(l.look)
	}
}
