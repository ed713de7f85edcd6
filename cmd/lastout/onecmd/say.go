package onecmd

import (
	"syscall"

	"lastout/cmd/lastout/bare"
)

const (
	stdout = 1
	stderr = 2
)

// write writes an answer.
func write(fd int, text string) { _, _ = syscall.Write(fd, []byte(text)) }

func (o *options) prefix() string { return o.dialect.prefix(o) }

// say writes a line to stderr. Whoever does not read misses it: a command is kept whatever becomes of its output.
func (o *options) say(line string) { bare.Say(stderr, line+"\n") }

// warn tells what is not as it should be.
func (o *options) warn(text string) {
	if o.verbosity > 0 {
		o.say(o.prefix() + text)
	}
}

// note tells what happens; level is how often -v is given at least, 1 or 2.
func (o *options) note(level int, text string) {
	if o.verbosity > level {
		o.say(o.prefix() + text)
	}
}
