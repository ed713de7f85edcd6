package config

import (
	"regexp"
	"time"

	"lastout/ordering"
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
	Options   supervisor.Options
	Before    *Command // hooks of the whole tree
	After     *Command
	Log       LogSettings
	Warnings  []Fault // lint: what will surprise
}

// LogSettings are lastout's own log.
type LogSettings struct {
	Level  string // debug info warn error
	Format string // auto text json
}

// Process is what the engine must know of a process; the machine's part is in Config.Specs.
type Process struct {
	Name      string
	Instances []Instance
	Log       Log
}

// Instance is one copy, with everything expanded.
type Instance struct {
	Name    string // "api.2", or "api" where there is one
	N       int    // from 1
	Command Command
	Hooks   map[supervisor.HookKind]Command
	Stop    []Command // by stop step; a step with a signal has none (Argv nil)
	Probe   Probe
}

// Command is a program with its circumstances.
type Command struct {
	Argv []string
	Dir  string   // absolute
	Env  []string // whole: inherited, env_file, env and ours (LASTOUT_PROCESS, LASTOUT_INSTANCE, PORT), in that order
	Line int      // where it is configured
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
