package supervisor

import "syscall"

// Action is what the caller shall do. The set is closed. An action cannot fail: failure comes back as an event.
type Action interface{ action() }

// The actions.
type (
	// Spawn starts the instance's program. Answer: Spawned or SpawnFailed.
	Spawn struct {
		Inst Inst
		Run  Run
	}

	// Cancel takes a Spawn back that was not answered yet, if there is still time. Answer: that of the Spawn.
	Cancel struct {
		Inst Inst
		Run  Run
	}

	// Probe begins to look whether the run is ready. Answer: BecameReady, once, or nothing.
	Probe struct {
		Inst Inst
		Run  Run
	}

	// StopProbe ends that.
	StopProbe struct {
		Inst Inst
		Run  Run
	}

	// CheckHealth begins to look whether the run is well, until StopHealth. Answers: HealthFailed, for each look that failed,
	// and HealthWorks, for the first that did not after one.
	CheckHealth struct {
		Inst Inst
		Run  Run
	}

	// StopHealth ends that.
	StopHealth struct {
		Inst Inst
		Run  Run
	}

	// Signal sends a stop signal, followed by SIGCONT so that a frozen process hears it. Answer: nothing.
	Signal struct {
		Inst   Inst
		Run    Run
		Signal syscall.Signal
		Scope  Scope
	}

	// StopCommand runs the command of the given stop step of the instance's process as a hook with the run number Hook.
	// Answer: HookEnded.
	StopCommand struct {
		Inst Inst
		Run  Run
		Step int
		Hook Run
	}

	// Kill sends SIGKILL to the whole tree of the run, and to whatever it still forks, until it is empty. Answer: Gone.
	Kill struct {
		Inst Inst
		Run  Run
	}

	// Forget says that the machine waits for the run no more: it is lost. What is left of it belongs to nobody and is
	// for the Sweep. Answer: nothing.
	Forget struct {
		Inst Inst
		Run  Run
	}

	// RunHook starts a hook. For a hook of the whole tree Inst is zero and For is 0. Answer: HookEnded.
	RunHook struct {
		Hook Run
		Kind HookKind
		Inst Inst
		For  Run   // the run it is about
		Told Facts // what the hook is told in its environment
	}

	// StopHook kills a hook's whole tree. Answer: HookEnded, unless it had ended.
	StopHook struct {
		Hook Run
	}

	// Survey looks which of the runs, all of gateways, listen nowhere. Answer: Surveyed, once.
	Survey struct {
		Runs []Run
	}

	// Quiesce turns new connections away from the listeners of the run's tree, from outside; whatever is in or queued goes
	// on. It lasts until the run is gone. Answer: Quiesced, as soon as no accept queue holds anybody.
	Quiesce struct {
		Inst Inst
		Run  Run
	}

	// Unquiesce lets new connections in again, in the middle of a drain or behind it. Answer: nothing.
	Unquiesce struct {
		Inst Inst
		Run  Run
	}

	// Send sends a signal that a user asked for to the main process, as it is. It is no stop step. Answer: nothing.
	Send struct {
		Inst   Inst
		Run    Run
		Signal syscall.Signal
	}

	// Reloaded says that the configuration of the reload is in force: from here on all IDs are those of its graph, and the
	// runs that there are take their settings from it.
	Reloaded struct {
		Op Op
	}

	// DrainCommand runs the instance's drain command as a hook with the run number Hook. Answer: HookEnded.
	DrainCommand struct {
		Inst Inst
		Run  Run
		Hook Run
	}

	// Watch begins to look whether the run has finished what it has in hand, in the way that its Drain.Until names.
	// Answer: BecameDrained, once, or nothing.
	Watch struct {
		Inst Inst
		Run  Run
	}

	// Settle begins to look whether a gateway whose workers are gone has pushed its last bytes out. Answer: Settled, once,
	// or nothing.
	Settle struct {
		Inst Inst
		Run  Run
	}

	// StopWatch ends a Watch or Settle that was not answered, or says that the time of a drain was over before its watch.
	// Answer to one that ends a drain: Unanswered, or nothing.
	StopWatch struct {
		Inst Inst
		Run  Run
	}

	// Sweep tells all descendants that belong to no living run to leave, or kills them. Answer: Swept, once none is left;
	// for a Sweep with Report also when some are, at once.
	Sweep struct {
		Signal syscall.Signal
		Report bool
	}

	// Linger looks whether the kernel still owes clients bytes of those who have left. Answer: Lingered, with nobody once
	// nothing is owed; where something is, also at once, and as often as that changes.
	Linger struct{}

	// Say hands out a report, for the log, the journal and whoever listens.
	Say struct {
		Report Report
	}

	// Finish ends it all: the outcome is final.
	Finish struct {
		Outcome Outcome
	}
)

func (Spawn) action()        {}
func (Cancel) action()       {}
func (Probe) action()        {}
func (StopProbe) action()    {}
func (CheckHealth) action()  {}
func (StopHealth) action()   {}
func (Signal) action()       {}
func (StopCommand) action()  {}
func (Kill) action()         {}
func (Forget) action()       {}
func (RunHook) action()      {}
func (StopHook) action()     {}
func (Survey) action()       {}
func (Quiesce) action()      {}
func (Unquiesce) action()    {}
func (Send) action()         {}
func (Reloaded) action()     {}
func (DrainCommand) action() {}
func (Watch) action()        {}
func (Settle) action()       {}
func (StopWatch) action()    {}
func (Sweep) action()        {}
func (Linger) action()       {}
func (Say) action()          {}
func (Finish) action()       {}

// Scope says whom of a run a signal is for.
type Scope uint8

// The scopes.
const (
	Leader Scope = iota // the main process only
	Rest                // all that is left of the tree after the main process went
)

// HookKind says at which place of a life a hook stands. Its text is the configuration's key.
type HookKind string

// The hooks of a process, and the two of the whole tree.
const (
	PreStart       HookKind = "pre_start"
	PostStart      HookKind = "post_start"
	PreDrain       HookKind = "pre_drain"
	PreStop        HookKind = "pre_stop"
	PostStop       HookKind = "post_stop"
	BeforeShutdown HookKind = "before_shutdown"
	AfterShutdown  HookKind = "after_shutdown"
)

// Facts is what a hook is told by its environment: LASTOUT_PID, LASTOUT_EXIT_CODE, LASTOUT_REASON.
type Facts struct {
	PID    int
	Exit   *Exit
	Reason string // "shutdown", "stop", "restart", "scale", "drain", "reload"; "crash", "exit", "not ready", "start failed", "lost"
}
