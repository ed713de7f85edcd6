package engine

import (
	"errors"
	"os"

	"lastout/supervisor"
	"lastout/supervisor/config"
)

// Helper is a child that lastout itself has a use for. It belongs to no process, and a successor ends it.
type Helper struct {
	host  *Host
	child *child
	ended chan error
}

// StartHelper starts one with a descriptor 3, which it takes over. Any goroutine may call it but the loop's own.
func (h *Host) StartHelper(name string, argv []string, dir string, fd *os.File) *Helper {
	x := &Helper{host: h, ended: make(chan error, 1)}
	x.child = &child{
		name: name, hook: true, part: x, command: config.Command{Argv: argv, Dir: dir, Env: os.Environ()},
		prepare: func(c *child) error {
			c.files, c.ours = []*os.File{nil, nil, nil, fd}, []*os.File{fd}
			return nil
		},
	}
	h.onLoop(func() { h.start(x.child) })
	return x
}

// Ended brings how it ended, or why it was not started; nil is well.
func (x *Helper) Ended() <-chan error { return x.ended }

// Kill ends it with its tree.
func (x *Helper) Kill() { x.host.onLoop(func() { x.host.kill(x.child) }) }

func (x *Helper) started(int) supervisor.Event { return nil }

func (x *Helper) failed(err error) supervisor.Event {
	x.ended <- err
	return nil
}

func (x *Helper) exited(exit supervisor.Exit, _ int) supervisor.Event {
	if text := failure(exit); text != "" {
		x.ended <- errors.New(text)
	} else {
		x.ended <- nil
	}
	return nil
}

func (x *Helper) gone() supervisor.Event { return nil }
