package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"lastout/process"
	"lastout/process/register"
	"lastout/process/signame"
	"lastout/process/systemd"
	"lastout/supervisor"
	"lastout/supervisor/control"
	"lastout/supervisor/engine"
	"lastout/supervisor/report"
)

// clearUp takes down what a lastout has left that was killed, before another tree is started in its place. It returns an
// error where the tree is not to be started: somebody asked for its end meanwhile.
func (r *runner) clearUp(f *os.File) error {
	if info, err := f.Stat(); err != nil || info.Size() == 0 {
		return nil
	}
	left, w, err := readWill(f)
	if errors.Is(err, errNothingBegun) {
		return nil
	}
	if err == nil {
		err = ofThisWorld(left.Owner)
	}
	if err != nil {
		r.tell(fmt.Sprintf("the register %s of an earlier lastout is not heeded: %v", f.Name(), err))
		return nil
	}
	return r.takeDown(left, w)
}

// ofThisWorld says why the pids of a register tell nothing here.
func ofThisWorld(o register.Owner) error {
	self, err := process.Self()
	switch {
	case err != nil:
		return err
	case o.Boot != self.Boot:
		return errors.New("the machine was started anew since, and nothing of it lives")
	case o.Space != self.Space:
		return errors.New("it was in another PID namespace, into which nobody sees from here")
	}
	return nil
}

// tell says something in the log, and in the journal when that begins.
func (r *runner) tell(text string) { r.told = append(r.told, text) }

// takeDown runs the tree that is left to its end.
func (r *runner) takeDown(left *register.Left, w *will) error {
	x := r.program.executor(w)
	x.boot = r.boot
	x.control = &controlPlane{runner: x, recorder: control.NewRecorder(len(w.Config.Processes)), began: time.Now()}
	adopt, err := x.takeOver(left, w, engine.AdoptStrangers)
	who := fmt.Sprintf("lastout (pid %d) died", left.PID)
	switch {
	case err != nil:
		x.log.flush(lastWait)
		r.tell(fmt.Sprintf("%s, and what it has left cannot be cleared up: %v", who, err))
		return nil
	case x.host == nil:
		r.tell(who + ", and has left nobody behind")
		return nil
	}
	bound := supervisor.MakePlan(w.Config.Graph, w.Config.Specs, w.Config.Options).Bound
	defer r.extend(who, bound)()
	adopt.Cause = who
	outcome, interrupted := x.end(adopt)
	r.tell(fmt.Sprintf("%s, and had left %s behind: %s", who, report.Count(len(adopt.Runs), "process"), fateOf(outcome)))
	if interrupted != "" {
		r.log.warn(fmt.Sprintf("%s: this tree is not started", interrupted))
		return codeError(outcome.Class)
	}
	return nil
}

// fateOf says what became of them.
func fateOf(o supervisor.Outcome) string {
	text := "they were taken down in order"
	for _, of := range []struct {
		what string
		who  []string
	}{{"SIGKILL was needed for", o.Killed}, {"still there", o.Lost}, {"still there", o.Survived}} {
		if len(of.who) > 0 {
			text += fmt.Sprintf("; %s: %s", of.what, names(of.who))
		}
	}
	return text
}

// end runs what was taken over to its end, and says which signal asked meanwhile that nothing be started.
func (r *runner) end(adopt supervisor.Adopt) (outcome supervisor.Outcome, interrupted string) {
	r.control.serve() // nobody: the socket is that of the tree that is to come
	over, asked := make(chan struct{}), make(chan string, 1)
	r.guard.goOn(r.boot)
	go func() {
		outcome = engine.TakeDown(r.machine, r.host, r.began(), adopt)
		r.finish()
		close(over)
	}()
	go func() {
		name := ""
		for {
			select {
			case sig := <-r.boot.Signals:
				if s, ok := sig.(syscall.Signal); ok && r.endsBy(s) {
					name = signame.Of(s)
				}
			case <-over:
				asked <- name
				return
			}
		}
	}()
	r.spawner.Serve(over)
	interrupted = <-asked
	r.guard.rest()
	r.log.flush(lastWait)
	return outcome, interrupted
}

// endsBy takes a signal that comes while a tree is cleared up, and says whether it asks for the end.
func (r *runner) endsBy(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2:
		return false
	case syscall.SIGINT:
		r.host.Interrupt(signame.Of(sig))
	}
	return true
}

// extend has the service manager wait while it lasts.
func (r *runner) extend(who string, bound time.Duration) (over func()) {
	m := r.openManager(func(err error) { r.log.debug(err.Error()) })
	if m == nil {
		return func() {}
	}
	m.Tell(systemd.Message{Status: who + ": what it has left is cleared up", Extend: bound + slack})
	return func() { m.Close(lastWait) }
}
