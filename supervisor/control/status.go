package control

import (
	"context"
	"net/http"
	"slices"
	"time"

	"lastout/process/signame"
	"lastout/supervisor"
)

// errOver says that there is no tree any more.
var errOver = problemf(http.StatusServiceUnavailable, "the tree is gone; lastout is about to end")

// snapshot asks the loop. It answers between two steps; should it not, nobody hangs here for long.
func (s *Server) snapshot(ctx context.Context) (supervisor.Snapshot, error) {
	type answer struct {
		snapshot supervisor.Snapshot
		ok       bool
	}
	got := make(chan answer, 1)
	go func() {
		snapshot, ok := s.System.Snapshot()
		got <- answer{snapshot, ok}
	}()
	timer := time.NewTimer(loopBound)
	defer timer.Stop()
	select {
	case a := <-got:
		if !a.ok {
			return a.snapshot, errOver
		}
		return a.snapshot, nil
	case <-ctx.Done():
		return supervisor.Snapshot{}, ctx.Err()
	case <-timer.C:
		return supervisor.Snapshot{}, problemf(http.StatusServiceUnavailable, "lastout does not answer within %v", loopBound)
	}
}

func (s *Server) about(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, s.System.About())
}

func (s *Server) status(w http.ResponseWriter, req *http.Request) error {
	snapshot, err := s.snapshot(req.Context())
	if err != nil {
		return err
	}
	query := req.URL.Query()
	chosen, err := choose(snapshot, query["name"])
	if err != nil {
		return err
	}
	status := StatusOf(snapshot, s.System.About(), time.Now())
	if query.Get("brief") != "true" {
		s.look(&status)
	}
	if len(query["name"]) > 0 {
		status.keep(chosen, query["name"])
	}
	return writeJSON(w, http.StatusOK, status)
}

// look adds what the kernel knows.
func (s *Server) look(status *Status) {
	usage, connections, unready := s.System.Usage(), s.System.Connections(), s.System.Unready()
	for i := range status.Processes {
		for j := range status.Processes[i].Instances {
			x := &status.Processes[i].Instances[j]
			run := supervisor.Run(x.Run)
			if u, ok := usage[run]; ok && x.State.Alive() {
				x.Usage = &u
			}
			if c, ok := connections[run]; ok && x.State.Alive() {
				x.Connections = &c
			}
			if !x.Ready && x.State == supervisor.Running {
				x.Why = unready[run]
			}
		}
	}
}

// keep drops the instances that are not asked for, and processes of which nothing is.
func (status *Status) keep(chosen map[string]bool, names []string) {
	for i := range status.Processes {
		p := &status.Processes[i]
		p.Instances = slices.DeleteFunc(p.Instances, func(x InstanceStatus) bool { return !chosen[x.Name] })
	}
	status.Processes = slices.DeleteFunc(status.Processes, func(p ProcessStatus) bool {
		return len(p.Instances) == 0 && !slices.Contains(names, p.Name)
	})
}

// StatusOf puts a snapshot into the words of the control plane; now is the time of day at which it was taken.
func StatusOf(s supervisor.Snapshot, about About, now time.Time) Status {
	status := Status{
		About: about, Now: now, Phase: s.Phase, Level: s.Level, Ready: treeReady(s), Processes: []ProcessStatus{},
	}
	if s.Phase != supervisor.Up && s.Ends > 0 {
		status.Left = SecondsOf(max(0, s.Ends-s.At))
	}
	for _, o := range s.Operations {
		status.Operations = append(status.Operations, OperationStatus{
			ID: uint64(o.Op), Verb: o.Verb, Cause: o.Cause, Since: now.Add(o.Since - s.At), WaitsFor: o.WaitsFor,
		})
	}
	empty := s.Empty
	addEmpty := func(before int) {
		for ; len(empty) > 0 && empty[0].Before <= before; empty = empty[1:] {
			status.Processes = append(status.Processes, ProcessStatus{
				Name: empty[0].Process, Role: empty[0].Role, Essential: !empty[0].Optional, Disabled: empty[0].Disabled,
				Ready: true, Instances: []InstanceStatus{},
			})
		}
	}
	waits := newWaits(s)
	for i := range s.Instances {
		x := &s.Instances[i]
		if n := len(status.Processes); n == 0 || status.Processes[n-1].Name != x.Process {
			addEmpty(i)
			status.Processes = append(status.Processes, ProcessStatus{
				Name: x.Process, Role: x.Role, Essential: !x.Optional, Ready: true,
			})
		}
		p := &status.Processes[len(status.Processes)-1]
		one := instanceOf(s, x, now, waits)
		p.Ready = p.Ready && one.Ready
		p.Instances = append(p.Instances, one)
	}
	addEmpty(len(s.Instances))
	return status
}

