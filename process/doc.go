// Package process is the kernel's side of lastout: children, their trees, signals, and the one reaper.
//
// # Who owns wait4
//
// The Reaper, and nobody else: no os/exec, no os.Process. SIGCHLD wakes it and is never evidence. It looks at each
// zombie (waitid(2) with WNOWAIT) to see whose it is, and reaps it at once; no zombie is held. After a batch it decides
// what that means. No lock is held across fork: an exit of a process that is not known yet is kept while a fork is
// under way, so an exec that hangs holds only the thread it hangs on.
//
// # Whose child is it
//
// lastout is a child subreaper (prctl(2), PR_SET_CHILD_SUBREAPER), so whoever outlives his parent becomes its child.
// Whose he was is told by three marks, in this order:
//
//   - his cgroup, where there are any;
//   - his tag: before each fork the hard limit of RLIMIT_RTTIME is lowered by one step, so that it tells the run; it
//     survives fork, exec, env -i, setuid and file capabilities, and /proc/PID/limits shows it without ptrace rights;
//   - his process group, whose number stays taken as long as anybody is in it, for a program that changed its limits.
//
// A supervisor below another one goes down in smaller steps, so that the outer one takes all that is left of it for the
// run it was. On a third level only cgroups tell that. Whose a process is that is not our own child, is whose the child
// of ours above it is; its own marks count for nothing, because anybody may lower his limits.
//
// # Is a tree empty
//
// A tree is empty when the main process is reaped and no direct child of ours, zombies included, is attributed to the
// run, with no reap between reading and deciding: who flees by double forks is always the child of somebody who is.
// With cgroup v2 the run's cgroup.events must say populated 0 besides. What left the tree on request (docker run,
// systemd-run) is nobody's.
//
// # The end of a tree
//
// Kill hits each process before its children are listed, for whoever has a SIGKILL pending cannot fork any more, and
// looks again at each reap until the tree is empty; with cgroups cgroup.kill does it, also to whom kill(2) may not. A
// process that may not be killed keeps its run from being empty, and nothing else.
//
// # What another one has left
//
// The runs of a supervisor that was killed are known by their rows in the register (package register). Adopt takes them up
// in the place of its parent: they are our own children by now. AdoptStrangers does where somebody else reaps them: a pid
// is theirs only with its start time, their ends are told by pidfds, how they ended by nobody, and whose a process is that
// has lost its parent, by what was seen of it before, its cgroup, or its process group and tag together.
//
// # Without /proc
//
// Nobody can be listed then, and a run's tree is the process group of its main process, and its cgroup where it has one:
// blind.go. PID 1 still reaches everybody at the end.
//
// # Limits
//
// The limits of a run are those of its cgroup (package cgroup), set before anybody is in it. Where one cannot be kept that
// is told (Unlimited), and the run starts without it. Whom the kernel kills for want of memory is told by memory.events:
// with the end of the main process where it was that one, and else as soon as it is known that it lives on.
//
// # The main thread
//
// A Spawner forks on the one thread it is served on, the main thread in lastout: the parent-death signal follows the
// parent thread, and an exec ends all threads but one.
package process
