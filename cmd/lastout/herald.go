package main

import (
	"os"
	"sync/atomic"
	"time"

	"lastout/cmd/lastout/guardian"
	"lastout/process/systemd"
	"lastout/supervisor"
	"lastout/supervisor/journal"
	"lastout/supervisor/report"
)

// herald tells the service manager what the reports say. A nil one is nobody's.
type herald struct {
	manager  *systemd.Manager
	standing *report.Standing
	every    time.Duration // of the watchdog; 0: nobody asks for it
	ready    atomic.Bool   // and that was said
	down     bool
	status   string
}

// slack is what an extension is longer than the wait that it is for: a loaded machine wakes us late, and at the very end
// there is our own leaving.
const slack = 5 * time.Second

// heedManager looks for a service manager.
func (r *runner) heedManager() {
	m := r.openManager(func(err error) { r.log.warn(err.Error()) })
	if m == nil {
		return
	}
	r.manager = &herald{
		manager: m, standing: report.NewStanding(journal.Records(r.config.Nodes, r.config.Specs)),
		every: systemd.Watchdog(os.Getenv, os.Getpid()),
	}
}

// openManager finds it. It may hear the guardian only, which it has started; nil: there is none.
func (r *runner) openManager(fail func(error)) *systemd.Manager {
	if r.guard != nil {
		return systemd.OpenBy(os.Getenv, func(text string) error { return r.guard.tell(guardian.Notify(text)) }, fail)
	}
	m, err := systemd.Open(os.Getenv, fail)
	if err != nil {
		fail(err)
	}
	return m
}

// watch vouches for the loop for as long as it answers.
func (h *herald) watch(alive func() bool) {
	if h != nil {
		h.manager.Watch(h.every, alive)
	}
}

// report takes every report, on the loop. It does not wait.
func (h *herald) report(r supervisor.Report) {
	if h == nil {
		return
	}
	further := h.standing.Follow(r)
	var msg systemd.Message
	if h.standing.Down() && !h.down {
		h.down, msg.Stopping = true, true
	}
	if !h.ready.Load() && h.standing.Ready() {
		h.ready.Store(true)
		msg.Ready = true
	}
	if line := h.standing.Line(); line != h.status {
		h.status, msg.Status = line, line
	}
	// Once it is up there is no time that could run out, until it goes down.
	if further && (h.down || !h.ready.Load()) {
		if within := h.standing.Within(r.At); within > 0 {
			msg.Extend = within + slack
		}
	}
	h.manager.Tell(msg)
}

// reload says that the configuration is being read anew; the function that it returns, that this is over.
func (h *herald) reload() func() {
	if h == nil || !h.ready.Load() {
		return func() {}
	}
	h.manager.Tell(systemd.Message{Reloading: true, Monotonic: time.Duration(monotonic())})
	return func() { h.manager.Tell(systemd.Message{Ready: true}) }
}

// close says the last words.
func (h *herald) close() {
	if h != nil {
		h.manager.Close(lastWait)
	}
}
