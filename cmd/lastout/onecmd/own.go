package onecmd

import (
	"errors"
	"syscall"
)

// lastout is our own command line.
var lastout = dialect{
	flags: ownFlags,
	usage: 2,
	begin: func(o *options) error {
		o.adopt = true
		return o.readVariables(ownFlags)
	},
	end: func(o *options) error {
		if o.home == ourGroup && o.group {
			return errors.New("--group and --single-child: whom to signal?")
		}
		o.adopt = o.adopt && o.home != ourGroup
		return nil
	},
	prefix: func(o *options) string {
		return o.name + ": "
	},
	execCode: shellCode,
	wrong: func(o *options, err error) {
		o.say(o.name + ": " + err.Error() + " (lastout help init shows the flags)")
	},
}

// Flags are those of `lastout init`.
func Flags() []Flag { return ownFlags }

var ownFlags = []Flag{
	{
		Short: "g", Long: "group", Env: "LASTOUT_GROUP", Usage: "pass signals on to the command's whole process group",
		set: func(o *options, _ string) error { o.group = true; return nil },
	},
	{
		Short: "s", Long: "subreaper", Env: "LASTOUT_SUBREAPER",
		Usage: "adopt orphans where it is not PID 1 (it always does; the flag is known out of habit)",
		set:   func(o *options, _ string) error { o.adopt = true; return nil },
	},
	{
		Short: "p", Long: "parent-death", Value: "SIGNAL", Env: "LASTOUT_PARENT_DEATH",
		Usage: "the signal to get when the parent dies; KILL takes the command along",
		set:   setParentDeath,
	},
	{
		Short: "e", Long: "success", Value: "CODE", Env: "LASTOUT_SUCCESS",
		Usage: "an exit code of the command that counts as 0; may be given more than once",
		set:   setSuccess,
	},
	{
		Short: "w", Long: "warn-reaped", Env: "LASTOUT_WARN_REAPED", Usage: "tell of every orphan that is reaped",
		set: func(o *options, _ string) error { o.warnReaped = true; return nil },
	},
	{
		Short: "v", Long: "verbose", Env: "LASTOUT_VERBOSE", Usage: "tell what happens; twice: every signal",
		set: func(o *options, _ string) error { o.verbosity++; return nil },
	},
	{
		Long: "rewrite", Value: "FROM:TO", Env: "LASTOUT_REWRITE",
		Usage: "pass on another signal than came, 15:3 or TERM:QUIT; TERM:0 drops it; may be given more than once",
		set:   setRewrite,
	},
	{
		Long: "single-child", Env: "LASTOUT_SINGLE_CHILD",
		Usage: "leave the command in our own process group, signal nobody else, wait for nobody else",
		set:   func(o *options, _ string) error { o.home = ourGroup; return nil },
	},
	graceFlag,
	{Short: "h", Long: "help", Usage: "show these flags", set: askHelp},
}

func setParentDeath(o *options, value string) error {
	s, err := parseSignal(value)
	o.parentDeath = s
	return err
}

// shellCode is the exit code that a shell gives for a command that cannot be run.
func shellCode(err syscall.Errno) int {
	switch err {
	case syscall.ENOENT:
		return 127
	case syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE:
		return 1 // that is about us, and not about the command
	}
	return 126
}
