package control

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"lastout/process/recent"
	"lastout/supervisor"
	"lastout/supervisor/report"
)

// fake is a tree that only exists on paper.
type fake struct {
	mu       sync.Mutex
	snapshot supervisor.Snapshot
	over     bool
	stopped  []string
	hurried  []string
	shutdown *report.Shutdown
	asked    []supervisor.Operation
	faulty   error
	answers  []supervisor.Report // to each operation
	upgrades []string
	begun    chan struct{} // closed when the upgrade that was asked for last begins; nil: none was
	shelf    *recent.Shelf
}

func newFake() *fake {
	return &fake{answers: []supervisor.Report{
		{Result: supervisor.Accepted, After: []string{"api.1"}, Cause: "; a request may be lost"}, {Result: supervisor.Completed},
	}, shelf: recent.NewShelf(recent.Bounds{All: 1 << 20, Least: 8 << 10, Most: 8 << 10}, 1), snapshot: supervisor.Snapshot{
		At: 90 * time.Second, Phase: supervisor.Up,
		Instances: []supervisor.InstanceSnapshot{
			{Name: "db", Process: "db", Role: "service", State: supervisor.Ready, Since: time.Second, Run: 1, PID: 101},
			{Name: "api.1", Process: "api", Role: "worker", State: supervisor.Ready, Since: 2 * time.Second, Run: 2, PID: 102},
			{
				Name: "api.2", Process: "api", Role: "worker", State: supervisor.InBackoff, Since: 89 * time.Second, Restarts: 3,
				Exit: &supervisor.Exit{Signal: syscall.SIGKILL}, Bound: 4 * time.Second,
			},
			{Name: "edge", Process: "edge", Role: "gateway", State: supervisor.Running, Since: 3 * time.Second, Run: 4, PID: 104},
			{Name: "seed", Process: "seed", Role: "task", State: supervisor.Done, Since: 3 * time.Second, Run: 5, Exit: &supervisor.Exit{}},
		},
	}}
}

// ready has everybody ready.
func (f *fake) ready() *fake {
	for i := range f.snapshot.Instances {
		if x := &f.snapshot.Instances[i]; x.Role != "task" {
			x.State, x.Bound = supervisor.Ready, 0
		}
	}
	return f
}

func (f *fake) change(change func(*supervisor.Snapshot)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.snapshot.Instances = append([]supervisor.InstanceSnapshot(nil), f.snapshot.Instances...)
	change(&f.snapshot)
}

func (f *fake) About() About {
	return About{
		Name: "shop", File: "/srv/shop/lastout.toml", PID: 4711, UID: os.Getuid(), Version: "v1",
		Began: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC),
	}
}

func (f *fake) Snapshot() (supervisor.Snapshot, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snapshot, !f.over
}

func (f *fake) Usage() map[supervisor.Run]Usage {
	return map[supervisor.Run]Usage{1: {1, 64 << 20, 12.5}, 2: {3, 128 << 20, 99}, 4: {2, 8 << 20, 0.5}}
}

func (f *fake) Connections() map[supervisor.Run]Connections {
	return map[supervisor.Run]Connections{4: {Busy: 3, Idle: 120, Queued: 1, Unused: 2}}
}

func (f *fake) Unready() map[supervisor.Run]string {
	return map[supervisor.Run]string{1: "old news", 4: "the answer was 502"}
}

func (f *fake) Output() *recent.Shelf { return f.shelf }

func (f *fake) Sinks() []Sink { return []Sink{{"stdout", 4096, 2, 80}, {`/var/log/a"b\c`, 7, 0, 0}} }

func (f *fake) Shutdown() *report.Shutdown {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.shutdown
}

func (f *fake) Operate(o supervisor.Operation) <-chan supervisor.Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, o)
	answers := make(chan supervisor.Report, 2)
	for _, r := range f.answers {
		r.Kind, r.Op, r.Verb = supervisor.KindOperation, supervisor.Op(len(f.asked)), o.Verb
		if r.Result == supervisor.Accepted {
			r.Cause = o.Cause + r.Cause
		}
		answers <- r
	}
	close(answers)
	return answers
}

func (f *fake) Reload(cause string) (<-chan supervisor.Report, error) {
	if f.faulty != nil {
		return nil, f.faulty
	}
	return f.Operate(supervisor.Operation{Verb: supervisor.VerbReload, Cause: cause}), nil
}

func (f *fake) PlanReload() (supervisor.ReloadPlan, bool, error) {
	return supervisor.ReloadPlan{
		Stop: [][]string{{"api.2"}}, Restart: []string{"edge"}, Register: []string{}, Start: []string{"new"}, Same: []string{"db"},
	}, !f.over, f.faulty
}

func (f *fake) Stop(cause string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = append(f.stopped, cause)
}

func (f *fake) Hurry(cause string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hurried = append(f.hurried, cause)
}

func (f *fake) Upgrade(r UpgradeRequest, cause string) (Upgrading, func(), error) {
	if r.Binary == "/bin/none" {
		return Upgrading{}, nil, errors.New("cannot upgrade: there is none")
	}
	answer := Upgrading{Number: 1, Binary: r.Binary, From: "v1", To: "v2"}
	if r.DryRun {
		return answer, nil, nil
	}
	begun := make(chan struct{})
	f.mu.Lock()
	f.begun = begun
	f.mu.Unlock()
	return answer, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.upgrades = append(f.upgrades, cause)
		close(begun)
	}, nil
}

// Upgraded answers when the upgrade that was asked for has begun, as a tree does when it is over.
func (f *fake) Upgraded(ctx context.Context, number int) (Upgraded, bool) {
	f.mu.Lock()
	begun := f.begun
	f.mu.Unlock()
	if begun != nil {
		select {
		case <-begun:
		case <-ctx.Done():
		}
	}
	return Upgraded{Number: 1, From: "v1", To: "v2", Failed: "x", Kept: 3, Away: 0.01}, number == 1
}

// served is a server on a real socket.
type served struct {
	*Server
	*fake
	t      *testing.T
	path   string
	client *Client
}

// serve begins to serve a fake; the end of the test ends it.
func serve(t *testing.T, f *fake, access Access) *served {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run", "shop.sock")
	l, err := OpenSocket(SocketOptions{Path: path, Others: len(access.Others) > 0})
	if err != nil {
		t.Fatal(err)
	}
	s := &served{
		Server: NewServer(Options{System: f, Recorder: NewRecorder(5), Access: access, Complain: func(text string) { t.Log(text) }}),
		fake:   f, t: t, path: path, client: NewClient(path),
	}
	s.Serve(l)
	t.Cleanup(func() {
		s.client.Close()
		s.Server.Close(time.Second)
		l.Remove()
	})
	return s
}

func serveOurs(t *testing.T, f *fake) *served { return serve(t, f, Access{Owner: uint32(os.Getuid())}) }

// dial opens a bare connection.
func (s *served) dial() net.Conn {
	s.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "unix", s.path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// ask makes a bare request and gives the answer's status and body.
func (s *served) ask(method, path, body string) (int, http.Header, string) {
	s.t.Helper()
	return request(s.t, "unix", s.path, method, "http://lastout"+path, "", body)
}

// report has the machine say something.
func (s *served) report(r supervisor.Report) { s.Recorder.Report(r) }

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func fromJSON[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}
