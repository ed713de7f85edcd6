// Package register keeps on record what lastout has running, for whoever has to clear up when lastout itself is killed:
// the rescue, in the guardian's place, or the next start.
//
// A register is a file: one of a name, in a folder, or a memory file that the guardian has given (memfd_create(2)), or
// both at once. It is mapped (mmap(2)), and a row of it is written by plain stores, without a system call. What was
// stored when a SIGKILL came is there: the pages are the kernel's.
//
// # What a file holds
//
//	header       magic, format, pid and start time of lastout, boot id and PID namespace, the highest numbers given out
//	rows         of a fixed size, one for each run or hook that is not gone: its number (the tag of package process), pid
//	             and start time (proc_pid_stat(5), field 22), the supervisor's own number, name
//	the plan     what the caller must know to clear up in order, as bytes; a new one is written beside the old one
//
// # Crashes
//
// A row is whole or not there: its last store is the word that says which. The same goes for the plan. The room of a
// row is allocated (fallocate(2)) before it is touched, for a store into a hole of a full disk would be a SIGBUS. Where
// no room is left, a run has no row, and that is said to the caller.
//
// # Who lives
//
// Its owner holds a lock on the file (flock(2)), which ends with it, however it ends.
package register
