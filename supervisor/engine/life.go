package engine

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"lastout/process"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// life is the part of a run.
type life struct {
	host    *Host
	inst    supervisor.Inst
	run     supervisor.Run
	set     settings
	probe   prober        // set by prepare
	asks    bool          // the probe is a program
	found   chan struct{} // closed when something else found out that it is ready; nil: nothing else looks
	stop    context.CancelFunc
	probing bool                  // it is looked whether it is ready
	seen    atomic.Pointer[error] // what the probe saw last
	look    *child                // of an exec probe, while it is under way

	began      time.Time     // when it was to be started
	notified   func()        // hears of READY=1; nil: nobody waits for it
	barks      chan struct{} // word of its watchdog: that it is alive
	howls      chan struct{} // or that it has failed
	stopHealth context.CancelFunc
	checking   bool        // it is looked whether it is well
	sick       atomic.Bool // the last such look failed

	drainer *drainer // once it was drained
}

func (l *life) started(pid int) supervisor.Event {
	return supervisor.Spawned{Inst: l.inst, Run: l.run, PID: pid}
}

func (l *life) failed(err error) supervisor.Event {
	l.over()
	return supervisor.SpawnFailed{Inst: l.inst, Run: l.run, Reason: err.Error(), Cancelled: err == errCancelled}
}

func (l *life) exited(exit supervisor.Exit, left int) supervisor.Event {
	return supervisor.Exited{Inst: l.inst, Run: l.run, Exit: exit, Left: left}
}

func (l *life) gone() supervisor.Event {
	l.over()
	gone := supervisor.Gone{Inst: l.inst, Run: l.run}
	if l.drainer != nil {
		l.drainer.close(gone)
		return nil
	}
	return gone
}

// over forgets the run.
func (l *life) over() {
	delete(l.host.runs, l.run)
	l.host.leave(l.set.proc)
	if l.stop != nil {
		l.stop()
	}
	if l.stopHealth != nil {
		l.stopHealth()
	}
}

// exitOf is how a process ended, as the machine says it.
func exitOf(status syscall.WaitStatus) supervisor.Exit {
	if status == process.StatusUnknown {
		return supervisor.Exit{Unknown: true}
	}
	if status.Signaled() {
		return supervisor.Exit{Signal: status.Signal(), Core: status.CoreDump()}
	}
	return supervisor.Exit{Code: status.ExitStatus()}
}

// spawnRun starts the program of an instance.
func (h *Host) spawnRun(a supervisor.Spawn) {
	set := h.lookup(a.Inst)
	l := &life{host: h, inst: a.Inst, run: a.Run, set: set, began: time.Now()}
	c := &child{name: set.inst.Name, command: set.inst.Command, part: l, order: a}
	c.prepare = func(c *child) error { return h.prepareRun(c, l, set) }
	h.runs[a.Run] = c
	h.start(c)
}

// prepareRun opens the run's outputs, and whatever its readiness is known by.
func (h *Host) prepareRun(c *child, l *life, set settings) error {
	proc, inst := set.proc, set.inst
	var m *match
	switch p := inst.Probe; {
	case p.Notify:
		l.notified = l.awaitFound(unsentReady)
	case p.Log != nil:
		m = &match{p.Log, l.awaitFound("no line of its output matched")}
	default:
		h.lookFrom(l, inst)
	}
	if inst.Probe.Notify || inst.Health.Watchdog > 0 {
		if err := h.listenNotify(c, l, inst.Health.Watchdog); err != nil {
			return err
		}
	}
	if err := h.outputs.open(c, l.inst.Proc, proc.Log, inst, m); err != nil {
		return err
	}
	if err := openStdin(c, inst.Stdin); err != nil {
		return err
	}
	h.hand(c, proc)
	if inst.Probe.FD != 0 {
		return listenFD(c, l, inst.Probe.FD)
	}
	return nil
}

// listenNotify opens a NOTIFY_SOCKET for the run. It stays open, and is read, until the run is gone: a program that says
// how it is doing must not find its socket full. One with a watchdog is told of it as sd_watchdog_enabled(3) wants it.
func (h *Host) listenNotify(c *child, l *life, watchdog time.Duration) error {
	l.barks, l.howls = make(chan struct{}, 1), make(chan struct{}, 1)
	socket, err := process.ListenNotify(c.tag, h.reaper, l.heard)
	if err != nil {
		return err
	}
	c.env = withEnv(c.env, "NOTIFY_SOCKET="+socket.Addr())
	if watchdog > 0 {
		c.env = withEnv(c.env, "WATCHDOG_USEC="+strconv.FormatInt(watchdog.Microseconds(), 10))
	}
	c.notify = socket
	return nil
}

// unsentReady is what there is to say of a run that has not told that it is ready.
const unsentReady = "it did not send READY=1"

// awaitFound has the life be ready once what it returns is called. Unseen is what there is to say before.
func (l *life) awaitFound(unseen string) (found func()) {
	ch := make(chan struct{})
	l.found, l.probe = ch, channelProber(ch, unseen)
	return sync.OnceFunc(func() { close(ch) })
}

// lookFrom looks from outside, where the configuration has such a probe.
func (h *Host) lookFrom(l *life, inst *config.Instance) {
	if p := inst.Probe; p.Exec != nil {
		l.asks, l.probe = true, poll(p.Interval, execLook, h.execLook(l, inst.Name+" ready", *p.Exec))
	} else {
		l.probe = netProber(p, &l.host.given)
	}
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
	c.ready = r
	l.probe = lineProber(r)
	return nil
}
