package supervisor

import "lastout/ordering"

// Event is what happened. The set is closed.
type Event interface{ event() }

// The events. Inst and Run name the life they speak of; those of an older run are ignored.
type (
	// Begin starts the tree. It is the first event and comes once.
	Begin struct{}

	// Adopt comes in the place of Begin, for a tree whose supervisor has died: these runs live on, nobody else does, and
	// all that is left to do is a shutdown, which it begins. A run of which nothing lives any more may be among them; that
	// it is gone is told behind it.
	Adopt struct {
		Runs  []Adopted
		Cause string // for people: "lastout (pid 4711) was killed by SIGKILL"
		Code  int    // with which it all ends, whatever comes of it; 0: as usual
	}

	// Stop asks for an ordered shutdown. It is idempotent.
	Stop struct {
		Cause string // for people: "SIGTERM from pid 1", "SIGINT", "down"
	}

	// Interrupt is a SIGINT (or a `down --now`): the first asks for an ordered shutdown, a further one makes a shutdown
	// urgent, and one more forces it. One within 250 ms of the last interrupt is the same press.
	Interrupt struct {
		Cause string
	}

	// Hurry asks for a shutdown that is urgent from the begin, or makes one urgent that is under way. It is idempotent.
	Hurry struct {
		Cause string
	}

	// Spawned says that the program runs (its exec succeeded).
	Spawned struct {
		Inst Inst
		Run  Run
		PID  int
	}

	// SpawnFailed says that there is no process: fork or exec failed, or the spawn was cancelled in time.
	SpawnFailed struct {
		Inst      Inst
		Run       Run
		Reason    string // "exec ./apii: no such file or directory"
		Cancelled bool   // by Cancel: no failure
	}

	// BecameReady says that the readiness probe of the run succeeded.
	BecameReady struct {
		Inst Inst
		Run  Run
	}

	// Exited says that the main process was reaped. Left says how many others of its tree still lived then; where it is
	// 0, Gone follows at once.
	Exited struct {
		Inst Inst
		Run  Run
		Exit Exit
		Left int
	}

	// Gone says that the main process was reaped and its whole tree is empty.
	Gone struct {
		Inst Inst
		Run  Run
	}

	// HookEnded says that a hook or stop command ended by itself, or that it was killed by StopHook.
	HookEnded struct {
		Run    Run
		Failed string // empty: exit 0
	}

	// Surveyed answers Survey: these of the runs listen nowhere, as far as can be seen.
	Surveyed struct {
		Silent []Run
	}

	// HealthFailed says that a look at a run that is ready failed. Final is one after which no other need be waited for.
	HealthFailed struct {
		Inst  Inst
		Run   Run
		Why   string
		Final bool
	}

	// HealthWorks says that the look after such a one did not fail.
	HealthWorks struct {
		Inst Inst
		Run  Run
	}

	// Quiesced answers Quiesce: new connections are turned away, or as many of them as can be.
	Quiesced struct {
		Inst Inst
		Run  Run
		How  string // for people: "SYN filter on 2 listeners", "not possible here: pidfd_getfd is refused"
	}

	// BecameDrained says that the run has finished what it had in hand.
	BecameDrained struct {
		Inst Inst
		Run  Run
		Why  string // for people: "quiet for 500ms", "nothing but preconnects", "probe"
	}

	// Settled says that nothing of what a gateway has to send is left in its queues.
	Settled struct {
		Inst Inst
		Run  Run
	}

	// Cut says that connections of the run were cut off. It may come until its instance is started again.
	Cut struct {
		Inst        Inst
		Run         Run
		Connections []Connection
	}

	// Unanswered says whose clients still waited for an answer when a Watch was stopped. Their answer may still come.
	Unanswered struct {
		Inst        Inst
		Run         Run
		Connections []Connection
	}

	// Lingered answers Linger: the kernel owes nobody anything any more (Left empty), or these.
	Lingered struct {
		Left []string // for people: "192.0.2.7:40112, 12 KiB"
	}

	// Swept answers Sweep: nothing of anybody is left (Left empty), or these are.
	Swept struct {
		Left []string // for people: "pid 4711 (sleep), of api.1"
	}

	// Operate asks for an operation. Its number is given out by the caller; what becomes of it is said by reports.
	Operate struct {
		Op Op
		Operation
		Unfit string // why the caller cannot do it; empty: he can
	}

	// Reload asks to take a changed configuration. Specs and Changes are by the IDs of its graph.
	Reload struct {
		Op      Op
		Graph   *ordering.Graph
		Specs   []Spec
		Options Options // but for the seed
		Changes []Change
		Cause   string // who asks, for people
		Unfit   string // why the caller cannot take it; empty: he can
	}

	// Tick says that time has passed; Step looks at its deadlines at every event, so any event does.
	Tick struct{}
)

func (Begin) event()         {}
func (Adopt) event()         {}
func (Stop) event()          {}
func (Interrupt) event()     {}
func (Hurry) event()         {}
func (Spawned) event()       {}
func (SpawnFailed) event()   {}
func (BecameReady) event()   {}
func (Exited) event()        {}
func (Gone) event()          {}
func (HookEnded) event()     {}
func (Surveyed) event()      {}
func (HealthFailed) event()  {}
func (HealthWorks) event()   {}
func (Quiesced) event()      {}
func (BecameDrained) event() {}
func (Settled) event()       {}
func (Cut) event()           {}
func (Unanswered) event()    {}
func (Lingered) event()      {}
func (Swept) event()         {}
func (Reload) event()        {}
func (Operate) event()       {}
func (Tick) event()          {}

// Adopted is a run that another supervisor has begun. Its number is the one that it has there, and so is the name of its
// instance, which does not change when others are added.
type Adopted struct {
	Inst Inst
	Name string
	Run  Run
	PID  int
}

// Inst names an instance: copy N (from 1) of a process.
type Inst struct {
	Proc ordering.ID
	N    int
}

// Run numbers a life, of an instance or of a hook: from 1, rising, never used twice. It is also the tag by which the
// kernel knows the run's descendants.
type Run uint64
