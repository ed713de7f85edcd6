package control

import (
	"context"

	"lastout/process/recent"
	"lastout/supervisor"
	"lastout/supervisor/report"
)

// System is the running tree, as far as the control plane looks at it and works on it. All methods may be called from any
// goroutine; none waits for more than the loop to come to the end of a step.
type System interface {
	About() About

	// Snapshot is the tree as it stands; false when the loop is over.
	Snapshot() (supervisor.Snapshot, bool)

	// Usage is what the trees of runs use, by run.
	Usage() map[supervisor.Run]Usage

	// Connections are those of each gateway's run that can be seen.
	Connections() map[supervisor.Run]Connections

	// Unready is what the readiness probes of the runs that are not ready saw last.
	Unready() map[supervisor.Run]string

	// Output is what the instances have written last, by their names; who is not on the shelf is not seen.
	Output() *recent.Shelf

	// Sinks are where output goes.
	Sinks() []Sink

	// Shutdown is the report of the shutdown that is under way, as far as it has come; nil: there is none.
	Shutdown() *report.Shutdown

	// Operate hands an operation to the machine. What becomes of it comes as its reports; there is no more when the channel
	// is closed.
	Operate(o supervisor.Operation) <-chan supervisor.Report

	// Reload reads the configuration anew and hands it to the machine, which answers as to an operation; a *Faulty one changes
	// nothing. PlanReload says what that would do; false when the loop is over.
	Reload(cause string) (<-chan supervisor.Report, error)
	PlanReload() (supervisor.ReloadPlan, bool, error)

	// Stop asks for an ordered shutdown, Hurry for one that is urgent from the begin. Cause is for people.
	Stop(cause string)
	Hurry(cause string)

	// Upgrade proves another binary and, unless it is a trial, returns what puts it in the place of the running one. That is
	// refused while something goes on that cannot be handed over.
	Upgrade(r UpgradeRequest, cause string) (Upgrading, func(), error)

	// Upgraded is what became of an upgrade, once that is known; false where there was no such upgrade.
	Upgraded(ctx context.Context, number int) (Upgraded, bool)
}

// Sink is a place where output goes.
type Sink struct {
	Name         string // stdout, or a file's path
	Bytes        uint64 // taken so far
	DroppedLines uint64
	DroppedBytes uint64
}
