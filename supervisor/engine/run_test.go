package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// nature is how a process of the fake world behaves.
type nature struct {
	start, ready time.Duration // how long its exec takes, and then its readiness
	leave        time.Duration // from TERM to its end
	ignores      bool          // TERM
	reap         time.Duration // from SIGKILL to gone
	lives        time.Duration // ends by itself after this; 0: never
}

// world is a System in virtual time: its processes are timers.
type world struct {
	box     *Mailbox
	began   time.Time
	names   []string
	natures []nature
	on      func(what string) // told of every action, on the loop

	mu    sync.Mutex
	lines []string
	gone  map[supervisor.Run]bool
	loops int
}

func (w *world) Events() *Mailbox {
	w.loops++
	return w.box
}

// log keeps a line with the time at which it happened.
func (w *world) log(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	w.mu.Lock()
	w.lines = append(w.lines, fmt.Sprintf("%v %s", time.Since(w.began), what))
	w.mu.Unlock()
	if w.on != nil {
		w.on(what)
	}
}

// at finds when something was logged for the first time; empty if it was not.
func (w *world) at(what string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, line := range w.lines {
		if at, rest, _ := strings.Cut(line, " "); rest == what {
			return at
		}
	}
	return ""
}

func (w *world) Do(action supervisor.Action) {
	switch a := action.(type) {
	case supervisor.Spawn:
		w.spawn(a)
	case supervisor.Probe:
		time.AfterFunc(w.natures[a.Inst.Proc].ready, func() { w.put(a.Run, supervisor.BecameReady(a)) })
	case supervisor.Signal:
		w.log("signal %s", w.names[a.Inst.Proc])
		if n := w.natures[a.Inst.Proc]; !n.ignores {
			time.AfterFunc(n.leave, func() { w.end(a.Inst, a.Run, supervisor.Exit{Signal: a.Signal}) })
		}
	case supervisor.Kill:
		w.log("kill %s", w.names[a.Inst.Proc])
		time.AfterFunc(w.natures[a.Inst.Proc].reap, func() {
			w.end(a.Inst, a.Run, supervisor.Exit{Signal: syscall.SIGKILL})
		})
	case supervisor.Sweep:
		w.box.Put(supervisor.Swept{})
	case supervisor.Finish:
		w.log("finish")
	case supervisor.Cancel, supervisor.StopProbe, supervisor.Forget, supervisor.Say:
	default:
		panic(fmt.Sprintf("not of this world: %T", action))
	}
}

func (w *world) spawn(a supervisor.Spawn) {
	n := w.natures[a.Inst.Proc]
	w.log("spawn %s", w.names[a.Inst.Proc])
	time.AfterFunc(n.start, func() {
		w.put(a.Run, supervisor.Spawned{Inst: a.Inst, Run: a.Run, PID: int(a.Run)})
		if n.lives > 0 {
			time.AfterFunc(n.lives, func() { w.end(a.Inst, a.Run, supervisor.Exit{Code: 1}) })
		}
	})
}

// end ends a run, once.
func (w *world) end(inst supervisor.Inst, run supervisor.Run, exit supervisor.Exit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.gone[run] {
		w.gone[run] = true
		w.box.Put(supervisor.Exited{Inst: inst, Run: run, Exit: exit})
		w.box.Put(supervisor.Gone{Inst: inst, Run: run})
	}
}

func (w *world) put(run supervisor.Run, ev supervisor.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.gone[run] {
		w.box.Put(ev)
	}
}

// tree is what a test runs: processes in dependency order.
type tree struct {
	nodes   []ordering.Node
	specs   []supervisor.Spec
	natures []nature
	options supervisor.Options
}

func (t *tree) add(name string, role ordering.Role, n nature, needs ...string) *supervisor.Spec {
	t.nodes = append(t.nodes, ordering.Node{Name: name, Role: role, DependsOn: needs})
	t.natures = append(t.natures, n)
	t.specs = append(t.specs, supervisor.Spec{
		Name: name, Role: role, Enabled: true, Instances: 1, Restart: supervisor.RestartOnFailure,
		Backoff: supervisor.Backoff{Min: 100 * time.Millisecond, Max: 30 * time.Second, ResetAfter: time.Minute},
		Ready:   supervisor.Readiness{Kind: supervisor.ReadyProbe, Timeout: time.Minute},
		Stop:    []supervisor.StopStep{{Signal: syscall.SIGTERM, Timeout: 10 * time.Second}},
	})
	return &t.specs[len(t.specs)-1]
}

