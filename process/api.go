package process

import (
	"os"
	"syscall"

	"lastout/process/cgroup"
	"lastout/process/shim"
)

// Spec is one child to start.
type Spec struct {
	Run   uint64     // the number of its life, rising: also the tag its descendants are known by
	Name  string     // for messages and the name of its cgroup
	Argv  []string   // Argv[0] is looked up in the PATH of Env, after Dir, unless it has a slash
	Dir   string     // absolute
	Env   []string   // whole, nothing is added
	Files []*os.File // its descriptors from 0 on; nil is /dev/null
	Hook  bool       // a hook: the same, but Sweep and reports tell it apart
	Life  uint64     // the caller's own number, for the register

	// OwnPID names variables that tell the program its own pid, such as LISTEN_PID of sd_listen_fds(3). They cost a shim.
	OwnPID []string

	// Limits are those of its cgroup, and so of its whole tree.
	Limits *cgroup.Limits

	// Around is what it finds around it beside all that. It costs a shim too.
	Around *shim.Circumstances

	// DeathSignal is what the program gets when the thread that started it ends (PR_SET_PDEATHSIG of prctl(2)): lastout's
	// main thread, whose end is lastout's. 0: nothing. The program's own children get nothing, and a setuid program, or one
	// with file capabilities, loses it.
	DeathSignal syscall.Signal
}

// Event is what the reaper saw. The set is closed; for one run they come as Started, Exited, Empty, and between the first
// and the last, or right before, what its limits are about.
type Event interface{ event() }

// The events.
type (
	// Started says that the program runs: its exec succeeded.
	Started struct {
		Run uint64
		PID int
	}

	// Exited says that the main process was reaped, with how many others of its tree are left. Where there are none,
	// Empty follows at once.
	Exited struct {
		Run    uint64
		Status syscall.WaitStatus
		Left   int
		OOM    OOM // it was killed by the kernel for want of memory
	}

	// Unlimited says that a limit of the run cannot be kept. It comes before Started, or its failure.
	Unlimited struct {
		Run uint64
		cgroup.Unkept
	}

	// OutOfMemory says that the kernel killed others of the tree than the main process for want of memory.
	OutOfMemory struct {
		Run   uint64
		Kills uint64
		OOM   OOM
	}

	// Empty says that the main process was reaped and that its tree is empty.
	Empty struct {
		Run uint64
	}

	// Swept answers Sweep.
	Swept struct {
		Left []Member
	}
)

func (Started) event() {}
func (Exited) event()  {}
func (Empty) event()   {}
func (Swept) event()   {}

func (Unlimited) event()   {}
func (OutOfMemory) event() {}

// OOM says what was in the way of whom the kernel killed for want of memory.
type OOM uint8

// What it may be.
const (
	NoOOM    OOM = iota // it was not killed so
	OwnOOM              // the limit of its own cgroup
	OuterOOM            // a limit above that, or the machine's memory
)

// Member is a process of somebody's tree.
type Member struct {
	PID  int
	Run  uint64 // 0: nobody's
	Comm string
}

// Scope says whom of a tree a signal is for.
type Scope uint8

// The scopes.
const (
	Leader Scope = iota // the main process only
	Rest                // every member but the main process
)
