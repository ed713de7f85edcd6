package supervisor

import (
	"syscall"
	"time"

	"lastout/ordering"
)

// Instant is the monotonic time since the engine began.
type Instant = time.Duration

// Spec is what the machine must know of one configured process. What is run, where and with which environment is the
// engine's business.
type Spec struct {
	Name      string
	Role      ordering.Role
	Enabled   bool // a disabled process never starts, and still carries order
	Instances int
	Optional  bool // the tree is ready without it; the machine only tells of it

	Restart Restart
	Backoff Backoff
	OnExit  OnExit

	Ready Readiness
	Stop  []StopStep                 // at least one, unless the process is to be killed at once
	Hooks map[HookKind]time.Duration // the bound of each hook there is
	Drain Drain
	Held  bool // its listeners are lastout's own, and survive its runs

	Health Health
}

// Health says when a run that is ready is taken for ill, and started again.
type Health struct {
	Failures int // looks in a row that failed; 0: nobody looks
}

// Drain says how an instance finishes what it has in hand, before anybody tells it to stop. That of a gateway is a step
// of the shutdown of its own, before its workers leave; that of others is a part of their leaving, between the pre_stop
// hook and the stop steps. The zero value is no drain.
type Drain struct {
	Quiesce bool          // of a gateway: new connections are turned away from outside first
	Listens bool          // of a gateway: only if it listens when the shutdown begins, for nobody configured the drain
	Invite  Invite        // how the program itself is asked to finish, if it is
	Until   Until         // when it is drained
	Timeout time.Duration // of the whole, from the begin of the quiesce on
	Settle  time.Duration // of a gateway: how long it may push its last bytes out when its workers are gone
}

// Wanted says whether there is anything to do for the drain. Settling is no part of it.
func (d Drain) Wanted() bool { return d.Quiesce || d.Invite != (Invite{}) || d.Until != UntilNothing }

// time is how long the drain may take, behind the pre_drain hook.
func (d Drain) time() time.Duration {
	if !d.Wanted() {
		return 0
	}
	return d.Timeout
}

// Invite is how a program is asked to finish and, perhaps, to leave: by a signal to its main process, or by a command.
// It is no stop step. The zero value is no invitation.
type Invite struct {
	Signal  syscall.Signal // 0: Command, or none
	Command time.Duration  // the bound of the command; 0: Signal, or none
}

// Until says when an instance is drained. What each of them looks at is the engine's business.
type Until uint8

// The values of `drain.until`, and the one for a drain that is over once its begin is.
const (
	UntilNothing     Until = iota
	UntilExit              // it has exited, or nothing but preconnects is left
	UntilQuiet             // nobody waits for an answer
	UntilConnections       // every connection that ever carried a byte is gone
	UntilProbe             // its drain probe succeeds
)

// Restart says when an instance that ended by itself is started again.
type Restart uint8

// The values of `restart`.
const (
	RestartOnFailure Restart = iota
	RestartAlways
	RestartNever
)

// OnExit says what the tree does when an instance has ended for good by itself.
type OnExit uint8

// The values of `on_exit`.
const (
	Ignore OnExit = iota
	Shutdown
	ShutdownOnFailure
)

// Backoff spaces restarts out. Limit 0 is none.
type Backoff struct {
	Min, Max, ResetAfter time.Duration
	Limit                int
}

// Readiness says when a run is ready.
type Readiness struct {
	Kind     ReadyKind
	Delay    time.Duration // ReadyDelay
	Timeout  time.Duration // ReadyProbe, ReadyDelay excepted
	Continue bool          // when Timeout has passed: go on as if ready (and say so), instead of failing the run
}

// ReadyKind is the way readiness is known.
type ReadyKind uint8

// The ways.
const (
	ReadyExec  ReadyKind = iota // once exec succeeded
	ReadyProbe                  // when the engine's probe succeeds
	ReadyDelay                  // when it has lived for Delay
	ReadyExit                   // when it exited 0: a task
)

// StopStep is one way of asking an instance to leave, and how long it may take before the next, or SIGKILL.
type StopStep struct {
	Signal  syscall.Signal // 0: Command
	Command bool
	Timeout time.Duration
}

// Options are the settings of the whole tree.
type Options struct {
	Timeout     time.Duration `json:"timeout"` // shutdown.timeout, after --grace; 0: none
	Reserve     time.Duration `json:"reserve"`
	Delay       time.Duration `json:"delay"`
	KillTimeout time.Duration `json:"kill_timeout"`
	Before      time.Duration `json:"before"`               // bound of the before_shutdown hook; 0: there is none
	After       time.Duration `json:"after"`                // bound of the after_shutdown hook; 0: there is none
	ClassOnly   bool          `json:"class_only,omitempty"` // shutdown.exit_code = "class"
	Stay        bool          `json:"stay,omitempty"`       // shutdown.when_done = "stay"
	Linger      time.Duration `json:"linger,omitempty"`     // for bytes that the kernel still owes at the end; 0: none
	Seed        uint64        `json:"seed"`                 // of the backoff's jitter
}

// Exit is how a process ended.
type Exit struct {
	Code   int            `json:"code"`             // where Signal is 0
	Signal syscall.Signal `json:"signal,omitempty"` // 0: it exited
	Core   bool           `json:"core,omitempty"`

	Unknown bool `json:"unknown,omitempty"` // it was not our child, and only its end was seen

	// OOM says that the kernel killed it for want of memory, and what was in the way: "memory_max 64MiB". Nothing: it did
	// not.
	OOM string `json:"oom,omitempty"`
}

// OK says whether it is exit code 0, or may be.
func (e Exit) OK() bool { return e.Signal == 0 && e.Code == 0 }

// Status is the code as a shell shows it: 128+n for signal n.
func (e Exit) Status() int {
	if e.Signal != 0 {
		return 128 + int(e.Signal)
	}
	return e.Code
}
