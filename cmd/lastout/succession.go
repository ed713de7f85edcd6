package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"lastout/cmd/lastout/guardian"
	"lastout/process"
	"lastout/process/output"
	"lastout/supervisor/config"
	"lastout/supervisor/control"
	"lastout/supervisor/engine"
	"lastout/supervisor/image"
	"lastout/supervisor/report"
)

// stateVariable is by which a successor is told the descriptor of its state.
const stateVariable = "LASTOUT_SUCCESSION"

// inheritance is what that variable tells: the descriptor, and behind it the signals that came at the last moment and
// were not taken.
type inheritance struct {
	fd      int
	signals []syscall.Signal
}

func (i inheritance) String() string {
	text := strconv.Itoa(i.fd)
	for _, s := range i.signals {
		text += "," + strconv.Itoa(int(s))
	}
	return text
}

func parseInheritance(text string) (i inheritance, err error) {
	for n, word := range strings.Split(text, ",") {
		number, err := strconv.Atoi(word)
		if err != nil {
			return i, fmt.Errorf("cannot read the state: %s=%q: %w", stateVariable, text, err)
		}
		if n == 0 {
			i.fd = number
		} else {
			i.signals = append(i.signals, syscall.Signal(number))
		}
	}
	return i, nil
}

// succession is what a runner knows of upgrades.
type succession struct {
	busy sync.Mutex // held while one is under way

	mu   sync.Mutex
	last control.Upgraded // number 0: there was none
	now  *handover        // nil: none is under way
}

// handover is an upgrade that was proven.
type handover struct {
	control.Upgrading
	candidate *candidate
	cause     string
	over      chan struct{} // closed when it has failed: its success ends this program
}

// Upgrade proves a binary, and returns what puts it in the place of the running one.
func (p *controlPlane) Upgrade(asked control.UpgradeRequest, cause string) (control.Upgrading, func(), error) {
	s := &p.succession
	if !s.busy.TryLock() {
		return control.Upgrading{}, nil, errors.New("cannot upgrade: another upgrade is under way")
	}
	a, err := p.propose(asked.Binary)
	if err != nil || asked.DryRun {
		s.busy.Unlock()
	}
	if err != nil {
		return control.Upgrading{}, nil, fmt.Errorf("cannot upgrade: %w", err)
	}
	a.cause = cause
	if asked.DryRun {
		a.candidate.close()
		return a.Upgrading, nil, nil
	}
	s.mu.Lock()
	s.now, a.Number = a, s.last.Number+1
	s.mu.Unlock()
	return a.Upgrading, func() { go p.upgrade(a) }, nil
}

// propose starts a candidate and proves it on the state as it is now.
func (r *runner) propose(path string) (*handover, error) {
	if path == "" {
		var err error
		if path, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("cannot tell which binary runs: %w", err)
		}
	}
	var state []byte
	err := r.host.Hold(func(held *engine.Held) error {
		e, resume, err := r.leave(held, 0)
		if err == nil {
			state, err = image.Encode(estateFormat, e)
		}
		resume()
		return err
	})
	if err != nil {
		return nil, err
	}
	c, err := newCandidate(r.host, path)
	if err != nil {
		return nil, err
	}
	to, err := c.prove(state, proofBound)
	if err != nil {
		c.close()
		return nil, err
	}
	from, _ := buildVersion()
	return &handover{
		Upgrading: control.Upgrading{Binary: path, From: from, To: to}, candidate: c, over: make(chan struct{}),
	}, nil
}

// upgrade makes an upgrade that was proven. Where it fails at the last moment, all goes on as if nothing had happened.
func (r *runner) upgrade(a *handover) {
	r.log.info(fmt.Sprintf("upgrading from %s to %s (%s, %s)", a.From, a.To, a.Binary, a.cause))
	goOn := r.hush()
	err := r.host.Hold(func(held *engine.Held) error { return r.replace(held, a) })
	goOn()
	a.candidate.close()
	r.log.warn(fmt.Sprintf("the upgrade failed, and %s goes on: %v", a.From, err))
	s := &r.succession
	s.mu.Lock()
	s.last = control.Upgraded{Number: a.Number, From: a.From, To: a.To, Failed: err.Error()}
	s.now = nil
	s.mu.Unlock()
	close(a.over)
	s.busy.Unlock()
}

// replace hands everything over, with the tree held, and returns only when that failed.
func (r *runner) replace(held *engine.Held, a *handover) error {
	e, resume, err := r.leave(held, a.Number)
	defer resume()
	if err != nil {
		return err
	}
	state, err := image.Encode(estateFormat, e)
	if err != nil {
		return err
	}
	if _, err := a.candidate.prove(state, lastProofBound); err != nil {
		return err
	}
	if err := a.candidate.same(); err != nil {
		return err
	}
	file, err := process.SealState(state)
	if err != nil {
		return err
	}
	defer file.Close()
	fd := int(file.Fd())
	env := process.WithoutVariable(os.Environ(), stateVariable)
	fds, env := r.guard.handOn(append(e.descriptors(), fd), env)
	held.OnMain(func() {
		r.guard.rest()
		signals := r.boot.Hold()
		env = append(env, stateVariable+"="+inheritance{fd, r.guard.unsent(signals)}.String())
		err = process.Succeed(a.Binary, os.Args, env, fds)
		r.boot.Release(signals)
		r.guard.goOn(r.boot)
	})
	return err
}

