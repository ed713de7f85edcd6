package control

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"lastout/process/signame"
	"lastout/supervisor"
)

// Wish is what all operations have in common.
type Wish struct {
	Names   []string `json:"names,omitempty" doc:"processes, or instances"`
	Wait    bool     `json:"wait,omitempty" doc:"answer when it is over, and not when it has begun"`
	Timeout Seconds  `json:"timeout_seconds,omitempty" doc:"after which it has failed, and is not waited for; what has begun goes on"`
}

// StartRequest starts processes, and all that they need.
type StartRequest struct {
	Wish
	NoDeps bool `json:"no_deps,omitempty" doc:"start only what is named"`
}

// StopRequest stops processes, and their dependents.
type StopRequest struct {
	Wish
	NoDeps bool `json:"no_deps,omitempty" doc:"stop only what is named"`
}

// RestartRequest stops processes and starts them again.
type RestartRequest struct {
	Wish
	Rolling bool `json:"rolling,omitempty" doc:"instance by instance, the next when the one before it is ready again"`
}

// ScaleRequest changes the number of a process's instances.
type ScaleRequest struct {
	Wish
	Instances int `json:"instances"`
}

// DrainRequest has gateways turn work away and finish what is in hand.
type DrainRequest struct {
	Wish
	Undo bool `json:"undo,omitempty" doc:"let work in again"`
}

// SignalRequest sends a signal to main processes.
type SignalRequest struct {
	Names  []string `json:"names,omitempty" doc:"processes, or instances"`
	Signal string   `json:"signal" doc:"SIGHUP, or HUP"`
}

// Operation is what became of one.
type Operation struct {
	ID        uint64            `json:"id"`
	Verb      supervisor.Verb   `json:"verb"`
	Result    supervisor.Result `json:"result" doc:"accepted, done or failed"`
	Instances []string          `json:"instances,omitempty" doc:"those that it touches; those for whom it failed"`
	Note      string            `json:"note,omitempty" doc:"what may surprise, or why it failed"`
}

// operation is a handler: body reads the request, and says what it means.
func operation[T any](meaning func(T) (Wish, supervisor.Operation, error)) func(*Server, http.ResponseWriter, *http.Request) error {
	return func(s *Server, w http.ResponseWriter, req *http.Request) error {
		var asked T
		if err := readJSON(req, &asked); err != nil {
			return err
		}
		wish, o, err := meaning(asked)
		if err != nil {
			return err
		}
		if wish.Timeout < 0 {
			return problemf(http.StatusBadRequest, "timeout_seconds: %v is no time", wish.Timeout)
		}
		o.Names, o.Timeout = wish.Names, wish.Timeout.Duration()
		return s.operate(w, req, o, wish.Wait)
	}
}

// operate hands an operation to the machine, and tells what became of it.
func (s *Server) operate(w http.ResponseWriter, req *http.Request, o supervisor.Operation, wait bool) error {
	if len(o.Names) == 0 {
		return problemf(http.StatusBadRequest, "names: it is not said who is meant")
	}
	snapshot, err := s.snapshot(req.Context())
	if err != nil {
		return err
	}
	if _, err := choose(snapshot, o.Names); err != nil {
		return err
	}
	peer, _ := peerIn(req.Context())
	o.Cause = string(o.Verb) + " by " + peer.String()
	begin := func() (<-chan supervisor.Report, error) { return s.System.Operate(o), nil }
	return s.tell(w, req, begin, o.Cause, wait)
}

// tell begins an operation and says what becomes of it: its acceptance, or with wait its end. Who waits has a place for
// that before it begins.
func (s *Server) tell(w http.ResponseWriter, req *http.Request, begin func() (<-chan supervisor.Report, error), cause string,
	wait bool,
) error {
	var gone <-chan struct{}
	if wait {
		f, err := s.follow(w, req)
		if err != nil {
			return err
		}
		defer f.leave()
		gone = f.gone
	}
	answers, err := begin()
	if err != nil {
		return err
	}
	timer := time.NewTimer(loopBound)
	defer timer.Stop()
	var first supervisor.Report
	var ok bool
	select {
	case first, ok = <-answers:
	case <-timer.C:
		return problemf(http.StatusServiceUnavailable, "lastout does not answer within %v", loopBound)
	}
	switch {
	case !ok:
		return errOver
	case first.Result == supervisor.Refused:
		return problemf(http.StatusConflict, "%s is refused: %s", first.Verb, first.Cause)
	case !wait:
		return writeJSON(w, http.StatusAccepted, operationOf(first, cause))
	}
	select {
	case last, ok := <-answers:
		if !ok {
			return errOver
		}
		done := operationOf(last, cause)
		if last.Result == supervisor.Completed {
			done.Instances, done.Note = first.After, operationOf(first, cause).Note
		}
		return writeJSON(w, http.StatusOK, done)
	case <-s.alive.Done():
		return errOver
	case <-gone:
		return nil
	}
}

// operationOf is what a report says of an operation. Who asked for it is known to whoever did.
func operationOf(r supervisor.Report, cause string) Operation {
	note := strings.TrimPrefix(strings.TrimPrefix(r.Cause, cause), "; ")
	return Operation{ID: uint64(r.Op), Verb: r.Verb, Result: r.Result, Instances: slices.Clone(r.After), Note: note}
}

func starting(r StartRequest) (Wish, supervisor.Operation, error) {
	return r.Wish, supervisor.Operation{Verb: supervisor.VerbStart, NoDeps: r.NoDeps}, nil
}

func stopping(r StopRequest) (Wish, supervisor.Operation, error) {
	return r.Wish, supervisor.Operation{Verb: supervisor.VerbStop, NoDeps: r.NoDeps}, nil
}

func restarting(r RestartRequest) (Wish, supervisor.Operation, error) {
	verb := supervisor.VerbRestart
	if r.Rolling {
		verb = supervisor.VerbRolling
	}
	return r.Wish, supervisor.Operation{Verb: verb}, nil
}

func scaling(r ScaleRequest) (Wish, supervisor.Operation, error) {
	var err error
	if r.Instances < 0 {
		err = problemf(http.StatusBadRequest, "instances: %d is no number of copies", r.Instances)
	}
	return r.Wish, supervisor.Operation{Verb: supervisor.VerbScale, Count: r.Instances}, err
}

func draining(r DrainRequest) (Wish, supervisor.Operation, error) {
	verb := supervisor.VerbDrain
	if r.Undo {
		verb = supervisor.VerbUndrain
	}
	return r.Wish, supervisor.Operation{Verb: verb}, nil
}

func signalling(r SignalRequest) (Wish, supervisor.Operation, error) {
	sig, ok := signame.Parse(r.Signal)
	var err error
	if !ok {
		err = problemf(http.StatusBadRequest, "signal: there is no signal %q", r.Signal)
	}
	return Wish{Names: r.Names}, supervisor.Operation{Verb: supervisor.VerbSignal, Signal: sig}, err
}