func instanceOf(s supervisor.Snapshot, x *supervisor.InstanceSnapshot, now time.Time, waits waits) InstanceStatus {
	one := InstanceStatus{
		Name: x.Name, State: x.State, Since: now.Add(x.Since - s.At), For: Seconds((s.At - x.Since).Seconds()),
		Ready: instanceReady(x), Wanted: x.Wanted, Healthy: x.Healthy, Run: uint64(x.Run), PID: x.PID, Restarts: x.Restarts,
	}
	if x.Bound > 0 && x.Bound != supervisor.Forever {
		one.Left = SecondsOf(x.Bound)
	}
	if x.Exit != nil {
		one.Exit = &ExitStatus{Code: x.Exit.Code, Core: x.Exit.Core, OOM: x.Exit.OOM}
		if x.Exit.Signal != 0 {
			one.Exit.Signal = signame.Of(x.Exit.Signal)
		}
	}
	for _, name := range x.WaitsFor {
		one.WaitsFor = append(one.WaitsFor, waits.on(name, x.Name)...)
	}
	return one
}

// waits finds of a process that is waited for the instances that hold the wait up.
type waits struct {
	by map[string][]*supervisor.InstanceSnapshot // by process, and by their own names
	up bool
}

func newWaits(s supervisor.Snapshot) waits {
	w := waits{by: map[string][]*supervisor.InstanceSnapshot{}, up: s.Phase == supervisor.Up}
	for i := range s.Instances {
		x := &s.Instances[i]
		w.by[x.Process] = append(w.by[x.Process], x)
		if x.Name != x.Process {
			w.by[x.Name] = append(w.by[x.Name], x)
		}
	}
	return w
}

// on names the instances of a process, or that instance, that somebody waits for.
func (w waits) on(name, waiter string) []Wait {
	var found []Wait
	for _, x := range w.by[name] {
		over := x.State.Left()
		if w.up {
			over = instanceReady(x)
		}
		if over || x.Name == waiter {
			continue
		}
		one := Wait{Name: x.Name}
		if x.Bound > 0 {
			one.Left = SecondsOf(x.Bound)
		}
		found = append(found, one)
	}
	if len(found) == 0 {
		found = []Wait{{Name: name}}
	}
	return found
}

// instanceReady says whether it serves: one whose health fails is not ready until that works again.
func instanceReady(x *supervisor.InstanceSnapshot) bool {
	return x.State == supervisor.Ready && (x.Healthy == nil || *x.Healthy) || x.Role == "task" && x.State == supervisor.Done
}

// treeReady is what /readyz says: no shutdown has begun, and everything essential is ready.
func treeReady(s supervisor.Snapshot) bool {
	if s.Phase != supervisor.Up {
		return false
	}
	for i := range s.Instances {
		if x := &s.Instances[i]; matters(x) && !instanceReady(x) {
			return false
		}
	}
	return true
}

// matters says whether the tree is not ready without an instance. Who is off is not meant to run.
func matters(x *supervisor.InstanceSnapshot) bool { return x.State != supervisor.Off && !x.Optional }