// world makes the machine and its world, to be called in a bubble.
func (t *tree) world(tb testing.TB) (*supervisor.Machine, *world) {
	tb.Helper()
	g, err := ordering.New(t.nodes)
	if err != nil {
		tb.Fatal(err)
	}
	if t.options.Timeout == 0 {
		t.options = supervisor.Options{Timeout: 30 * time.Second, Reserve: 2 * time.Second, KillTimeout: 5 * time.Second}
	}
	w := &world{box: NewMailbox(), began: time.Now(), natures: t.natures, gone: map[supervisor.Run]bool{}}
	for _, n := range t.nodes {
		w.names = append(w.names, n.Name)
	}
	return supervisor.New(g, t.specs, t.options), w
}

func pair(api nature) *tree {
	t := new(tree)
	t.add("api", ordering.Worker, api)
	t.add("edge", ordering.Gateway, nature{leave: 20 * time.Millisecond}, "api")
	return t
}

// expect compares times of the log.
func (w *world) expect(t *testing.T, want map[string]string) {
	t.Helper()
	for what, at := range want {
		if got := w.at(what); got != at {
			t.Errorf("%s at %q, want %q\n%s", what, got, at, strings.Join(w.lines, "\n"))
		}
	}
}

// A worker that ignores TERM has its whole time and not a nanosecond more; its gateway hears of the end exactly when the
// worker is gone.
func TestIgnoringWorkerIsKilledAtItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := pair(nature{ignores: true, reap: 3 * time.Millisecond}).world(t)
		time.AfterFunc(time.Second, func() { w.box.Put(supervisor.Stop{Cause: "test"}) })
		out := Run(m, w, time.Now())
		w.expect(t, map[string]string{
			"signal api": "1s", "kill api": "11s", "signal edge": "11.003s", "finish": "11.023s", "kill edge": "",
		})
		if out.Code != 3 || !slices.Equal(out.Killed, []string{"api"}) {
			t.Errorf("outcome %+v, want code 3 with api killed", out)
		}
	})
}

// Who leaves in the last nanosecond of its time is not killed.
func TestGraceIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := pair(nature{leave: 10*time.Second - 1}).world(t)
		time.AfterFunc(time.Second, func() { w.box.Put(supervisor.Stop{Cause: "test"}) })
		out := Run(m, w, time.Now())
		w.expect(t, map[string]string{"signal api": "1s", "kill api": "", "signal edge": "10.999999999s"})
		if out.Code != 0 {
			t.Errorf("outcome %+v, want code 0", out)
		}
	})
}

// Impatience at exact times: a second press within 250 ms is the same one, the next kills workers and gateways in their
// order while a service has its reserve, and one more kills at once.
func TestImpatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := new(tree)
		tr.add("db", ordering.Service, nature{ignores: true, reap: time.Millisecond})
		tr.add("api", ordering.Worker, nature{ignores: true, reap: time.Millisecond}, "db")
		tr.add("edge", ordering.Gateway, nature{ignores: true, reap: time.Millisecond}, "api", "db")
		m, w := tr.world(t)
		for _, at := range []time.Duration{1000, 1250, 2000, 3000} {
			time.AfterFunc(at*time.Millisecond, func() { w.box.Put(supervisor.Interrupt{Cause: "test"}) })
		}
		out := Run(m, w, time.Now())
		w.expect(t, map[string]string{
			"signal api": "1s", "kill api": "2s", "kill edge": "2.001s", "signal db": "2.002s", "kill db": "3s",
		})
		if out.Code != 5 {
			t.Errorf("outcome %+v, want code 5", out)
		}
	})
}

// A loop that was held up beyond a deadline finds that the worker has left meanwhile, behind other news: it is not
// killed.
func TestEventBeforeDeadlineOfTheSameMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := pair(nature{leave: 20 * time.Millisecond})
		tr.add("other", ordering.Worker, nature{leave: 10 * time.Second}, "api")
		tr.add("third", ordering.Worker, nature{leave: 10 * time.Second}, "api")
		m, w := tr.world(t)
		w.on = func(what string) {
			if what == "signal third" {
				// At the moment of the deadlines, which is that of both ends, the loop is in the middle of a step.
				time.AfterFunc(10*time.Second-1, func() { w.box.Call(stall(2 * time.Second)) })
			}
		}
		time.AfterFunc(time.Second, func() { w.box.Put(supervisor.Stop{Cause: "test"}) })
		out := Run(m, w, time.Now())
		w.expect(t, map[string]string{"kill other": "", "kill third": "", "kill api": ""})
		if out.Code != 0 {
			t.Errorf("outcome %+v, want code 0", out)
		}
	})
}

