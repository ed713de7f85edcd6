// Package process is the kernel's side of lastout: children, their trees, signals, and the one reaper.
//
// # Who owns wait4
//
// The Reaper, and nobody else: no os/exec, no os.Process. SIGCHLD wakes it and is never evidence. It peeks at each
// zombie (waitid(2) with WNOWAIT), and where that is a run's main process it notes the members of its tree before it
// reaps it at once; no zombie is held. No lock is held across fork: an exit of a process that is not known yet is kept
// while a fork is under way.
//
// # Whose child is it
//
// lastout is a child subreaper (prctl(2), PR_SET_CHILD_SUBREAPER), so whoever outlives his parent becomes its child.
// Before each fork the hard limit of RLIMIT_RTTIME is lowered by one step, so that it tells the run: it survives fork,
// exec, env -i, setuid and file capabilities, and /proc/PID/limits shows it without any ptrace right.
//
// # Is a tree empty
//
// With cgroup v2 each run has a cgroup of its own; it is empty when cgroup.events says populated 0 and the main process
// is reaped. Without, a tree is empty exactly when no direct child of lastout, zombies included, is attributed to the
// run, with no reap between reading and deciding.
//
// # The main thread
//
// A Spawner forks on the one thread it is served on, the main thread in lastout: the parent-death signal follows the
// parent thread, and an exec ends all threads but one.
package process
