package onecmd

import (
	"errors"
	"strconv"
	"syscall"
)

// dumbInit is the command line of dumb-init 1.2.5.
var dumbInit = dialect{
	flags:       dumbInitFlags,
	abbreviates: true,
	usage:       1,
	begin:       dumbInitBegin,
	end:         dumbInitEnd,
	prefix:      func(*options) string { return "[dumb-init] " },
	execCode:    func(syscall.Errno) int { return 2 },
	wrong:       dumbInitWrong,
	answer:      dumbInitAnswer,
}

var dumbInitFlags = []Flag{
	{
		Short: "c", Long: "single-child", Usage: "signals are for the command alone, and not for its descendants",
		set: func(o *options, _ string) error { o.home = ourGroup; return nil },
	},
	{
		Short: "r", Long: "rewrite", Value: "s:r", Usage: "pass on signal r where s came; s:0 drops it; may be repeated",
		set: dumbInitRewrite,
	},
	{Short: "v", Long: "verbose", Usage: "tell what happens", set: func(o *options, _ string) error { o.verbosity = 3; return nil }},
	{Short: "h", Long: "help", Usage: "show these flags", set: askHelp},
	{Short: "V", Long: "version", Usage: "show the version", set: askVersion},
}

// unset marks a signal of job control that no flag rewrites.
const unset = -1

var jobControl = []syscall.Signal{syscall.SIGTSTP, syscall.SIGTTOU, syscall.SIGTTIN}

func dumbInitBegin(o *options) error {
	o.home, o.suspend = ownSession, true
	for _, s := range jobControl {
		o.rewrite[s] = unset
	}
	return o.readVariables([]Flag{graceFlag})
}

// dumbInitEnd reads dumb-init's variables. In a session of its own the command's group has nobody beside it in the
// terminal's eyes, and the kernel lets no such group be stopped by the signals of job control: SIGSTOP does it.
func dumbInitEnd(o *options) error {
	if value, _ := o.getenv("DUMB_INIT_DEBUG"); value == "1" {
		o.verbosity = 3
	}
	if value, _ := o.getenv("DUMB_INIT_SETSID"); value == "0" {
		o.home = ourGroup
	}
	o.group, o.adopt = o.home == ownSession, o.home == ownSession
	for _, s := range jobControl {
		switch {
		case o.rewrite[s] != unset:
		case o.home == ownSession:
			o.rewrite[s] = syscall.SIGSTOP
		default:
			o.rewrite[s] = s
		}
	}
	return nil
}

// dumbInitRewrite knows the signals from 1 to 31, by number.
func dumbInitRewrite(o *options, value string) error {
	const last = 31
	from, to, _ := cut(value, ':')
	f, err1 := strconv.Atoi(from)
	t, err2 := strconv.Atoi(to)
	if err1 != nil || err2 != nil || f < 1 || f > last || t < 0 || t > last {
		return errors.New("a rewrite is s:r, two numbers from 1 to 31; r may be 0")
	}
	o.rewrite[f] = syscall.Signal(t)
	return nil
}

func dumbInitWrong(o *options, err error) {
	if err == errNoCommand {
		write(stderr, "usage: "+o.name+" [flags] PROGRAM [ARG...]\n       "+o.name+" --help\n")
		return
	}
	o.say(o.name + ": " + err.Error() + " (" + o.name + " --help shows the flags)")
}

func dumbInitAnswer(o *options, q question, version string) {
	switch q {
	case forVersion:
		write(stderr, "dumb-init v1.2.5 (lastout "+version+")\n")
	case forHelp, forLicense:
		write(stderr, "usage: "+o.name+" [flags] PROGRAM [ARG...]\n\n"+
			"lastout in the place of dumb-init: runs a program in a session of its own, reaps, passes signals on,\n"+
			"and waits for whoever is left.\n\n"+listFlags(dumbInitFlags)+
			"\nvariables: DUMB_INIT_DEBUG=1 (-v), DUMB_INIT_SETSID=0 (-c), LASTOUT_GRACE (what the container allows for\n"+
			"the stop, 10s unless set)\n")
	}
}
