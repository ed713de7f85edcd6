package control

import (
	"time"

	"lastout/supervisor"
)

// The types below are what goes over the socket. Times are RFC 3339, durations are seconds. The names of the JSON are
// stable; fields may be added. The doc tags are what the OpenAPI description says of a field.

// Seconds is a duration.
type Seconds float64

// SecondsOf gives a duration as it goes over the socket; what never ends is nil.
func SecondsOf(d time.Duration) *Seconds {
	if d == supervisor.Forever {
		return nil
	}
	s := Seconds(d.Seconds())
	return &s
}

// Duration is the duration again.
func (s Seconds) Duration() time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// About is who answers.
type About struct {
	Name    string    `json:"name" doc:"of the tree"`
	File    string    `json:"file" doc:"its configuration"`
	PID     int       `json:"pid" doc:"of lastout"`
	UID     int       `json:"uid" doc:"whom lastout runs as"`
	Version string    `json:"version"`
	Began   time.Time `json:"began"`
}

// Status is the tree as it stands.
type Status struct {
	About
	Now        time.Time         `json:"now"`
	Phase      supervisor.Phase  `json:"phase" doc:"up, announcing, walking, closing or finished"`
	Level      supervisor.Level  `json:"level,omitempty" doc:"of a shutdown: 0 orderly, 1 urgent, 2 forced"`
	Left       *Seconds          `json:"left_seconds,omitempty" doc:"how long a shutdown under way may still take"`
	Ready      bool              `json:"ready" doc:"as /readyz says: no shutdown has begun, and all that is essential is ready"`
	Processes  []ProcessStatus   `json:"processes"`
	Operations []OperationStatus `json:"operations,omitempty" doc:"that are under way"`
}

// ProcessStatus is a configured process with its instances.
type ProcessStatus struct {
	Name      string           `json:"name"`
	Role      string           `json:"role" doc:"worker, gateway, service or task"`
	Essential bool             `json:"essential" doc:"the tree is not ready without it"`
	Disabled  bool             `json:"disabled,omitempty" doc:"by enabled, or by its profiles"`
	Ready     bool             `json:"ready" doc:"all its instances are"`
	Instances []InstanceStatus `json:"instances" doc:"none of one that is disabled, or scaled to 0"`
}

// InstanceStatus is one instance.
type InstanceStatus struct {
	Name        string           `json:"name"`
	State       supervisor.State `json:"state" doc:"lastout help control lists them"`
	Since       time.Time        `json:"since" doc:"when it came into that state"`
	For         Seconds          `json:"for_seconds" doc:"how long it has been in it"`
	Left        *Seconds         `json:"left_seconds,omitempty" doc:"how long that wait may still last"`
	Ready       bool             `json:"ready" doc:"it is ready, or a task that is done"`
	Wanted      bool             `json:"wanted" doc:"false: stopped or drained by the user, or never to run"`
	Healthy     *bool            `json:"healthy,omitempty" doc:"where it has a health probe"`
	Run         uint64           `json:"run,omitempty" doc:"the number of its life"`
	PID         int              `json:"pid,omitempty" doc:"of its main process"`
	Restarts    int              `json:"restarts"`
	Exit        *ExitStatus      `json:"exit,omitempty" doc:"how its last life ended"`
	WaitsFor    []Wait           `json:"waits_for,omitempty" doc:"whom it waits for, to start or to leave"`
	Why         string           `json:"why,omitempty" doc:"what its readiness probe saw last, while it is not ready"`
	Usage       *Usage           `json:"usage,omitempty" doc:"of its whole tree; not with brief"`
	Connections *Connections     `json:"connections,omitempty" doc:"of a gateway; not with brief, or where they cannot be seen"`
}

// Wait is somebody who is waited for.
type Wait struct {
	Name string   `json:"name" doc:"an instance; a process, where it has none"`
	Left *Seconds `json:"left_seconds,omitempty" doc:"how long what it is at may still take"`
}

// ExitStatus is how a process ended.
type ExitStatus struct {
	Code   int    `json:"code" doc:"where there is no signal"`
	Signal string `json:"signal,omitempty" doc:"SIGKILL"`
	Core   bool   `json:"core,omitempty"`
	OOM    string `json:"oom,omitempty" doc:"the kernel killed it for want of memory: what was in the way"`
}

// Usage is what a tree uses.
type Usage struct {
	Processes int     `json:"processes"`
	Memory    int64   `json:"memory_bytes" doc:"its cgroup's where that counts memory, else what is resident of each process"`
	CPU       Seconds `json:"cpu_seconds" doc:"used since its begin"`
}

// Connections are those of a gateway, as the kernel sees them.
type Connections struct {
	Busy   int `json:"busy" doc:"somebody waits for an answer, or for the rest of one"`
	Idle   int `json:"idle" doc:"open, and served"`
	Queued int `json:"queued" doc:"not accepted yet"`
	Unused int `json:"unused" doc:"open, and never a byte came"`
}

// OperationStatus is an operation that is under way.
type OperationStatus struct {
	ID       uint64          `json:"id"`
	Verb     supervisor.Verb `json:"verb"`
	Cause    string          `json:"cause,omitempty" doc:"who asked for it"`
	Since    time.Time       `json:"since"`
	WaitsFor []string        `json:"waits_for,omitempty" doc:"instances"`
}

// Line is one piece of what an instance has written: whole lines, or a part of one where it is long or unfinished.
type Line struct {
	Instance string    `json:"instance"`
	At       time.Time `json:"at"`
	Text     string    `json:"text"`
	Gap      bool      `json:"gap,omitempty" doc:"something before it is forgotten: it was read too late"`
}

// Waited is the answer of a wait.
type Waited struct {
	Done   bool     `json:"done" doc:"what was waited for has come"`
	Reason string   `json:"reason,omitempty" doc:"why it has not, or never will"`
	Names  []string `json:"names,omitempty" doc:"of whom that is said"`
}

// DownRequest asks for a shutdown.
type DownRequest struct {
	Now bool `json:"now,omitempty" doc:"skip delays and drains; workers and gateways are killed, in order"`
}

// Accepted says that what was asked for has begun.
type Accepted struct {
	Accepted bool `json:"accepted"`
}

// Problem is what is said where something was not done.
type Problem struct {
	Error  string   `json:"error"`
	Faults []string `json:"faults,omitempty" doc:"of a configuration"`
}
