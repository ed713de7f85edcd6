package onecmd

import (
	"errors"
	"strconv"
	"syscall"
)

// tini is the command line of tini 0.19, which Docker calls docker-init. Its flags end at the first argument that is
// none, as with musl or POSIXLY_CORRECT; with glibc's getopt, tini itself looks for flags behind the command's name too.
var tini = dialect{
	flags:    tiniFlags,
	usage:    1,
	begin:    tiniBegin,
	end:      tiniEnd,
	prefix:   func(o *options) string { return o.name + " (" + strconv.Itoa(syscall.Getpid()) + "): " },
	execCode: shellCode,
	wrong:    tiniWrong,
	answer:   tiniAnswer,
}

var tiniFlags = []Flag{
	{Short: "h", Usage: "show these flags", set: askHelp},
	{
		Short: "s", Usage: "become a subreaper",
		set: func(o *options, _ string) error { o.adopt = true; return nil },
	},
	{Short: "p", Value: "SIGNAL", Usage: "get SIGNAL when the parent dies, such as SIGKILL", set: tiniParentDeath},
	{Short: "v", Usage: "tell more; up to three times", set: func(o *options, _ string) error { o.verbosity++; return nil }},
	{Short: "w", Usage: "warn of reaped orphans", set: func(o *options, _ string) error { o.warnReaped = true; return nil }},
	{
		Short: "g", Usage: "pass signals on to the command's process group",
		set: func(o *options, _ string) error { o.group = true; return nil },
	},
	{Short: "e", Value: "CODE", Usage: "an exit code (0 to 255) that counts as 0; may be repeated", set: setSuccess},
	{Short: "l", Usage: "show the license", set: askLicense},
}

func tiniParentDeath(o *options, value string) error {
	if !hasPrefix(value, "SIG") {
		return errors.New("a signal's name begins with SIG")
	}
	return setParentDeath(o, value)
}

func tiniBegin(o *options) error { return o.readVariables([]Flag{graceFlag}) }

// tiniEnd reads tini's variables, which come after its flags.
func tiniEnd(o *options) error {
	if _, ok := o.getenv("TINI_SUBREAPER"); ok {
		o.adopt = true
	}
	if _, ok := o.getenv("TINI_KILL_PROCESS_GROUP"); ok {
		o.group = true
	}
	if value, ok := o.getenv("TINI_VERBOSITY"); ok {
		n, err := strconv.Atoi(value)
		if err != nil {
			n = 0
		}
		o.verbosity = n
	}
	return nil
}

func tiniWrong(o *options, err error) {
	if _, bad := err.(*valueError); bad {
		o.say(o.prefix() + err.Error())
		return
	}
	if err != errNoCommand {
		o.say(o.name + ": " + err.Error())
	}
	write(stderr, tiniUsage(o))
}

func tiniAnswer(o *options, q question, version string) {
	switch q {
	case forHelp:
		write(stdout, tiniUsage(o))
	case forVersion:
		// Docker reads this line, for docker info.
		write(stdout, "tini version 0.19.0 (lastout "+version+")\n")
	case forLicense:
		write(stdout, "This is lastout in the place of tini, and nothing of tini is in it: see the license of lastout.\n")
	}
}

func tiniUsage(o *options) string {
	return "usage: " + o.name + " [flags] [--] PROGRAM [ARG...]\n       " + o.name + " --version\n\n" +
		"lastout in the place of tini: runs a program, reaps, passes signals on, and waits for whoever is left.\n\n" +
		listFlags(tiniFlags) +
		"\nvariables: TINI_SUBREAPER (-s), TINI_KILL_PROCESS_GROUP (-g), TINI_VERBOSITY (a number, 1 unless set),\n" +
		"LASTOUT_GRACE (what the container allows for the stop, 10s unless set)\n"
}

// listFlags is a line for each flag.
func listFlags(flags []Flag) string {
	text := ""
	for _, f := range flags {
		left := "  -" + f.Short
		if f.Long != "" {
			left += ", --" + f.Long
		}
		left += " " + f.Value
		for len(left) < 24 {
			left += " "
		}
		text += left + " " + f.Usage + "\n"
	}
	return text
}
