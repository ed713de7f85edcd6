package engine

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lastout/ordering"
	"lastout/process"
	"lastout/process/output"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// patient is how long a test waits for something that must happen, before it says that it did not.
const patient = 30 * time.Second

// rig is a tree of real children.
type rig struct {
	t       testing.TB
	nodes   []ordering.Node
	config  config.Config
	options HostOptions
	dir     string
	out     *buffer // what the prefix sink got

	spawner *process.Spawner
	host    *Host
	over    chan supervisor.Outcome
	unserve func()
	ended   bool // the loop has
	closed  bool
	count   func(supervisor.Report) // takes the reports where they are too many to keep

	mu      sync.Mutex
	news    sync.Cond
	reports []supervisor.Report
}

// newRig makes a tree without processes, with short times.
func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), spawner: process.NewSpawner(), over: make(chan supervisor.Outcome, 1)}
	r.out = newBuffer(t)
	r.news.L = &r.mu
	r.config.Name = "engine-test"
	r.config.Options = supervisor.Options{
		Timeout: 20 * time.Second, Reserve: time.Second, KillTimeout: 5 * time.Second,
	}
	r.options.Stdout = output.NewSink(r.out)
	r.options.Inherit = [2]*os.File{os.Stdout, os.Stderr}
	return r
}

// entry is a process being configured.
type entry struct {
	*config.Process
	*supervisor.Spec
}

// add adds a process of one instance that is a shell script. It may use $DIR, a folder of the test.
func (r *rig) add(name string, role ordering.Role, script string, needs ...string) entry {
	r.nodes = append(r.nodes, ordering.Node{Name: name, Role: role, DependsOn: needs})
	r.config.Specs = append(r.config.Specs, supervisor.Spec{
		Name: name, Role: role, Enabled: true, Instances: 1, Restart: supervisor.RestartNever,
		Backoff: supervisor.Backoff{Min: 10 * time.Millisecond, Max: time.Second, ResetAfter: time.Minute, Limit: 10},
		Stop:    []supervisor.StopStep{{Signal: syscall.SIGTERM, Timeout: 10 * time.Second}},
		Hooks:   map[supervisor.HookKind]time.Duration{},
	})
	r.config.Processes = append(r.config.Processes, config.Process{
		Name: name,
		Instances: []config.Instance{{
			Name: name, N: 1, Command: r.shell(script), Hooks: map[supervisor.HookKind]config.Command{},
			Stop: make([]config.Command, 1),
		}},
	})
	return r.entry(name)
}

// entry is the process of that name, to be changed before the start.
func (r *rig) entry(name string) entry {
	id := slices.IndexFunc(r.nodes, func(n ordering.Node) bool { return n.Name == name })
	return entry{&r.config.Processes[id], &r.config.Specs[id]}
}

// probed sets how readiness is known.
func (e entry) probed(p config.Probe) entry {
	if p.Interval == 0 {
		p.Interval = 10 * time.Millisecond
	}
	e.Process.Instances[0].Probe = p
	e.Spec.Ready = supervisor.Readiness{Kind: supervisor.ReadyProbe, Timeout: patient}
	return e
}

// hook gives the process a hook.
func (e entry) hook(kind supervisor.HookKind, c config.Command, bound time.Duration) entry {
	e.Process.Instances[0].Hooks[kind] = c
	e.Spec.Hooks[kind] = bound
	return e
}

func (r *rig) shell(script string) config.Command {
	return config.Command{Argv: []string{"/bin/sh", "-c", script}, Dir: r.dir, Env: r.env()}
}

// helper is the command that runs a helper of the test binary.
func (r *rig) helper(name string, args ...string) config.Command {
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	return config.Command{Argv: append([]string{self}, args...), Dir: r.dir, Env: append(r.env(), helperVar+"="+name)}
}

func (r *rig) env() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "DIR=" + r.dir, "LASTOUT_PROCESS=of the configuration"}
}

// bothWays runs a test with descendants told by control groups, where there are some here, and by marks alone.
func bothWays(t *testing.T, test func(t *testing.T, r *rig)) {
	for _, way := range []string{"groups", "marks"} {
		t.Run(way, func(t *testing.T) {
			r := newRig(t)
			r.options.NoCgroup = way == "marks"
			test(t, r)
		})
	}
}

// start makes the host and begins the tree. Whatever the test does, nobody is left behind.
func (r *rig) start() {
	r.t.Helper()
	r.prepare()
	r.serve()
	r.begin()
}

func (r *rig) prepare() {
	r.t.Helper()
	var err error
	if r.config.Graph, err = ordering.New(r.nodes); err != nil {
		r.t.Fatal(err)
	}
	r.config.Nodes = r.nodes
	o := r.options
	o.Config, o.Spawner, o.Say = &r.config, r.spawner, r.say
	if r.host, err = NewHost(o); err != nil {
		r.t.Fatal(err)
	}
}

// serve has a thread of its own start the children.
func (r *rig) serve() {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		r.spawner.Serve(stop)
	}()
	r.unserve = func() {
		close(stop)
		<-stopped
	}
}

func (r *rig) begin() {
	m := supervisor.New(r.config.Graph, r.config.Specs, r.config.Options)
	go func() { r.over <- Run(m, r.host, time.Now()) }()
	r.t.Cleanup(r.close)
}

