package ordering

// Role says what a process is to the others. The zero value is Worker, the default.
type Role uint8

// The roles of the configuration's `role` key.
const (
	Worker  Role = iota // does the work; leaves before the gateways connected to it
	Gateway             // carries requests in and answers out; leaves after its workers
	Service             // a backing store; stays while anything that needs it is there
	Task                // runs to its end; ready when it exits 0
)

// ID is a process's place in the slice given to New: dense, and the same in every package that speaks of the process.
type ID int

// Node is one declared process.
type Node struct {
	Name      string
	Role      Role
	DependsOn []string
	Fronts    []string // gateway only; nil: derived, empty but not nil: fronts nobody
	Outlives  []string
}

// StepKind tells the two steps of a process's part in a shutdown apart.
type StepKind uint8

// The two steps, in the order a process takes them.
const (
	Drain StepKind = iota // work is turned away and what is in hand is finished; empty for all but gateways
	Leave                 // the process is told to stop, and gone
)

// Step is one process's turn to drain or to leave.
type Step struct {
	Kind StepKind
	ID   ID
}
