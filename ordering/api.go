package ordering

import (
	"fmt"
	"time"
)

// Role says what a process is to the others. The zero value is Worker, the default.
type Role uint8

// The roles of the configuration's `role` key.
const (
	Worker  Role = iota // does the work; leaves before the gateways connected to it
	Gateway             // carries requests in and answers out; leaves after its workers
	Service             // a backing store; stays while anything that needs it is there
	Task                // runs to its end; ready when it exits 0
)

// roleNames are the texts of the roles, by role.
var roleNames = [...]string{Worker: "worker", Gateway: "gateway", Service: "service", Task: "task"}

// ParseRole is the role that a configuration names, and whether there is one of that name.
func ParseRole(name string) (Role, bool) {
	for r, text := range roleNames {
		if text == name {
			return Role(r), true
		}
	}
	return Worker, false
}

// String is the role as a configuration names it.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return fmt.Sprintf("role(%d)", r)
}

// leavesBeforeGateway says whether a process of this role leaves before a gateway that depends on it: the turned edge.
func (r Role) leavesBeforeGateway() bool {
	switch r {
	case Worker, Gateway:
		return true
	case Service, Task:
		return false
	}
	panic("ordering: unknown " + r.String())
}

// ID is a process's place in the slice given to New: dense, and the same in every package that speaks of the process.
type ID int

// Node is one declared process.
type Node struct {
	Name      string
	Role      Role
	DependsOn []string
	Fronts    []string // gateway only; nil: derived, empty but not nil: fronts nobody
	Outlives  []string
	NoDrain   bool // a gateway that has nothing to do for its drain: nobody waits for it, and it waits for no client
}

// StepKind tells the two steps of a process's part in a shutdown apart.
type StepKind uint8

// The two steps, in the order a process takes them.
const (
	Drain StepKind = iota // work is turned away and what is in hand is finished; empty for all but gateways
	Leave                 // the process is told to stop, and gone
)

// String is the kind as people read it: "drain" or "leave".
func (k StepKind) String() string {
	switch k {
	case Drain:
		return "drain"
	case Leave:
		return "leave"
	}
	return fmt.Sprintf("step(%d)", uint8(k))
}

// Step is one process's turn to drain or to leave.
type Step struct {
	Kind StepKind
	ID   ID
}

// DroppedWait is a wait that the rules ask for and that would have made a step wait for itself: Step goes without
// waiting for For.
type DroppedWait struct {
	Step, For Step
}

// Forever is the bound of a wait that has none.
const Forever time.Duration = 1<<63 - 1
