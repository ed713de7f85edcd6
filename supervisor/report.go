package supervisor

import (
	"syscall"
	"time"
)

// Report says what the machine did or saw. Everything people see (log, status, metrics, journal, the report at the end,
// the exit code) derives from reports and snapshots; there is no second truth. Fields that do not matter to its Kind
// are zero and left out of the JSON, whose names are stable. Times are in nanoseconds.
type Report struct {
	At       Instant        `json:"at"`
	Kind     Kind           `json:"kind"`
	Process  string         `json:"process,omitempty"`
	Instance string         `json:"instance,omitempty"`
	Run      Run            `json:"run,omitempty"`
	PID      int            `json:"pid,omitempty"`
	From     State          `json:"from,omitempty"`
	State    State          `json:"state,omitempty"`
	Phase    Phase          `json:"phase,omitempty"`
	Level    Level          `json:"level,omitempty"`
	Cause    string         `json:"cause,omitempty"`  // why, for people
	Signal   syscall.Signal `json:"signal,omitempty"` // its number
	Scope    Scope          `json:"scope,omitempty"`
	Step     int            `json:"step,omitempty"`  // of the stop steps, from 1
	Bound    time.Duration  `json:"bound,omitempty"` // how long the wait that begins here may take; Forever: no bound
	Exit     *Exit          `json:"exit,omitempty"`
	Asked    bool           `json:"asked,omitempty"` // the run had been asked to leave
	Left     int            `json:"left,omitempty"`  // others of the tree that still lived
	Hook     HookKind       `json:"hook,omitempty"`
	HookRun  Run            `json:"hook_run,omitempty"`
	Attempt  int            `json:"attempt,omitempty"`
	After    []string       `json:"after,omitempty"` // whose leaving set this free (the last one), or who is waited for
	Outcome  *Outcome       `json:"outcome,omitempty"`

	Op     Op     `json:"op,omitempty"` // the operation
	Verb   Verb   `json:"verb,omitempty"`
	Result Result `json:"result,omitempty"`

	Nodes []Declared `json:"nodes,omitempty"` // the graph from here on

	Connections []Connection `json:"connections,omitempty"`
}

// Declared is one declared process, as far as it matters to the order.
type Declared struct {
	Name      string   `json:"name"`
	Role      string   `json:"role"`
	DependsOn []string `json:"depends_on,omitempty"`
	Fronts    []string `json:"fronts"` // null: derived
	Outlives  []string `json:"outlives,omitempty"`
	Instances int      `json:"instances"`
	Optional  bool     `json:"optional,omitempty"`
}

// Connection is one of a client that was cut off, or may be, as the kernel last knew it.
type Connection struct {
	Peer string        `json:"peer"` // its address and port
	Port int           `json:"port"` // ours
	Age  time.Duration `json:"age"`
	In   uint64        `json:"in"`   // bytes received
	Out  uint64        `json:"out"`  // bytes sent and acknowledged
	Last time.Duration `json:"last"` // since its last activity
}

// Kind is what a report is about.
type Kind string

// The kinds.
const (
	KindState   Kind = "state"   // From -> State; PID when it begins to run; Cause; Bound where the new state has one
	KindSignal  Kind = "signal"  // a stop signal was sent: Signal, Scope, Step, Bound
	KindCommand Kind = "command" // a stop command was started: Step, Bound, HookRun
	KindQuiesce Kind = "quiesce" // new connections are to be turned away (Step 0; Bound), or are (Step 1; Cause: how)
	KindInvite  Kind = "invite"  // was asked to finish, no stop step: Signal, or HookRun of a command; Bound
	KindCut     Kind = "cut"     // connections were cut off: Connections; State and Step, where that happened; Cause
	// Connections waited for an answer when the drain was over, which came to no end of its own.
	KindUnanswered Kind = "unanswered"

	KindKill    Kind = "kill"    // SIGKILL went to the whole tree: Cause, Bound
	KindExit    Kind = "exit"    // the main process was reaped: Exit, Asked, Left
	KindGone    Kind = "gone"    // and its tree is empty
	KindLost    Kind = "lost"    // outlived SIGKILL's bound
	KindHook    Kind = "hook"    // a hook began (Step 0; Bound) or ended (Step 1; Cause: how it failed)
	KindRetry   Kind = "retry"   // will be started again: Attempt, Bound (the delay)
	KindFree    Kind = "free"    // a shutdown step may begin now: Cause "drain" or "leave", After; Bound: what the budget leaves for it
	KindWaiting Kind = "waiting" // a shutdown waits for After, for Bound at most
	KindPhase   Kind = "phase"   // the tree's phase changed: Phase, Cause, Bound (of the whole shutdown)
	KindLevel   Kind = "level"   // impatience: Level, Cause
	KindStrays  Kind = "strays"  // descendants that belong to no living run: After, Signal
	KindHealth  Kind = "health"  // a look at its health failed: Cause, Step (how many in a row); or none did any more
	KindNote    Kind = "note"    // something worth saying: Cause
	KindUpgrade Kind = "upgrade" // another build has taken over: Cause; said by the engine
	KindOutlook Kind = "outlook" // what the drain of a gateway can do here: Cause
	KindFinish  Kind = "finish"  // Outcome

	KindOperation Kind = "operation" // of Op, Verb: its Result, Cause; After: whom it touches (accepted), or failed for
	KindReload    Kind = "reload"    // a new configuration is in force, for Op: Nodes; Bound of a shutdown from here on
	KindDepart    Kind = "depart"    // After leave from here on, in order, for Op: Cause; "drain": they are drained and stay
)

