package engine

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"

	"lastout/process"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// life is the part of a run.
type life struct {
	host  *Host
	inst  supervisor.Inst
	run   supervisor.Run
	probe prober // set by prepare
	stop  context.CancelFunc
}

func (l *life) started(pid int) supervisor.Event {
	return supervisor.Spawned{Inst: l.inst, Run: l.run, PID: pid}
}

func (l *life) failed(err error) supervisor.Event {
	l.over()
	return supervisor.SpawnFailed{Inst: l.inst, Run: l.run, Reason: err.Error(), Cancelled: err == errCancelled}
}

func (l *life) exited(status syscall.WaitStatus, left int) supervisor.Event {
	return supervisor.Exited{Inst: l.inst, Run: l.run, Exit: exitOf(status), Left: left}
}

func (l *life) gone() supervisor.Event {
	l.over()
	return supervisor.Gone{Inst: l.inst, Run: l.run}
}

// over forgets the run.
func (l *life) over() {
	delete(l.host.runs, l.run)
	if l.stop != nil {
		l.stop()
	}
}

// exitOf is how a process ended, as the machine says it.
func exitOf(status syscall.WaitStatus) supervisor.Exit {
	if status.Signaled() {
		return supervisor.Exit{Signal: status.Signal(), Core: status.CoreDump()}
	}
	return supervisor.Exit{Code: status.ExitStatus()}
}

// spawnRun starts the program of an instance.
func (h *Host) spawnRun(a supervisor.Spawn) {
	proc, inst := h.lookup(a.Inst)
	l := &life{host: h, inst: a.Inst, run: a.Run}
	c := &child{name: inst.Name, command: inst.Command, part: l}
	c.prepare = func(c *child) error { return h.prepareRun(c, l, proc, inst) }
	h.runs[a.Run] = c
	h.start(c)
}

func (h *Host) lookup(i supervisor.Inst) (*config.Process, *config.Instance) {
	proc := &h.config.Processes[i.Proc]
	return proc, &proc.Instances[i.N-1]
}

// prepareRun opens the run's outputs, and whatever its readiness is known by.
func (h *Host) prepareRun(c *child, l *life, proc *config.Process, inst *config.Instance) error {
	var m *match
	switch p := inst.Probe; {
	case p.Exec != nil:
		l.probe = poll(p.Interval, execLook, h.execLook(inst.Name+" ready", *p.Exec))
	case p.Notify:
		if err := h.listenNotify(c, l); err != nil {
			return err
		}
	case p.Log != nil:
		found := make(chan struct{})
		m = &match{p.Log, sync.OnceFunc(func() { close(found) })}
		l.probe = channelProber(found)
	default:
		l.probe = netProber(p)
	}
	if err := h.outputs.open(c, l.inst.Proc, proc.Log, inst, m); err != nil {
		return err
	}
	if inst.Probe.FD != 0 {
		return listenFD(c, l, inst.Probe.FD)
	}
	return nil
}

// listenNotify opens a NOTIFY_SOCKET for the run. It stays open, and is read, until the run is gone: a program that says
// how it is doing must not find its socket full.
func (h *Host) listenNotify(c *child, l *life) error {
	ready := make(chan struct{})
	found := sync.OnceFunc(func() { close(ready) })
	socket, err := process.ListenNotify(c.tag, h.reaper, func(m process.Message) {
		if m.Ready {
			found()
		}
	})
	if err != nil {
		return err
	}
	c.env = withEnv(c.env, "NOTIFY_SOCKET="+socket.Addr())
	c.closer = append(c.closer, func() { socket.Close() })
	l.probe = channelProber(ready)
	return nil
}

// listenFD hands down a pipe as descriptor fd; a newline on it says that the program is ready.
func listenFD(c *child, l *life, fd int) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot make the readiness pipe: %w", err)
	}
	for len(c.files) <= fd {
		c.files = append(c.files, nil)
	}
	c.files[fd] = w
	c.ours = append(c.ours, w)
	c.closer = append(c.closer, func() { r.Close() })
	l.probe = lineProber(r)
	return nil
}

// probe begins to look whether a run is ready.
func (h *Host) probe(a supervisor.Probe) {
	c := h.runs[a.Run]
	if c == nil {
		return
	}
	l := c.part.(*life)
	if l.probe == nil {
		return
	}
	ctx, stop := context.WithCancel(h.alive)
	l.stop = stop
	go func(probe prober) {
		if probe(ctx) {
			h.box.Put(supervisor.BecameReady(a))
		}
	}(l.probe)
}

func (h *Host) stopProbe(a supervisor.StopProbe) {
	if c := h.runs[a.Run]; c != nil {
		if l := c.part.(*life); l.stop != nil {
			l.stop()
		}
	}
}

// execLook asks a program whether a run is ready: exit 0 says yes. A look that is given up is killed, and the next one
// begins only when it is gone, so that there is never more than one.
func (h *Host) execLook(name string, command config.Command) prober {
	return func(ctx context.Context) bool {
		ended := make(chan bool, 1)
		c := &child{name: name, command: command, hook: true}
		c.part = &look{host: h, child: c, ended: ended}
		c.prepare = func(*child) error { return nil }
		h.onLoop(func() { h.start(c) })
		select {
		case ready := <-ended:
			return ready
		case <-ctx.Done():
		}
		h.onLoop(func() { h.kill(c) })
		select {
		case <-ended:
		case <-h.box.Over():
		}
		return false
	}
}

// onLoop runs f on the loop, unless that is over.
func (h *Host) onLoop(f func()) {
	h.box.Call(func(supervisor.Instant, *supervisor.Machine) supervisor.Event {
		f()
		return nil
	})
}

// look is the part of an exec probe's child.
type look struct {
	host  *Host
	child *child
	ended chan<- bool
}

func (l *look) started(int) supervisor.Event { return nil }

func (l *look) failed(error) supervisor.Event {
	l.ended <- false
	return nil
}

func (l *look) exited(status syscall.WaitStatus, left int) supervisor.Event {
	if left > 0 {
		l.host.kill(l.child)
	}
	l.ended <- exitOf(status).OK()
	return nil
}

func (l *look) gone() supervisor.Event { return nil }
