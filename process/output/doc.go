// Package output carries what children write to where it shall go, line by line and without loss.
//
// # Pipe
//
// A Pipe reads what one run writes: its stdout, its stderr, or both where their order shall be kept. It is one
// goroutine that parks in the netpoller. A buffer is taken from a pool when there is something to read and given back
// when there is nothing more, so a silent child costs some four kilobytes and wakes nobody; the begin of a line
// without an end is kept apart, 16 KiB of it at most.
//
// With a prefix each line goes out as prefix, time if wanted, line; one that is longer than 16 KiB is broken up,
// between two characters if it is UTF-8, and the last one gets an end if it has none. Without a prefix the bytes go
// out as they are. A line that has a beginning in a sink is finished or ended there before anybody else's comes, so
// that the lines of two children never mix, whatever they write; all bytes pass, NUL too.
//
// When its run is gone, Finish takes what is in the pipe at that time and closes it: a descendant or a stranger that
// still holds the write end neither holds up the end nor gets anything more in.
//
// # Sink
//
// A Sink writes: to our stdout, or to a file that is rotated by size and count. Writers fill one buffer while a
// goroutine writes the other, in writes as large as what has come in; it lives only while there is something to write.
// The bytes are copied once between read(2) and write(2).
//
// A sink that is behind, with 128 KiB waiting, holds its writers back in the order in which they came: the pipe fills
// and the child waits in its write(2), as it would have without us. That loses nothing and may last for ever. Hurry,
// for a shutdown, gives it an end: from then on the sink holds back for so long in all, and then drops what there is
// no room for, whole lines, and counts them. So does Close with what it cannot write in time. A write(2) that never
// returns costs one thread until the process ends, and nobody waits for it longer than he said.
//
// What was handed to a sink is therefore written or counted by Dropped, to the line. Where a blocking write(2) of the
// last batch hangs (a terminal, an older kernel's pipe), the whole of that batch counts as dropped until it returns.
//
// # Descriptors of others
//
// Stdout may be anything, and is shared with others. It is written to by raw write(2): os.File has a Go process die of
// SIGPIPE where descriptor 1 or 2 is a broken pipe; here that is an error like any other, said once, its lines
// counted. O_NONBLOCK is never set, for it would be set for all who share the open file description; where it is set
// already, poll(2) waits for room. Pipes and sockets are written to with RWF_NOWAIT (pwritev2(2)), which is for one
// call only, so that it is known what a reader that has stopped reading has got.
//
// # Files
//
// A file is written with O_APPEND. With each batch the kernel is asked for its size and whether it still has a name,
// so that logrotate's copytruncate, an unlinked file and a vanished folder are all noticed. It is rotated between two
// lines by rename(2): Path becomes Path.1, and that Path.2, up to MaxFiles. Where that fails the file grows on, and it
// is tried again a file later. Where the disk is full in the middle of a line, that part of it is taken back
// (ftruncate(2)). Two sinks must not have one path: each would rotate the other's file away.
//
// A process whose RLIMIT_FSIZE may be reached gets SIGXFSZ with the error; whoever uses this package catches it, or the
// Go runtime ends the program.
package output
