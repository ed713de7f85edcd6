package config

import (
	"regexp"
	"syscall"
	"time"

	"lastout/ordering"
	"lastout/process/cgroup"
	"lastout/process/held"
	"lastout/process/shim"
	"lastout/supervisor"
)

// Config is a configuration without a fault.
type Config struct {
	File      string // absolute
	Name      string
	Graph     *ordering.Graph
	Nodes     []ordering.Node
	Specs     []supervisor.Spec // by ordering.ID
	Processes []Process         // by ordering.ID
	Sockets   []Socket          // held listeners, in the order they are written in
	Options   supervisor.Options
	Linger    time.Duration // shutdown.linger: who is PID 1 makes it Options.Linger
	Before    *Command      // hooks of the whole tree
	After     *Command
	Log       LogSettings
	Control   Control
	Guardian  bool    // a parent stage watches over lastout itself
	Warnings  []Fault // lint: what will surprise

	options *LoadOptions // as it was loaded with; nil: it was handed over by a build that did not keep them
	loader  *loader      `image:"-"` // for what is asked of it later; nil: it was handed over
	found   []*process   `image:"-"` // by ordering.ID
}

// LogSettings are lastout's own log.
type LogSettings struct {
	Level  string // debug info warn error
	Format string // auto text json
}

// Process is what the engine must know of a process; the machine's part is in Config.Specs.
type Process struct {
	Name      string
	Instances []Instance // none where the process is not enabled: its files and variables need not be there
	Log       Log
	Sockets   []int   // by Config.Sockets: those it is handed, in the order of its descriptors
	Dialect   Dialect // in which it is told of them
}

// Socket is a listener that lastout opens, keeps, and hands to those who name it: one shared by all their instances, at
// each of its addresses.
type Socket struct {
	Name   string
	Listen []held.Address
	held.Options
	Line int
}

// Instance is one copy, with everything expanded. In its environment are LASTOUT_PROCESS (the process's name),
// LASTOUT_INSTANCE (its number, as {instance}: from 1, also where there is one copy only) and, where the process has a
// port, PORT (port + number - 1, as {port}).
type Instance struct {
	Name    string // "api.2", or "api" where there is one
	N       int    // from 1
	Command Command
	Hooks   map[supervisor.HookKind]Command
	Stop    []Command // by stop step; a step with a signal has none (Argv nil)
	Probe   Probe
	Drain   Drain
	Health  Health

	Stdin string // "" is /dev/null; Inherit; or a file, absolute

	// LogFile is Log.File of its process with this instance's own expansion: the same for all, or one for each.
	LogFile string
}

// Inherit is the Stdin of an instance that has lastout's own.
const Inherit = "inherit"

// Drain is how an instance is drained, as far as the machine need not know it.
type Drain struct {
	Command         *Command // the invitation, where it is a command
	Probe           *Command // exit 0: drained
	ProbeTimeout    time.Duration
	Quiet           time.Duration // for how long nobody must have waited for an answer
	Quiesce         string        // auto filter sentinel minttl none
	KeepPreconnects bool          // connections that never carried a byte are left open
	Ports           []int         // where its clients come in; none: found in its tree
}

// Command is a program with its circumstances. A program that is written as "lastout", without a slash, is the running
// binary: Argv[0] is its path then. `shell = "..."` is ["/bin/sh", "-c", "..."].
type Command struct {
	Argv []string
	Dir  string   // absolute
	Env  []string // whole: inherited < env_file < env < ours, each name once; see Instance
	Line int      // where it is configured

	Around *shim.Circumstances // user, limits and the like; nil: as lastout has them
	Group  *cgroup.Limits      // of the control group it is in; nil: none

	// DeathSignal is what its main process gets when lastout dies; 0: nothing.
	DeathSignal syscall.Signal
}

// Probe is how readiness is found out. At most one field is set; none: the machine knows (exec, exit, delay).
type Probe struct {
	TCP      string
	HTTP     string
	Exec     *Command
	Notify   bool
	FD       int // above 2
	Log      *regexp.Regexp
	Interval time.Duration
}

// Health is how an instance is looked at while it is ready. At most one of the first four is set; none: it is not.
type Health struct {
	TCP      string
	HTTP     string
	Exec     *Command
	Watchdog time.Duration // it says WATCHDOG=1 at least so often
	Interval time.Duration
	Timeout  time.Duration // of a look
	Grace    time.Duration // after its start, in which nothing is looked at
}

// Log is where the output of a process goes.
type Log struct {
	Stdout, Stderr LogMode
	File           string // absolute
	MaxSize        int64
	MaxFiles       int
	Timestamps     bool
}

// LogMode is the way of one stream.
type LogMode uint8

// The ways.
const (
	LogPrefix  LogMode = iota // line by line to our stdout, with the instance's name before it
	LogInherit                // the child has our own descriptor
	LogFile
	LogNull
)

// Fault is one thing wrong, or for a warning surprising, in a file.
type Fault struct {
	File string
	Line int
	Text string // `process "api": unknown key "comand" (did you mean "command"?)`
}