// stall holds the loop up.
func stall(d time.Duration) Call {
	return func(supervisor.Instant, *supervisor.Machine) supervisor.Event {
		time.Sleep(d)
		return nil
	}
}

// A tree that is up has no timer, and nothing wakes its loop.
func TestIdleEngineSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := pair(nature{}).world(t)
		over := make(chan supervisor.Outcome)
		go func() { over <- Run(m, w, time.Now()) }()
		time.Sleep(2 * time.Minute) // all is ready, and the backoff's memory is over
		synctest.Wait()
		before := w.loops
		time.Sleep(1000 * time.Hour)
		synctest.Wait()
		if _, armed := m.Deadline(); armed || w.loops != before {
			t.Errorf("deadline armed: %v, %d rounds of an idle loop, want none", armed, w.loops-before)
		}
		w.box.Put(supervisor.Stop{Cause: "test"})
		if out := <-over; out.Code != 0 {
			t.Errorf("outcome %+v, want code 0", out)
		}
	})
}

// Start and stop at every moment of a start, with a crashing child and one that ignores TERM: each cycle ends, within
// its bound. A lost wake-up would be a deadlock, which the bubble reports.
func TestManyCycles(t *testing.T) {
	cycles := 3000
	if testing.Short() {
		cycles = 300
	}
	for seed := range uint64(cycles) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			ms := func(n int) time.Duration { return time.Duration(r.IntN(n)) * time.Millisecond }
			tr := pair(nature{start: ms(3), ready: ms(20), leave: ms(50), ignores: r.IntN(4) == 0, reap: ms(3)})
			tr.add("crash", ordering.Worker, nature{start: ms(3), lives: 1 + ms(30), leave: ms(10)})
			tr.add("db", ordering.Service, nature{start: ms(3), ready: ms(20), leave: ms(30)})
			m, w := tr.world(t)
			stop := ms(200)
			for range 1 + r.IntN(3) {
				time.AfterFunc(stop+ms(400), func() { w.box.Put(supervisor.Interrupt{Cause: "test"}) })
			}
			Run(m, w, time.Now())
			if took := time.Since(w.began); took > stop+400*time.Millisecond+30*time.Second {
				t.Errorf("seed %d: took %v\n%s", seed, took, strings.Join(w.lines, "\n"))
			}
			synctest.Wait()
		})
	}
}

// Calls of many goroutines all arrive, those of one in their order, and their time never runs backwards.
func TestMailboxKeepsAllInOrder(t *testing.T) {
	const writers, each = 20, 500
	m, w := pair(nature{}).world(t)
	over := make(chan supervisor.Outcome)
	go func() { over <- Run(m, w, time.Now()) }()
	var last supervisor.Instant
	next := make([]int, writers)
	faults := 0
	var all sync.WaitGroup
	for writer := range writers {
		all.Go(func() {
			for i := range each {
				w.box.Call(func(now supervisor.Instant, _ *supervisor.Machine) supervisor.Event {
					if now < last || next[writer] != i {
						faults++
					}
					last = now
					next[writer]++
					return nil
				})
			}
		})
	}
	all.Wait()
	w.box.Put(supervisor.Stop{Cause: "test"})
	<-over
	if faults > 0 {
		t.Errorf("%d calls out of order", faults)
	}
	for writer, n := range next {
		if n != each {
			t.Errorf("writer %d: %d of %d calls arrived", writer, n, each)
		}
	}
}

// After the end nothing is taken, and who waits for an answer sees that there will be none.
func TestMailboxAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := pair(nature{}).world(t)
		w.box.Put(supervisor.Stop{Cause: "test"})
		Run(m, w, time.Now())
		<-w.box.Over()
		w.box.Call(func(supervisor.Instant, *supervisor.Machine) supervisor.Event {
			t.Error("called after the end")
			return nil
		})
		if left := w.box.take(); len(left) != 0 {
			t.Errorf("%d messages kept after the end", len(left))
		}
	})
}
