package control

import (
	"cmp"
	"io"
	"maps"
	"mime"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"lastout/supervisor"
)

// metrics answers with all metrics.
func (s *Server) metrics(w http.ResponseWriter, req *http.Request) error {
	snapshot, err := s.snapshot(req.Context())
	if err != nil {
		return err
	}
	e := &exposition{open: wantsOpenMetrics(req.Header.Get("Accept"))}
	status := StatusOf(snapshot, s.System.About(), time.Now())
	s.look(&status)
	treeMetrics(e, &status)
	instanceMetrics(e, &status)
	usageMetrics(e, &status)
	countMetrics(e, s.Recorder.counts.copy())
	sinkMetrics(e, s.System.Sinks())
	w.Header().Set("Content-Type", e.contentType())
	w.Header().Set("Cache-Control", "no-store")
	_, err = io.WriteString(w, e.text())
	return err
}

// wantsOpenMetrics says whether a client asks for that format.
func wantsOpenMetrics(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		kind, parameters, err := mime.ParseMediaType(part)
		if err == nil && kind == "application/openmetrics-text" && parameters["q"] != "0" {
			return true
		}
	}
	return false
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// treeMetrics are those of the whole.
func treeMetrics(e *exposition, s *Status) {
	e.family("lastout_build_info", "gauge", "What runs: always 1.")
	e.sample(1, "version", s.Version, "goversion", runtime.Version(), "tree", s.Name)
	e.family("lastout_start_time_seconds", "gauge", "When lastout began, since the epoch.")
	e.sample(epoch(s.Began))
	e.family("lastout_ready", "gauge", "1 where /readyz says so.")
	e.sample(number(s.Ready))
	e.family("lastout_phase", "gauge", "The phase of the tree: 1 for the one it is in.")
	for _, phase := range []supervisor.Phase{
		supervisor.Up, supervisor.Announcing, supervisor.Walking, supervisor.Closing, supervisor.Finished,
	} {
		e.sample(number(s.Phase == phase), "phase", string(phase))
	}
	if s.Left != nil {
		e.family("lastout_shutdown_left_seconds", "gauge", "How long the shutdown under way may still take.")
		e.sample(float64(*s.Left))
	}
}

// instanceMetrics are those of the snapshot.
func instanceMetrics(e *exposition, s *Status) {
	e.family("lastout_process_instances", "gauge", "Instances of a process by state; states that no instance is in are left out.")
	for _, p := range s.Processes {
		states := map[supervisor.State]int{}
		for _, x := range p.Instances {
			states[x.State]++
		}
		for _, state := range slices.Sorted(maps.Keys(states)) {
			e.sample(float64(states[state]), "process", p.Name, "role", p.Role, "state", string(state))
		}
	}
	each(e, s, "lastout_instance_ready", "gauge", "1 where an instance is ready, or a task that is done.",
		func(x *InstanceStatus) (float64, bool) { return number(x.Ready), true })
	each(e, s, "lastout_instance_up", "gauge", "1 where a process of an instance may live.",
		func(x *InstanceStatus) (float64, bool) { return number(x.State.Alive()), true })
	each(e, s, "lastout_instance_healthy", "gauge", "1 where the health probe of an instance succeeds.",
		func(x *InstanceStatus) (float64, bool) {
			return number(x.Healthy != nil && *x.Healthy), x.Healthy != nil
		})
	each(e, s, "lastout_instance_restarts", "counter", "How often an instance was started again.",
		func(x *InstanceStatus) (float64, bool) { return float64(x.Restarts), true })
	each(e, s, "lastout_instance_state_seconds", "gauge", "How long an instance has been in its state.",
		func(x *InstanceStatus) (float64, bool) { return float64(x.For), true })
}

// each writes one value for each instance that has one.
func each(e *exposition, s *Status, name, kind, help string, value func(*InstanceStatus) (float64, bool)) {
	first := true
	for _, p := range s.Processes {
		for i := range p.Instances {
			v, ok := value(&p.Instances[i])
			if !ok {
				continue
			}
			if first {
				e.family(name, kind, help)
				first = false
			}
			e.sample(v, "process", p.Name, "instance", p.Instances[i].Name)
		}
	}
}