// close leaves nobody behind. It is done by itself, but must be called where a test has several rigs: there is one
// reaper at a time.
func (r *rig) close() {
	if r.closed {
		return
	}
	r.closed = true
	if !r.ended {
		r.host.onLoop(func() {
			for _, c := range r.host.children {
				r.host.kill(c)
			}
		})
		r.stop()
	}
	r.unserve()
	if err := r.host.Close(); err != nil {
		r.t.Error(err)
	}
	if r.t.Failed() {
		r.t.Logf("%s\n%s", r.story(), r.out)
	}
}

func (r *rig) say(rep supervisor.Report) {
	if r.count != nil {
		r.count(rep)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports = append(r.reports, rep)
	r.news.Broadcast()
}

// await waits until a report was given that fits, and returns the first.
func (r *rig) await(what string, fits func(supervisor.Report) bool) supervisor.Report {
	r.t.Helper()
	late := false
	timer := time.AfterFunc(patient, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		late = true
		r.news.Broadcast()
	})
	defer timer.Stop()
	r.mu.Lock()
	for !late {
		if i := slices.IndexFunc(r.reports, fits); i >= 0 {
			defer r.mu.Unlock()
			return r.reports[i]
		}
		r.news.Wait()
	}
	r.mu.Unlock()
	r.t.Fatalf("waited in vain for %s", what)
	panic("not reached")
}

// state waits until an instance has come to a state.
func (r *rig) state(instance string, s supervisor.State) supervisor.Report {
	r.t.Helper()
	return r.await(instance+" "+string(s), func(rep supervisor.Report) bool {
		return rep.Kind == supervisor.KindState && rep.Instance == instance && rep.State == s
	})
}

// first is the first report of a kind about an instance; it must be there.
func (r *rig) first(kind supervisor.Kind, instance string) supervisor.Report {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rep := range r.reports {
		if rep.Kind == kind && (instance == "" || rep.Instance == instance) {
			return rep
		}
	}
	r.t.Fatalf("no report %q of %q", kind, instance)
	panic("not reached")
}

// has says whether there was a report of a kind about an instance.
func (r *rig) has(kind supervisor.Kind, instance string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.reports, func(rep supervisor.Report) bool {
		return rep.Kind == kind && rep.Instance == instance
	})
}

// stop asks for a shutdown and waits for its end.
func (r *rig) stop() supervisor.Outcome {
	r.t.Helper()
	r.host.Stop("test")
	return r.wait()
}

// wait waits for the end.
func (r *rig) wait() supervisor.Outcome {
	r.t.Helper()
	timer := time.NewTimer(2 * patient)
	defer timer.Stop()
	select {
	case out := <-r.over:
		r.ended = true
		return out
	case <-timer.C:
		panic("the loop does not end\n" + r.story())
	}
}

// story is all reports, for people.
func (r *rig) story() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, rep := range r.reports {
		fmt.Fprintf(&b, "%v %s %s %s %s>%s %s%v %s %q %v\n", rep.At, rep.Kind, rep.Phase, rep.Instance, rep.From, rep.State,
			rep.Hook, rep.Step, rep.Signal, rep.Cause, rep.After)
	}
	return b.String()
}

// fifo is a named pipe in the test's folder.
type fifo struct {
	*os.File
	t testing.TB
}

// fifo makes one. A child that reads from it goes on when the test releases it, or the other way round.
func (r *rig) fifo(name string) fifo {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		r.t.Fatal(err)
	}
	// Open for both, so that neither side's open waits for the other.
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { f.Close() })
	return fifo{f, r.t}
}

// release lets whoever reads a line go on.
func (f fifo) release() {
	f.t.Helper()
	if _, err := f.WriteString("go\n"); err != nil {
		f.t.Fatal(err)
	}
}

// wait waits until somebody wrote.
func (f fifo) wait() {
	f.t.Helper()
	if err := f.SetReadDeadline(time.Now().Add(patient)); err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.Read(make([]byte, 16)); err != nil {
		f.t.Fatal(err)
	}
}

// buffer is a writer whose reader waits for a text.
type buffer struct {
	t    testing.TB
	mu   sync.Mutex
	news sync.Cond
	text bytes.Buffer
}

func newBuffer(t testing.TB) *buffer {
	b := &buffer{t: t}
	b.news.L = &b.mu
	return b
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.news.Broadcast()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// await waits until the text was written.
func (b *buffer) await(text string) {
	b.t.Helper()
	late := false
	timer := time.AfterFunc(patient, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		late = true
		b.news.Broadcast()
	})
	defer timer.Stop()
	b.mu.Lock()
	for !late && !bytes.Contains(b.text.Bytes(), []byte(text)) {
		b.news.Wait()
	}
	b.mu.Unlock()
	if late {
		b.t.Fatalf("waited in vain for output %q in\n%s", text, b)
	}
}

// lines are those written so far that begin with the prefix, without it.
func (b *buffer) lines(prefix string) []string {
	var found []string
	for line := range strings.Lines(b.String()) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			found = append(found, strings.TrimSuffix(rest, "\n"))
		}
	}
	return found
}

// elsewhere has somebody else begin and end to listen all the time, so that each look sees that who listens has changed.
func (r *rig) elsewhere() {
	over := make(chan struct{})
	var all sync.WaitGroup
	r.t.Cleanup(func() { close(over); all.Wait() })
	all.Go(func() {
		for {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				r.t.Error(err)
				return
			}
			select {
			case <-over:
				l.Close()
				return
			case <-time.After(time.Millisecond):
			}
			l.Close()
		}
	})
}
