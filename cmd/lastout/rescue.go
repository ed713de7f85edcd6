package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"lastout/cmd/lastout/guardian"
	"lastout/ordering"
	"lastout/process"
	"lastout/process/output"
	"lastout/process/register"
	"lastout/process/signame"
	"lastout/supervisor"
	"lastout/supervisor/config"
	"lastout/supervisor/control"
	"lastout/supervisor/engine"
	"lastout/supervisor/image"
)

// A rescue takes the place of the guardian of a lastout that was killed: its children are ours by now, and leave in order.

// killedCode is the exit code of a rescue that was told none.
const killedCode = 128 + int(syscall.SIGKILL)

// rescue takes down what a lastout has left whose parent we were.
func (p *program) rescue(text string) error {
	_ = os.Unsetenv(guardian.RescueVariable)
	_ = os.Unsetenv(guardian.RegisterVariable)
	code, err := strconv.Atoi(os.Getenv(guardian.ExitVariable))
	if err != nil || code <= 0 {
		code = killedCode
	}
	_ = os.Unsetenv(guardian.ExitVariable)
	left, w, unreadable := inheritWill(text)
	if unreadable != nil {
		left, w = &register.Left{}, &will{Config: nobodyKnown()}
	}
	r := p.executor(w)
	who := fmt.Sprintf("lastout (pid %d) %s", left.PID, deathOf(code))
	switch {
	case errors.Is(unreadable, errNothingBegun):
		who = "lastout " + deathOf(code)
	case unreadable != nil:
		who = "lastout " + deathOf(code)
		r.log.warn(fmt.Sprintf("cannot read the register: %v: everybody is told to leave at once", unreadable))
	}
	r.restrain(left.Ends)
	r.reopenControl(w)
	if err := r.lockRegister(w.Register); err != nil {
		r.log.warn("somebody else sees to the register: " + err.Error())
	}
	r.heedManager()
	adopt, err := r.takeOver(left, w, engine.Adopt)
	if err != nil {
		r.log.flush(lastWait)
		return err
	}
	adopt.Cause, adopt.Code = who, code
	r.serve(func() int { return engine.TakeDown(r.machine, r.host, r.began(), adopt).Code })
	return nil
}

// inheritWill reads the register that a guardian has handed on.
func inheritWill(text string) (*register.Left, *will, error) {
	fd, err := strconv.Atoi(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s=%q: %w", guardian.RescueVariable, text, err)
	}
	f := os.NewFile(uintptr(fd), "register")
	defer f.Close()
	return readWill(f)
}

// errNothingBegun says that lastout died before it had started anybody.
var errNothingBegun = errors.New("nothing was started yet")

// readWill reads a register with its plan.
func readWill(f *os.File) (*register.Left, *will, error) {
	left, err := register.Read(f)
	if err != nil {
		return nil, nil, err
	}
	if left.Plan == nil {
		return nil, nil, errNothingBegun
	}
	w := new(will)
	if err := image.Decode(willFormat, left.Plan, w); err != nil {
		return nil, nil, err
	}
	if w.Config == nil || w.Config.Graph == nil || w.Config.Graph.Len() != len(w.Config.Specs) ||
		len(w.Config.Specs) != len(w.Config.Processes) {
		return nil, nil, errors.New("a part of its plan is missing")
	}
	return left, w, nil
}

// nobodyKnown is the configuration of a tree that nothing is known of, with the usual bounds.
func nobodyKnown() *config.Config {
	graph, err := ordering.New(nil)
	if err != nil {
		panic("rescue: " + err.Error()) // a graph of nobody has no fault
	}
	return &config.Config{
		Name: "lastout", Graph: graph, Log: config.LogSettings{Level: "info", Format: "auto"},
		Control: config.Control{Socket: config.NoSocket},
		Options: supervisor.Options{Timeout: 30 * time.Second, Reserve: 2 * time.Second, KillTimeout: 5 * time.Second},
	}
}

// deathOf says of which signal it died.
func deathOf(code int) string {
	if code > 128 {
		return "was killed by " + signame.Of(syscall.Signal(code-128))
	}
	return fmt.Sprintf("ended with exit code %d and left its tree behind", code)
}

// executor is a runner that takes down what another one has left.
func (p *program) executor(w *will) *runner {
	stdout, stderr := output.Standard()
	r := &runner{
		program: p, config: w.Config, header: w.Header, reportFile: w.ReportFile, spawner: process.NewSpawner(),
		registry: &registry{}, stdout: stdout, stderr: stderr,
		again: func() (*config.Config, error) {
			return nil, errors.New("lastout was killed, and its tree is only taken down")
		},
	}
	r.log = newLogger(stderr, w.Config.Log, onTerminal(p.stderr))
	for _, j := range w.Journals {
		again, err := reopenJournal(j)
		if err != nil {
			r.log.warn(fmt.Sprintf("cannot go on with the journal %s: %v", j.Path, err))
			continue
		}
		r.journals = append(r.journals, again)
	}
	return r
}

// restrain leaves a shutdown that was under way no more time than it had, but for a reserve.
func (r *runner) restrain(ends time.Duration) {
	if o := &r.config.Options; ends > 0 {
		left := max(ends-time.Duration(monotonic()), o.Reserve)
		if o.Timeout == 0 || left < o.Timeout {
			o.Timeout = left
		}
	}
}

// reopenControl opens the control socket anew. The tree is taken down without one where there can be none.
func (r *runner) reopenControl(w *will) {
	var err error
	if r.control, err = r.openControl(w.Socket); err != nil {
		r.log.warn(err.Error())
		r.control = &controlPlane{runner: r, recorder: control.NewRecorder(len(w.Config.Processes)), began: time.Now()}
	}
}

// lockRegister takes the file over that the next start would look at.
func (r *runner) lockRegister(path string) (err error) {
	if path == "" {
		return nil
	}
	if r.registry.file, err = register.Open(path); err == nil {
		r.registry.path = path
	}
	return err
}

// takeOver makes the machine and the host of what is left.
func (r *runner) takeOver(left *register.Left, w *will,
	take func(engine.HostOptions, process.Legacy) (*engine.Host, []supervisor.Adopted, error),
) (adopt supervisor.Adopt, err error) {
	for id := range r.config.Specs { // users may have scaled it
		s := &r.config.Specs[id]
		s.Instances = max(s.Instances, len(r.config.Processes[id].Instances))
	}
	r.machine = supervisor.New(r.config.Graph, r.config.Specs, r.config.Options)
	legacy := process.Legacy{Trees: w.Trees, Highest: left.Highest, Rows: left.Rows}
	r.host, adopt.Runs, err = take(r.hostOptions(), legacy)
	return adopt, err
}

// began is the instant 0 of the tree that is left, so that its journal goes on by its own clock.
func (r *runner) began() time.Time {
	if at := r.header.Monotonic; at > 0 && at <= monotonic() {
		return engine.At(at)
	}
	return time.Now()
}
