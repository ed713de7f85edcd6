package onecmd

import (
	"errors"
	"path"
	"strconv"
	"syscall"
	"time"

	"lastout/process/signame"
)

// options is how a command is to be kept.
type options struct {
	dialect *dialect
	name    string // how we were called
	argv    []string
	env     []string

	home        home
	group       bool           // signals are for the command's whole process group
	adopt       bool           // where we are not PID 1, become a subreaper
	parentDeath syscall.Signal // 0: none
	success     [256]bool      // codes that count as 0
	warnReaped  bool
	verbosity   int // 0: say nothing that can go on without; 1: warnings; 2: what happens; 3: every detail
	rewrite     [signame.RTMax + 1]syscall.Signal
	suspend     bool // stop whenever a signal of job control comes
	grace       time.Duration
}

// home is where the command lives.
type home uint8

const (
	ownGroup   home = iota
	ownSession      // with a terminal of its own, where there is one
	ourGroup        // nobody but the command is ever signalled
)

// dialect is a program whose command line is understood.
type dialect struct {
	flags       []Flag
	abbreviates bool                    // long flags may be abbreviated
	usage       int                     // the exit code for a wrong command line
	begin       func(o *options) error  // what holds before the first flag
	end         func(o *options) error  // what holds after the last
	prefix      func(o *options) string // of all that is said
	execCode    func(err syscall.Errno) int
	wrong       func(o *options, err error)
	answer      func(o *options, q question, version string) // nil: main does
}

// defaultGrace is what Docker allows a container for its stop.
const defaultGrace = 10 * time.Second

// parse understands a command line. It returns nil for one that is not ours, and what it understood with any error.
func parse(args, env []string) (*options, error) {
	if len(args) == 0 {
		return nil, nil
	}
	o := &options{name: path.Base(args[0]), env: env, verbosity: 1, grace: defaultGrace}
	rest := args[1:]
	switch o.name {
	case "tini", "tini-static", "docker-init":
		o.dialect = &tini
	case "dumb-init":
		o.dialect = &dumbInit
	default:
		if len(rest) == 0 || rest[0] != "init" {
			return nil, nil
		}
		o.dialect, o.name, rest = &lastout, "lastout init", rest[1:]
	}
	for i := range o.rewrite {
		o.rewrite[i] = syscall.Signal(i)
	}
	if o.dialect == &tini && len(rest) == 1 && rest[0] == "--version" {
		return o, forVersion // tini knows it where it is all there is
	}
	if err := o.dialect.begin(o); err != nil {
		return o, err
	}
	argv, err := o.readFlags(o.dialect.flags, rest)
	if err != nil {
		return o, err
	}
	if err := o.dialect.end(o); err != nil {
		return o, err
	}
	if len(argv) == 0 {
		return o, errNoCommand
	}
	o.argv = argv
	return o, nil
}

var errNoCommand = errors.New("no command (lastout init [flags] -- CMD ARG...)")

// getenv is a variable of the environment that we were started with, and whether it is there.
func (o *options) getenv(name string) (string, bool) {
	for _, e := range o.env {
		if value, ok := cutPrefix(e, name); ok && value != "" && value[0] == '=' {
			return value[1:], true
		}
	}
	return "", false
}

// readVariables sets what the environment says of flags.
func (o *options) readVariables(flags []Flag) error {
	for i := range flags {
		f := &flags[i]
		if f.Env == "" {
			continue
		}
		value, ok := o.getenv(f.Env)
		if !ok || value == "" || f.Value == "" && (value == "0" || value == "false") {
			continue
		}
		if err := f.apply(o, f.Env, value); err != nil {
			return err
		}
	}
	return nil
}

// graceFlag is known to all dialects, by its variable at least.
var graceFlag = Flag{
	Long: "grace", Value: "DURATION", Env: "LASTOUT_GRACE",
	Usage: "what the container or unit allows for the stop: so long those who are left are waited for",
	set:   setGrace,
}

func setGrace(o *options, value string) error {
	d, err := time.ParseDuration(value)
	switch {
	case err != nil && isNumber(value):
		return errors.New("a duration has a unit: did you mean " + value + "s?")
	case err != nil:
		return errors.New("not a duration, such as 10s or 1m30s")
	case d <= 0:
		return errors.New("no time to leave in")
	}
	o.grace = d
	return nil
}

// Within is how much of a grace may be used up, so that the last steps and a late timer are no reason to be killed by
// whoever granted it: all of it but 500 ms or 5 %, whichever is more, and never less than half.
func Within(grace time.Duration) time.Duration {
	return max(grace-max(500*time.Millisecond, grace/20), grace/2)
}

func setSuccess(o *options, value string) error {
	n, err := strconv.ParseUint(value, 10, 8)
	if err != nil {
		return errors.New("an exit code is a number from 0 to 255")
	}
	o.success[n] = true
	return nil
}

// setRewrite reads from:to, where to may be 0: dropped. The job control signals that a dialect sets itself may be set
// by the user too.
func setRewrite(o *options, value string) error {
	from, to, ok := cut(value, ':')
	if !ok {
		return errors.New("a rewrite is FROM:TO, such as 15:3 or TERM:QUIT, and 15:0 drops")
	}
	f, err := parseSignal(from)
	if err != nil {
		return err
	}
	if f == syscall.SIGKILL || f == syscall.SIGSTOP {
		return errors.New("nobody can catch " + signame.Of(f))
	}
	if to == "0" {
		o.rewrite[f] = 0
		return nil
	}
	t, err := parseSignal(to)
	o.rewrite[f] = t
	return err
}

// parseSignal reads a number or a name.
func parseSignal(text string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > int(signame.RTMax) {
			return 0, errors.New("no signal has the number " + text + " (1 to 64)")
		}
		return syscall.Signal(n), nil
	}
	if s, ok := signame.Parse(text); ok {
		return s, nil
	}
	return 0, errors.New("no signal is called " + strconv.Quote(text))
}
