package engine

import (
	"context"
	"fmt"
	"os"
	"time"

	"lastout/process"
	"lastout/process/held"
	"lastout/process/output"
	"lastout/process/register"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// HostOptions say what a Host works with.
type HostOptions struct {
	Config   *config.Config
	Spawner  *process.Spawner // somebody serves it, on the thread that shall be the children's parent
	NoCgroup bool             // find descendants without control groups, even where there are some

	Stdout *output.Sink // takes the prefixed output of the children
	Color  bool         // Stdout is a terminal: prefixes are coloured and aligned

	// Given are the sockets that a service manager opened. Those that stand for no configured one are closed.
	Given []*held.Given

	// Inherit are the descriptors that a child with log mode "inherit" gets: our own stdout and stderr.
	Inherit [2]*os.File

	// Register keeps on record who lives; nil: nobody does. Changed is told, on the loop, that the configuration in force
	// is another one, or has more instances; nil: nobody wants to know.
	Register *register.Register
	Changed  func(*config.Config)

	// Say takes the reports, in order, on the loop's goroutine. It must not wait for anything.
	Say func(supervisor.Report)
}

// Host is the System of the real kernel. Everything in it belongs to the loop, except what says otherwise: kernel events
// are translated on the loop as well.
type Host struct {
	config  *config.Config
	spawner *process.Spawner
	reaper  *process.Reaper
	outputs *outputs
	say     func(supervisor.Report)
	record  *register.Register
	changed func(*config.Config)
	box     *Mailbox

	children map[uint64]*child         // by tag
	runs     map[supervisor.Run]*child // runs, hooks and stop commands by the machine's number

	at     supervisor.Instant // of the last report: the time of this step
	down   bool               // a shutdown began
	ends   time.Time          // when the shutdown that is under way must be over; zero: none, or no bound
	alive  context.Context    // ends with the tree, and every probe with it
	finish context.CancelFunc

	tickets  tickets
	coming   map[supervisor.Op]*config.Config // of reloads under way
	holdings []*holding
	unwanted []string // what of the service manager's sockets nobody takes
	drainers workers  // their goroutines
	probers  workers  // those that look whether a run is ready, without the help of a child
	given    givenUp
	sweeps   []supervisor.Sweep // that wait for somebody to be started
	frozen   bool               // looks are not begun now
	where    places             // where runs that drained, and are gone, had listened
	noted    map[string]bool    // what was said once and for all
}

// NewHost opens the log files and the held listeners, and takes up the reaper's work: from here on this process is a
// subreaper.
func NewHost(o HostOptions) (*Host, error) {
	outputs, err := newOutputs(o)
	if err != nil {
		return nil, err
	}
	h := newHost(o, outputs)
	if h.holdings, err = openHoldings(o.Config, o.Given); err != nil {
		outputs.close()
		return nil, err
	}
	h.reaper, err = process.New(process.Options{
		Name: o.Config.Name, NoCgroup: o.NoCgroup, Notify: h.notify, Register: o.Register,
	})
	if err != nil {
		outputs.close()
		for _, x := range h.holdings {
			x.close()
		}
		return nil, fmt.Errorf("cannot watch over children: %w", err)
	}
	h.dropGiven(o.Given)
	outputs.onError(func(err error) { h.onLoop(func() { h.note(err.Error()) }) })
	return h, nil
}

func newHost(o HostOptions, outputs *outputs) *Host {
	h := &Host{
		config: o.Config, spawner: o.Spawner, outputs: outputs, say: o.Say, box: NewMailbox(),
		record: o.Register, changed: o.Changed,
		children: map[uint64]*child{}, runs: map[supervisor.Run]*child{},
		where: newPlaces(), noted: map[string]bool{}, tickets: tickets{open: map[supervisor.Op]*Ticket{}},
		coming: map[supervisor.Op]*config.Config{},
	}
	h.box.atEnd = h.tickets.end
	if h.changed == nil {
		h.changed = func(*config.Config) {}
	}
	h.alive, h.finish = context.WithCancel(context.Background())
	return h
}

// Close gives back what the reaper holds, its control groups above all, and sockets that are held still. Call it after
// Run.
func (h *Host) Close() error {
	h.finish()
	for _, x := range h.holdings {
		h.drop(x)
	}
	h.drainers.Wait()
	return h.reaper.Close()
}

// Trees tells how descendants are told apart, for the register.
func (h *Host) Trees() process.Trees { return h.reaper.Trees() }

// Note says something that is worth saying, in its place among the reports. Any goroutine may call it.
func (h *Host) Note(text string) {
	h.box.Call(func(now supervisor.Instant, _ *supervisor.Machine) supervisor.Event {
		h.at = now
		h.note(text)
		return nil
	})
}

// Capabilities tells what the kernel grants here, for the log.
func (h *Host) Capabilities() process.Capabilities { return h.reaper.Capabilities() }

// Events is where what happens arrives.
func (h *Host) Events() *Mailbox { return h.box }

// Stop asks for an ordered shutdown; cause is for people: "SIGTERM". Any goroutine may call it.
func (h *Host) Stop(cause string) { h.box.Put(supervisor.Stop{Cause: cause}) }

// Interrupt is a SIGINT: the first is a Stop, further ones make it urgent. Any goroutine may call it.
func (h *Host) Interrupt(cause string) { h.box.Put(supervisor.Interrupt{Cause: cause}) }

// Hurry asks for a shutdown that is urgent, or makes one so that is under way. Any goroutine may call it.
func (h *Host) Hurry(cause string) { h.box.Put(supervisor.Hurry{Cause: cause}) }

// ReopenLogs opens the log files anew, after somebody else moved them away. Any goroutine may call it.
func (h *Host) ReopenLogs() { h.outputs.reopen() }

// Snapshot is the tree as it stands, asked of the loop; false when the loop is over. Any goroutine may call it but the
// loop's own: not from within Say.
func (h *Host) Snapshot() (supervisor.Snapshot, bool) {
	return asked(h, func(now supervisor.Instant, m *supervisor.Machine) supervisor.Snapshot { return m.Snapshot(now) })
}

// asked runs f on the loop and returns its answer; false when the loop is over. Any goroutine may call it but the loop's
// own.
func asked[T any](h *Host, f func(supervisor.Instant, *supervisor.Machine) T) (T, bool) {
	answer := make(chan T, 1)
	h.box.Call(func(now supervisor.Instant, m *supervisor.Machine) supervisor.Event {
		answer <- f(now, m)
		return nil
	})
	select {
	case a := <-answer:
		return a, true
	case <-h.box.Over():
		return *new(T), false
	}
}

// Alive comes back with true when the loop has taken a turn, and with false when it is over. One that hangs does not
// answer. Any goroutine may call it but the loop's own.
func (h *Host) Alive() bool {
	_, alive := asked(h, func(supervisor.Instant, *supervisor.Machine) struct{} { return struct{}{} })
	return alive
}

// Do performs an action.
func (h *Host) Do(action supervisor.Action) {
	switch a := action.(type) {
	case supervisor.Spawn:
		h.spawnRun(a)
	case supervisor.Cancel:
		if c := h.runs[a.Run]; c != nil {
			h.cancel(c)
		}
	case supervisor.Probe:
		h.probe(a)
	case supervisor.StopProbe:
		h.stopProbe(a)
	case supervisor.Signal:
		h.signal(a)
	case supervisor.StopCommand:
		h.stopCommand(a)
	case supervisor.Kill:
		if c := h.runs[a.Run]; c != nil {
			h.told(a.Run)
			h.kill(c)
		}
	case supervisor.Forget:
		if c := h.runs[a.Run]; c != nil {
			h.reaper.Forget(c.tag)
		}
	case supervisor.RunHook:
		h.runHook(a)
	case supervisor.StopHook:
		if c := h.runs[a.Hook]; c != nil {
			h.kill(c)
		}
	case supervisor.CheckHealth:
		h.checkHealth(a)
	case supervisor.StopHealth:
		h.stopHealth(a)
	case supervisor.Survey:
		h.survey(a)
	case supervisor.Quiesce:
		h.quiesce(a)
	case supervisor.Unquiesce:
		h.unquiesce(a)
	case supervisor.Send:
		h.send(a)
	case supervisor.Reloaded:
		h.reloaded(a)
	case supervisor.DrainCommand:
		h.drainCommand(a)
	case supervisor.Watch:
		h.watch(a)
	case supervisor.Settle:
		h.settle(a)
	case supervisor.StopWatch:
		h.stopWatch(a)
	case supervisor.Linger:
		h.linger()
	case supervisor.Sweep:
		h.sweep(a)
	case supervisor.Say:
		h.report(a.Report)
	case supervisor.Finish:
		// All is done already: the report of the end came just before.
	default:
		panic(fmt.Sprintf("engine: unknown action %T", action))
	}
}

// signal sends a stop signal. A program of another user may refuse it: that is said, and its bound runs on.
func (h *Host) signal(a supervisor.Signal) {
	c := h.runs[a.Run]
	if c == nil {
		return
	}
	scope := process.Leader
	if a.Scope == supervisor.Rest {
		scope = process.Rest
	}
	if err := h.reaper.Signal(c.tag, a.Signal, scope); err != nil {
		h.note(fmt.Sprintf("%s: %v", c.name, err))
	}
}

// describe names processes for people.
func (h *Host) describe(left []process.Member) []string {
	var names []string
	for _, m := range left {
		name := fmt.Sprintf("pid %d (%s)", m.PID, m.Comm)
		if m.PID == 0 { // there is no /proc
			name = m.Comm
		}
		if c := h.children[m.Run]; c != nil {
			name += ", of " + c.name
		}
		names = append(names, name)
	}
	return names
}

// report hands out a report of the machine, and does what depends on where the tree is in its life.
func (h *Host) report(r supervisor.Report) {
	h.at = r.At
	switch r.Kind {
	case supervisor.KindPhase:
		h.announce(r)
	case supervisor.KindState:
		h.foresee(r)
	case supervisor.KindOperation:
		defer h.tickets.answer(r)
		if r.Result != supervisor.Accepted {
			delete(h.coming, r.Op)
		}
	case supervisor.KindSignal: // the action follows; that of an invitation has another report
		h.told(r.Run)
	case supervisor.KindFinish:
		// The last report is the end of the story: what was lost of the output is said before it.
		h.lastWords()
	}
	h.say(r)
}

// Upgraded says that this build has taken over, and how that went. Any goroutine may call it.
func (h *Host) Upgraded(text string) {
	h.box.Call(func(now supervisor.Instant, _ *supervisor.Machine) supervisor.Event {
		h.at = now
		h.say(supervisor.Report{At: now, Kind: supervisor.KindUpgrade, Cause: text})
		return nil
	})
}

// note says something the machine does not know of.
func (h *Host) note(text string) {
	h.say(supervisor.Report{At: h.at, Kind: supervisor.KindNote, Cause: text})
}
