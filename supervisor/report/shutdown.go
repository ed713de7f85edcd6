package report

import (
	"syscall"
	"time"

	"lastout/supervisor"
)

// Shutdown is one shutdown from its first phase to the outcome. Instants are nanoseconds since lastout began, durations
// are nanoseconds; the names of the JSON are stable.
type Shutdown struct {
	Name      string              `json:"name,omitempty"` // of the tree
	Wall      string              `json:"wall,omitempty"` // the time of day at its begin, RFC 3339, for people
	Cause     string              `json:"cause"`
	Begin     supervisor.Instant  `json:"begin"`
	End       supervisor.Instant  `json:"end"`
	Took      time.Duration       `json:"took"`
	Bound     time.Duration       `json:"bound,omitempty"` // what it might have taken at most; 0: there was no bound
	Level     supervisor.Level    `json:"level"`
	Phases    []PhaseSpan         `json:"phases"`
	Instances []Instance          `json:"instances"`       // whoever was alive in it, in the order they left
	Resting   []string            `json:"resting"`         // whoever had no process when it began
	Critical  []PathStep          `json:"critical"`        // what it had to take, first to last
	Hooks     []Hook              `json:"hooks,omitempty"` // of the whole tree
	Strays    []string            `json:"strays,omitempty"`
	Notes     []string            `json:"notes,omitempty"`
	Outcome   *supervisor.Outcome `json:"outcome,omitempty"` // nil: the reports end before the shutdown does
}

// PhaseSpan is the time the whole tree spent in one phase.
type PhaseSpan struct {
	Phase supervisor.Phase   `json:"phase"`
	Begin supervisor.Instant `json:"begin"`
	End   supervisor.Instant `json:"end"`
}

// Instance is one instance's part in the shutdown.
type Instance struct {
	Name    string              `json:"name"`
	Process string              `json:"process"`
	Role    string              `json:"role,omitempty"`
	Turn    *supervisor.Instant `json:"turn,omitempty"`     // when it might leave; nil: it left before its turn came
	FreedBy []string            `json:"freed_by,omitempty"` // the last whom it waited for; none: it waited for nobody
	LeaveBy *supervisor.Instant `json:"leave_by,omitempty"` // the budget's end for it; nil: none, or its turn never came
	Drain   *Turn               `json:"drain,omitempty"`    // the same of its drain, where it had one
	Quiesce *Quiesce            `json:"quiesce,omitempty"`  // how new connections were turned away
	Invited *Ask                `json:"invited,omitempty"`  // how it was asked to finish before it was told to leave
	Cut     []Cut               `json:"cut,omitempty"`      // connections that were cut off

	// Unanswered are the connections that waited for an answer when its drain was over without having come to its end.
	// What was made of them later is not known, unless they are among the Cut.
	Unanswered []supervisor.Connection `json:"unanswered,omitempty"`

	Asked  []Ask               `json:"asked,omitempty"` // how it was told to leave, in order
	Exit   *End                `json:"exit,omitempty"`  // how its main process ended
	Killed *Kill               `json:"killed,omitempty"`
	Hooks  []Hook              `json:"hooks,omitempty"`
	Gone   *supervisor.Instant `json:"gone,omitempty"` // when its tree was empty
	Left   *supervisor.Instant `json:"left,omitempty"` // when those who wait for it might go on
	State  supervisor.State    `json:"state"`          // its last
	Phases []Span              `json:"phases"`         // what it did from the begin of the shutdown on

	Critical bool `json:"critical"` // it is on the path that the whole shutdown had to wait for
}

// Turn is when a step became free, and by whom.
type Turn struct {
	At      supervisor.Instant `json:"at"`
	FreedBy []string           `json:"freed_by,omitempty"`
	By      supervisor.Instant `json:"by,omitempty"` // the budget's end for it; 0: none
}

// Quiesce is when new connections were to be turned away, and when and how they were.
type Quiesce struct {
	At   supervisor.Instant  `json:"at"`
	Done *supervisor.Instant `json:"done,omitempty"` // nil: its drain ended before
	How  string              `json:"how,omitempty"`
}

// Cut is connections that were cut off together.
type Cut struct {
	At          supervisor.Instant      `json:"at"`
	Cause       string                  `json:"cause"` // by whom
	Connections []supervisor.Connection `json:"connections"`
}

// Ask is one way in which an instance was told to leave.
type Ask struct {
	At      supervisor.Instant `json:"at"`
	Step    int                `json:"step,omitempty"`
	Signal  syscall.Signal     `json:"signal,omitempty"` // 0: a command
	Name    string             `json:"name"`             // SIGTERM, or "command"
	Rest    bool               `json:"rest,omitempty"`   // to those its main process left behind
	Command bool               `json:"command,omitempty"`
	Bound   time.Duration      `json:"bound,omitempty"` // how long it had then
}

// End is how a main process ended.
type End struct {
	At      supervisor.Instant `json:"at"`
	Code    int                `json:"code"`
	Signal  syscall.Signal     `json:"signal,omitempty"`
	Asked   bool               `json:"asked"` // it had been asked to leave
	Left    int                `json:"left,omitempty"`
	Unknown bool               `json:"unknown,omitempty"` // nobody but its new parent was told how it ended
	OOM     string             `json:"oom,omitempty"`     // the kernel killed it for want of memory: what was in the way
}

// Kill is the SIGKILL that an instance needed.
type Kill struct {
	At    supervisor.Instant `json:"at"`
	Cause string             `json:"cause"`
}

// Hook is one hook that ran.
type Hook struct {
	Kind   supervisor.HookKind `json:"kind"`
	Begin  supervisor.Instant  `json:"begin"`
	End    supervisor.Instant  `json:"end"`
	Failed string              `json:"failed,omitempty"`
}

// Span is the time an instance spent in one state.
type Span struct {
	State supervisor.State   `json:"state"`
	Begin supervisor.Instant `json:"begin"`
	End   supervisor.Instant `json:"end"`
}

// PathStep is one part of the critical path.
type PathStep struct {
	Instance string             `json:"instance"`
	Step     string             `json:"step"` // drain or leave
	Begin    supervisor.Instant `json:"begin"`
	End      supervisor.Instant `json:"end"`
}
