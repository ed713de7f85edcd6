// Package shim does what a fork and an exec cannot do by themselves, in the child, between the two: the running binary
// executes itself, does it, and executes the program. It is gone then; the program has its process, with its pid, its
// descriptors, its limits and its cgroup.
//
// Who imports this package is such a binary: its init looks whether it was called as a shim, so that nothing else of the
// program comes first. It depends on little, for what it depends on is initialised before it.
//
// What is to be done comes in a memory file (memfd_create(2)) and not in arguments or variables, which would be cut
// short by their limits, seen by others, and heard by Go's own runtime. What went wrong goes back through a pipe that is
// closed by the exec itself. Both are the last descriptors of the shim, and closed on exec, so that the program gets
// neither.
package shim
