package onecmd

import (
	"os"
	"syscall"
)

// init is the whole of `lastout init`, and of lastout called as tini or dumb-init. See the package's documentation for
// why it is not called by main.
func init() {
	if o, err := parse(os.Args, syscall.Environ()); o != nil && err == nil {
		syscall.Exit(run(o))
	}
}

// Answer is for main: it answers a call of `lastout init`, tini or dumb-init that runs no command, with its exit code.
// Any other call is not known here, and a question for the help of `lastout init` is main's to answer.
func Answer(args []string, version func() (name, revision string)) (code int, known bool) {
	o, err := parse(args, syscall.Environ())
	if o == nil || err == nil {
		return 0, false
	}
	asked, ok := err.(question)
	if !ok {
		o.dialect.wrong(o, err)
		return o.dialect.usage, true
	}
	if o.dialect.answer == nil {
		return 0, false
	}
	name, _ := version()
	o.dialect.answer(o, asked, name)
	return 0, true
}
