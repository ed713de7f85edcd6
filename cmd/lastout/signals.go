package main

import (
	"syscall"
	"time"

	"lastout/process/signame"
	"lastout/supervisor/control"
)

// listen turns signals into what they mean. Who sent one is not known here.
func (r *runner) listen() {
	r.guard.goOn(r.boot)
	pid1, died := r.first(), r.guard.died()
	for {
		select {
		case sig := <-r.boot.Signals:
			if s, ok := sig.(syscall.Signal); ok {
				r.take(s, pid1)
			}
		case <-died:
			died = nil
			r.host.Stop("the guardian has died")
		case h := <-r.hushed:
			close(h.rests)
			<-h.goOn
		}
	}
}

// reload takes the changed configuration. A faulty one changes nothing.
func (r *runner) reload(cause string) {
	defer r.manager.reload()()
	cfg, err := r.again()
	if err != nil {
		r.log.Error().Msg(cause + ": the configuration has faults, and nothing changes:\n" + err.Error())
		return
	}
	for range r.host.Reload(cfg, cause).Answers() { // the log has them as reports
	}
}

// hush is a rest of listen: what comes meanwhile waits in its channel.
type hush struct{ rests, goOn chan struct{} }

// hush has no signal be taken until goOn is called. Those that were taken are in the mailbox then.
func (r *runner) hush() (goOn func()) {
	h := hush{make(chan struct{}), make(chan struct{})}
	r.hushed <- h
	<-h.rests
	return func() { close(h.goOn) }
}

// take acts on one signal. As PID 1 whatever has no other duty stops the tree, because images name many different
// signals as theirs; SIGUSR1 is among them and shows no status there.
func (r *runner) take(sig syscall.Signal, pid1 bool) {
	name := signame.Of(sig)
	switch {
	case sig == syscall.SIGINT:
		r.host.Interrupt(name)
	case sig == syscall.SIGHUP:
		go r.reload(name) // reading files may take its time, and other signals are not to wait for it
	case sig == syscall.SIGUSR2:
		r.host.ReopenLogs()
		r.log.info("SIGUSR2: log files are opened anew")
	case sig == syscall.SIGUSR1 && !pid1:
		if s, ok := r.host.Snapshot(); ok {
			r.log.status(control.StatusOf(s, r.control.About(), time.Now()), width(r.program.stderr))
		}
	default:
		r.host.Stop(name)
	}
}
