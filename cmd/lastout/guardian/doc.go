// Package guardian is the parent stage of `lastout run`: a process that is lastout's parent, takes the signals and passes
// them on, and sees to the tree should lastout die. Where there is one, lastout itself is called the master.
//
// # A stage that costs little
//
// The first process of a guarded tree reads the configuration, executes itself anew, and is the guardian from then on.
// Nothing else of the program is initialised there: like package onecmd this one does its work in its init function, in
// one loop that sleeps until a signal or a word of the master comes.
//
// # What it is told, and tells
//
// A pair of sockets is between the two (unix(7), SOCK_SEQPACKET). The guardian writes the number of each signal that came,
// and the master reads it when it can: so none is lost before the master listens, nor while it executes another binary
// in its place (an upgrade), and none ends it in such a moment. The master says:
//
//   - what the service manager is to be told, which hears only the process that it has started;
//   - which binary it has become;
//   - that it ends because it is done.
//
// Whom it has started it notes in a memory file that both have open (package process/register).
//
// # The end of the master
//
// A master that said that it is done leaves its exit code to the guardian. One that did not was killed, or crashed: its
// children, and theirs, are the guardian's then, with their exit statuses. It is known of that end before the first of
// them can be seen, for the kernel closes a process's sockets before it hands its children on; so none is reaped here.
// The guardian's init function returns, and the rest of the program, which waited behind it, takes the tree down in this
// very process: no exec lies between, in which a signal would be lost. Only where an upgrade has made the master another
// build than this one, that is executed, for it alone can read the register.
package guardian