// Forever is the Bound of a wait that has none.
const Forever time.Duration = 1<<63 - 1

// State is where an instance is in its life; doc.go holds the table. Its text is what people see.
type State string

// The states.
const (
	Off         State = "off"
	Waiting     State = "waiting"
	InPreStart  State = "pre_start"
	Starting    State = "starting"
	Running     State = "running"
	InPostStart State = "post_start"
	Ready       State = "ready"
	Draining    State = "draining"
	Drained     State = "drained"
	Remains     State = "remains"
	Settling    State = "settling"
	InPreStop   State = "pre_stop"
	Stopping    State = "stopping"
	Killing     State = "killing"
	InPostStop  State = "post_stop"
	InBackoff   State = "backoff"
	Done        State = "done"
	Failed      State = "failed"
	Stopped     State = "stopped"
	Lost        State = "lost"
)

// Alive says whether a process of the run may exist in this state.
func (s State) Alive() bool {
	switch s {
	case Starting, Running, InPostStart, Ready, Draining, Drained, Remains, Settling, InPreStop, Stopping,
		Killing:
		return true
	case Off, Waiting, InPreStart, InPostStop, InBackoff, Done, Failed, Stopped, Lost:
		return false
	}
	panic("supervisor: unknown state " + string(s))
}

// Left says whether the instance has left: it is not alive, and nothing of it is still to come.
func (s State) Left() bool {
	switch s {
	case Off, Done, Failed, Stopped, Lost:
		return true
	case Waiting, InPreStart, Starting, Running, InPostStart, Ready, Draining, Drained, Remains, Settling, InPreStop,
		Stopping, Killing, InPostStop, InBackoff:
		return false
	}
	panic("supervisor: unknown state " + string(s))
}

// Phase is where the tree is in its life.
type Phase string

// The phases.
const (
	Up         Phase = "up"
	Announcing Phase = "announcing"
	Walking    Phase = "walking"
	Closing    Phase = "closing"
	Finished   Phase = "finished"
)

// Level is how impatient a shutdown is. It only rises.
type Level uint8

// The levels.
const (
	Orderly Level = iota
	Urgent        // skip delays and drains, kill workers and gateways in order
	Forced        // kill all at once
)

// Outcome is how it all ended.
type Outcome struct {
	Code     int      `json:"code"`               // the exit code of lastout
	Class    int      `json:"class"`              // 0, 1, 3, 4 or 5, whatever Code is
	Cause    string   `json:"cause"`              // what began the shutdown
	Trigger  string   `json:"trigger,omitempty"`  // the instance whose end began it
	Killed   []string `json:"killed,omitempty"`   // instances that needed SIGKILL
	Lost     []string `json:"lost,omitempty"`     // instances that outlived it
	Survived []string `json:"survived,omitempty"` // descendants that could not be killed
	Failed   []string `json:"failed,omitempty"`   // instances that failed for good
}

// Snapshot is the tree as it stands.
type Snapshot struct {
	At        Instant            `json:"at"`
	Phase     Phase              `json:"phase"`
	Level     Level              `json:"level,omitempty"`
	Ends      Instant            `json:"ends,omitempty"` // when a shutdown that is under way will be over at the latest
	Instances []InstanceSnapshot `json:"instances"`
	Empty     []EmptySnapshot    `json:"empty,omitempty"`

	Operations []OperationSnapshot `json:"operations,omitempty"` // under way
}

// EmptySnapshot is a process without instances: it is disabled, or the file or a user wants none.
type EmptySnapshot struct {
	Process  string `json:"process"`
	Role     string `json:"role"`
	Optional bool   `json:"optional,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
	Before   int    `json:"before"` // how many instances of other processes stand before it
}

// OperationSnapshot is an operation that is under way.
type OperationSnapshot struct {
	Op       Op       `json:"op"`
	Verb     Verb     `json:"verb"`
	Cause    string   `json:"cause,omitempty"` // who asked for it
	Since    Instant  `json:"since"`
	WaitsFor []string `json:"waits_for"` // instances
}

// InstanceSnapshot is one instance as it stands.
type InstanceSnapshot struct {
	Name     string        `json:"name"`
	Process  string        `json:"process"`
	Role     string        `json:"role"`
	State    State         `json:"state"`
	Since    Instant       `json:"since"`
	Run      Run           `json:"run,omitempty"`
	PID      int           `json:"pid,omitempty"`
	Restarts int           `json:"restarts"`
	Optional bool          `json:"optional,omitempty"` // the tree is ready without it
	Healthy  *bool         `json:"healthy,omitempty"`  // what the last look at its health showed; nil: nobody looks
	Exit     *Exit         `json:"exit,omitempty"`     // of the last run that ended
	Wanted   bool          `json:"wanted"`             // it shall run: nobody stopped or drained it
	Bound    time.Duration `json:"bound,omitempty"`    // what is left of the wait it is in
	WaitsFor []string      `json:"waits_for,omitempty"`
}