// usageMetrics are those that the kernel was asked for.
func usageMetrics(e *exposition, s *Status) {
	each(e, s, "lastout_instance_processes", "gauge", "Processes in the tree of an instance.",
		func(x *InstanceStatus) (float64, bool) {
			return float64(orZero(x.Usage).Processes), x.Usage != nil
		})
	each(e, s, "lastout_instance_memory_bytes", "gauge", "Memory of the tree of an instance.",
		func(x *InstanceStatus) (float64, bool) { return float64(orZero(x.Usage).Memory), x.Usage != nil })
	each(e, s, "lastout_instance_cpu_seconds", "counter", "CPU time of the tree of an instance in its present life.",
		func(x *InstanceStatus) (float64, bool) { return float64(orZero(x.Usage).CPU), x.Usage != nil })
	first := true
	for _, p := range s.Processes {
		for _, x := range p.Instances {
			if x.Connections == nil {
				continue
			}
			if first {
				e.family("lastout_gateway_connections", "gauge", "Connections of a gateway, as the kernel sees them.")
				first = false
			}
			for _, c := range []struct {
				state string
				n     int
			}{
				{"busy", x.Connections.Busy},
				{"idle", x.Connections.Idle},
				{"queued", x.Connections.Queued},
				{"unused", x.Connections.Unused},
			} {
				e.sample(float64(c.n), "process", p.Name, "instance", x.Name, "state", c.state)
			}
		}
	}
}

func orZero[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// countMetrics are those that were counted from the reports.
func countMetrics(e *exposition, c *counts) {
	e.family("lastout_exits", "counter", "Ends of main processes, by cause: asked to leave, success, failure, signal, oom.")
	keys := slices.SortedFunc(maps.Keys(c.exits), func(a, b exitKey) int {
		return cmp.Or(cmp.Compare(a.process, b.process), cmp.Compare(a.cause, b.cause))
	})
	for _, k := range keys {
		e.sample(float64(c.exits[k]), "process", k.process, "cause", k.cause)
	}
	byProcess(e, c.kills, "lastout_kills", "Runs that got SIGKILL.")
	byProcess(e, c.lost, "lastout_lost", "Runs that outlived SIGKILL.")
	byProcess(e, c.cut, "lastout_connections_cut", "Connections that were cut off.")
	e.family("lastout_hook_failures", "counter", "Hooks that failed.")
	for _, k := range slices.Sorted(maps.Keys(c.hooks)) {
		e.sample(float64(c.hooks[k]), "hook", string(k))
	}
	e.family("lastout_stop_duration_seconds", "histogram", "From the moment a run is asked to leave until its tree is gone.")
	for _, name := range slices.Sorted(maps.Keys(c.stops)) {
		e.histogram(c.stops[name], "process", name)
	}
}

func byProcess(e *exposition, counted map[string]uint64, name, help string) {
	e.family(name, "counter", help)
	for _, process := range slices.Sorted(maps.Keys(counted)) {
		e.sample(float64(counted[process]), "process", process)
	}
}

// sinkMetrics are those of what the children write.
func sinkMetrics(e *exposition, sinks []Sink) {
	for _, m := range []struct {
		name, help string
		value      func(Sink) uint64
	}{
		{"lastout_log_bytes", "Bytes of output that were taken.", func(s Sink) uint64 { return s.Bytes }},
		{"lastout_log_dropped_lines", "Lines of output that were dropped.", func(s Sink) uint64 { return s.DroppedLines }},
		{"lastout_log_dropped_bytes", "Bytes of output that were dropped.", func(s Sink) uint64 { return s.DroppedBytes }},
	} {
		e.family(m.name, "counter", m.help)
		for _, s := range sinks {
			e.sample(float64(m.value(s)), "sink", s.Name)
		}
	}
}
