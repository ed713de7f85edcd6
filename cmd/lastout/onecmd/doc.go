// Package onecmd is `lastout init`: PID 1 for one command, without a configuration. It reaps whoever is orphaned, passes
// signals on to the command, gives the command the terminal, ends with its exit code, and, before that, waits for
// whoever the command left behind. Called as tini or dumb-init it takes the command line of that program.
//
// # A start that costs little
//
// The program's other verbs bring a lot along (a parser of TOML, HTTP, cryptography, regular expressions), whose
// packages take ten times as long to initialise as all that is done here takes. Go initialises packages one by one, of
// those that are ready always the first by import path. So this package does its work in its own init function, which
// ends the process; it imports next to nothing (no fmt, no os/signal, no os/exec), so that it is ready early. What it
// cannot take (a wrong flag, a question for help) it leaves to main, which answers at leisure.
//
// # One loop
//
// There is one thread of ours, and no goroutine. Signals come through a pipe (package bare): their handler, a few lines of
// assembly, writes the first bytes of siginfo_t (sigaction(2)) into it and nothing else. So none is lost from the
// moment it is in, none is merged with another after it came but with its like in a flood, and none needs the Go
// runtime: those are caught too that os/signal hands to nobody (URG, PROF, STKFLT, 32, 33, 34). Faults of our own (SEGV,
// BUS, FPE, ILL, TRAP, ABRT, SYS with a cause in the kernel) go on to the runtime's handler; sent by somebody they are
// signals like all others. Where there is no such handler for a machine, os/signal feeds the same pipe.
//
// The loop reads the pipe, acts on each signal, and then reaps: a zombie is looked at (waitid(2) with WNOWAIT) before it
// is reaped, so that the pid of the command and the number of its group are its own whenever they are signalled.
//
// # What the command starts with
//
// Its own process group, or session (dumb-init), or ours (--single-child). Descriptors are handed on as they are; those
// from 3 on are closed on our side, and our working directory is the root, so that we hold nothing that the command let
// go.
//
// The signal mask and the ignored signals that we were started with, and the limit of open files. Go's runtime changes
// them before any line of Go runs, so the program has an entry before that (package bare), which reads them. A program
// that was not linked to begin there (the Makefile does) knows only what the runtime leaves: it has unblocked HUP, INT,
// QUIT, TERM, CHLD, URG, PROF, 32 to 34, and those of faults; and has given their default action to all that were
// ignored but HUP, INT, TSTP, TTIN, TTOU, CONT, 32 and 34.
//
// # The terminal
//
// Where our process group is in the foreground, the command's becomes that, and ours again at the end. When the
// terminal stops the command, we stop as well, so that the shell that started us sees it; when we are continued, the
// command gets the terminal back, and goes on. A command that was stopped because it reached for the terminal before
// it was given to it just goes on.
//
// # Those who are left
//
// When the command has ended, whoever is left gets SIGTERM and is waited for, then SIGKILL and is waited for again;
// both waits are bounded. All descendants are found that /proc shows; without it, those in the command's group, and as
// PID 1 everybody, by kill(-1).
package onecmd
