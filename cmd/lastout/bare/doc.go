// Package bare is for what runs before the rest of the program is initialised: `lastout init`, and the guardian. It takes
// signals with a handler of its own and has the system calls that package syscall lacks, and it imports next to nothing,
// so that it is ready early. Before even Go's runtime comes lastout_entry (entry_*.s), which reads what the runtime changes,
// and as PID 1 catches what the kernel would drop.
package bare