// leave gathers all that a successor needs, with the tree held. Resume lets go on what it brought to rest.
func (r *runner) leave(held *engine.Held, number int) (e *estate, resume func(), err error) {
	version, _ := buildVersion()
	e = &estate{
		Version: version, Number: number, From: monotonic(), Host: held.Kept, Header: r.header, ReportFile: r.reportFile,
		Control: r.control.keep(), Manager: r.manager.keep(), Register: r.registry.keep(),
	}
	resting := []*output.Sink{}
	resume = func() {
		for _, s := range resting {
			s.Resume()
		}
	}
	for _, j := range r.journals {
		k, err := j.keep()
		resting = append(resting, j.sink)
		if err != nil {
			return nil, resume, err
		}
		e.Journals = append(e.Journals, k)
	}
	if r.stderr == r.stdout {
		r.log.queue.Flush(lastWait)
		// It was brought to rest with the output of the children, and what the log had in its own queue comes behind.
		held.Again(r.stdout)
		return e, resume, nil
	}
	paused := r.stderr.Pause(lastWait)
	resting = append(resting, r.stderr)
	if !paused {
		return nil, resume, errors.New("stderr does not take what is written to it")
	}
	r.log.queue.Flush(lastWait)
	k := r.stderr.Keep()
	e.Stderr = &k
	return e, resume, nil
}

// Upgraded waits until an upgrade is over, and tells how.
func (p *controlPlane) Upgraded(ctx context.Context, number int) (control.Upgraded, bool) {
	s := &p.succession
	s.mu.Lock()
	last, now := s.last, s.now
	s.mu.Unlock()
	if now == nil || now.Number != number {
		return last, number > 0 && number == last.Number
	}
	select {
	case <-now.over:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.last, true
	case <-ctx.Done():
		return control.Upgraded{}, false
	}
}

// succeed takes the tree over from another build that was in this process before.
func (p *program) succeed(text string, again func() (*config.Config, error)) error {
	_ = os.Unsetenv(stateVariable)
	left, err := parseInheritance(text)
	if err != nil {
		return err
	}
	state, err := process.ReadState(left.fd)
	if err != nil {
		return err
	}
	e := new(estate)
	if err := image.Decode(estateFormat, state, e); err != nil {
		return err
	}
	if err := e.check(); err != nil {
		return err
	}
	r, err := p.heir(e)
	if err != nil {
		return err
	}
	r.again = again
	r.boot.Again(left.signals)
	if path, err := os.Executable(); err == nil {
		_ = r.guard.tell(guardian.Became(path))
	}
	r.goOn(e)
	return nil
}

// heir is a runner that goes on with an estate.
func (p *program) heir(e *estate) (*runner, error) {
	stdout, stderr := output.Standard()
	r := &runner{
		program: p, config: e.Host.Config, machine: e.Host.Machine, spawner: process.NewSpawner(),
		reportFile: e.ReportFile, header: e.Header, stdout: stdout, stderr: stderr,
	}
	if e.Stderr != nil {
		stderr.Restore(*e.Stderr)
	}
	r.log = newLogger(stderr, r.config.Log, onTerminal(p.stderr))
	for i := range e.Journals {
		r.journals = append(r.journals, restoreJournal(&e.Journals[i]))
	}
	r.restoreRegister(e.Register)
	var err error
	if r.control, err = r.restoreControl(&e.Control); err != nil {
		return nil, err
	}
	if r.host, err = engine.Restore(r.hostOptions(), e.Host); err != nil {
		return nil, err
	}
	r.bequeath() // as this build writes it
	r.heedManager()
	r.manager.restore(e.Manager)
	return r, nil
}

// goOn runs the tree to its end.
func (r *runner) goOn(e *estate) {
	version, _ := buildVersion()
	away := time.Duration(monotonic() - e.From)
	r.succession.last = control.Upgraded{
		Number: e.Number, From: e.Version, To: version, Kept: e.Host.Runs(), Away: control.Seconds(away.Seconds()),
	}
	r.host.Upgraded(fmt.Sprintf("upgraded from %s to %s: %s kept, without a supervisor for %v", e.Version, version,
		report.Count(e.Host.Runs(), "process"), away.Round(10*time.Microsecond)))
	r.serve(func() int { return engine.Continue(r.machine, r.host, e.Host.Began()).Code })
}
