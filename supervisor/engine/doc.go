// Package engine acts: it holds the only loop. It hands what happens to the machine (package supervisor), performs what
// the machine decides through a System, and keeps the one timer there is, set to the machine's earliest deadline.
//
// Host is the System of the real kernel: it turns actions into calls of package process, probes for readiness, runs
// hooks, and turns what comes back into events. Tests use another System, in virtual time.
//
// # Who runs where
//
//	the loop        Run, and through Do everything that a Host keeps; it never waits for anything but the mailbox
//	the spawner     what a child is handed is opened, and it is forked: an exec that hangs hangs here
//	the reaper      its events are put into the mailbox, and translated on the loop
//	a probe         a goroutine for each run that is not ready yet; none afterwards
//	a drainer       a goroutine for each run whose drain has begun, until it is gone
//	a pipe          a goroutine of package output for each pipe of a child, parked while the child is silent
//
// Whoever is not the loop talks to it by the Mailbox: by an event for the machine, or by a function for the loop to run.
// So nothing here has a lock but the mailbox.
//
// # What comes first
//
// Whatever was put into the mailbox before a deadline was looked at is seen before that deadline: who has left is not
// killed for being late. Only when the mailbox is empty does time pass for the machine.
//
// # A child
//
// A run, a hook, a stop command and the look of an exec probe are each a child: queued for the spawner, started, exited,
// gone. What it plays is a part, which says what of that the machine is told. A run is gone when its tree is; a hook is
// over when its main process has exited, and what it left running is swept at the end of the shutdown.
//
// # A drain
//
// A drainer sees to the listeners and connections of one run. The loop gives it orders, of which only the last matters,
// and never waits for it: its system calls, and the own connections by which it proves that others are turned away, take
// their time. It looks at the connections only while somebody waits for them, and at the descriptors of the tree only when
// somebody new listens. Before a run is told to stop, its listeners are its own again; when it is gone, the machine is told
// so as soon as it is known which connections that cut off.
//
// A listener at which the tree is its own client, as of a router and the workers behind it in one program, is left as it
// is. Only a connection that is seen tells: where none is there when the drain begins, new ones are let in again when one
// is tried, and its client sends its SYN once more after a second.
//
// # What another one has left
//
// Adopt and AdoptStrangers make a Host of the runs of a tree whose supervisor was killed, and TakeDown has the machine take
// it down. What they write is read on, where their pipes can be opened. Hooks
// that were under way are killed, for it is not known what waited for them, and run anew where the shutdown has them.
//
// # The end
//
// When a shutdown begins, sinks that are blocked hold nobody back for longer than a moment any more. Before the report
// of the end, what the runs left in their pipes is handed on, the sinks are flushed, all within a bound, and what was
// lost is said.
package engine
