package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lastout/supervisor"
	"lastout/supervisor/report"
)

// request makes one request over a connection of its own.
func request(t *testing.T, network, address, method, url, host, body string) (int, http.Header, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	req, err := http.NewRequestWithContext(within(t), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func TestStatus(t *testing.T) {
	s := serveOurs(t, newFake())
	got, err := s.client.Status(within(t), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "shop" || got.Ready || len(got.Processes) != 4 || got.Left != nil {
		t.Errorf("got %+v", got)
	}
	db, api, edge := got.Processes[0].Instances[0], got.Processes[1], got.Processes[2].Instances[0]
	if db.Usage == nil || db.Usage.Memory != 64<<20 || db.Why != "" || db.For != 89 || !db.Ready {
		t.Errorf("db is %+v", db)
	}
	if want := got.Now.Add(-89 * time.Second); db.Since.Sub(want).Abs() > time.Millisecond {
		t.Errorf("db since %v, want %v", db.Since, want)
	}
	if api.Ready || !api.Instances[0].Ready || api.Instances[1].Exit.Signal != "SIGKILL" || *api.Instances[1].Left != 4 {
		t.Errorf("api is %+v", api)
	}
	if edge.Why != "the answer was 502" || edge.Connections == nil || edge.Connections.Idle != 120 || edge.Ready {
		t.Errorf("edge is %+v", edge)
	}
	brief, err := s.client.Status(within(t), []string{"api.2", "edge"}, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(brief.Processes) != 2 || len(brief.Processes[0].Instances) != 1 || brief.Processes[1].Instances[0].Usage != nil {
		t.Errorf("brief is %+v", brief)
	}
	// Who has no instances has its place all the same.
	s.change(func(x *supervisor.Snapshot) {
		x.Empty = []supervisor.EmptySnapshot{
			{Process: "none", Role: "worker", Before: 0},
			{Process: "more", Role: "gateway", Disabled: true, Before: 3},
			{Process: "last", Role: "worker", Optional: true, Before: len(x.Instances)},
		}
	})
	for _, c := range []struct{ names, want []string }{
		{nil, []string{"none", "db", "api", "more", "edge", "seed", "last"}},
		{[]string{"more", "api.2"}, []string{"api", "more"}},
		{[]string{"db"}, []string{"db"}},
	} {
		got, err := s.client.Status(within(t), c.names, true)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range got.Processes {
			if names = append(names, p.Name); p.Disabled != (p.Name == "more") || p.Essential != (p.Name != "last") {
				t.Errorf("%s is %+v", p.Name, p)
			}
		}
		if !slices.Equal(names, c.want) {
			t.Errorf("the status of %q is of %q, want %q", c.names, names, c.want)
		}
	}
	s.change(func(x *supervisor.Snapshot) { x.Empty = nil })
	var refused *Refused
	if _, err := s.client.Status(within(t), []string{"apo"}, false); !errors.As(err, &refused) || refused.Status != 404 ||
		!strings.Contains(refused.Text, "apo (there are api, api.1, api.2, db, edge, seed)") {
		t.Errorf("an unknown name gives %v", err)
	}
}

// While the tree stops, a gateway waits for the instances of its workers that have not left, and for how long the slowest
// may still take.
func TestStatusOfAShutdown(t *testing.T) {
	f := newFake()
	f.change(func(s *supervisor.Snapshot) {
		s.Phase, s.Ends = supervisor.Walking, 100*time.Second
		s.Instances[1].State, s.Instances[1].Bound = supervisor.Stopping, 7300*time.Millisecond
		s.Instances[2].State, s.Instances[2].Bound = supervisor.Stopped, 0
		s.Instances[3].State, s.Instances[3].WaitsFor = supervisor.Drained, []string{"api"}
	})
	s := serveOurs(t, f)
	got, err := s.client.Status(within(t), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	waits := got.Processes[2].Instances[0].WaitsFor
	if len(waits) != 1 || waits[0].Name != "api.1" || waits[0].Left == nil || *waits[0].Left != 7.3 {
		t.Errorf("edge waits for %+v", waits)
	}
	if got.Left == nil || *got.Left != 10 || got.Ready {
		t.Errorf("the shutdown has %v left, ready is %v", got.Left, got.Ready)
	}
}

func TestDown(t *testing.T) {
	s := serveOurs(t, newFake())
	if err := s.client.Down(within(t), DownRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := s.client.Down(within(t), DownRequest{Now: true}); err != nil {
		t.Fatal(err)
	}
	who := Peer{PID: int32(os.Getpid()), UID: uint32(os.Getuid())}.String()
	if !slices.Equal(s.stopped, []string{"down by " + who}) || !slices.Equal(s.hurried, []string{"down --now by " + who}) {
		t.Errorf("stopped by %q, hurried by %q", s.stopped, s.hurried)
	}
	for _, body := range []string{`{"nwo": true}`, `{"now": 1}`, `{} {}`, `[`} {
		if status, _, text := s.ask("POST", "/v1/down", body); status != http.StatusBadRequest {
			t.Errorf("%s gives %d %s", body, status, text)
		}
	}
	if len(s.stopped) != 1 {
		t.Errorf("a bad request stopped it: %q", s.stopped)
	}
}

func TestReport(t *testing.T) {
	s := serveOurs(t, newFake())
	if status, _, text := s.ask("GET", "/v1/report", ""); status != http.StatusNotFound {
		t.Errorf("without a shutdown: %d %s", status, text)
	}
	s.shutdown = report.New([]supervisor.Report{
		{At: 5, Kind: supervisor.KindPhase, Phase: supervisor.Announcing, Cause: "SIGTERM"},
	}, report.Tree{})
	status, _, text := s.ask("GET", "/v1/report", "")
	if got := fromJSON[report.Shutdown](t, text); status != http.StatusOK || got.Cause != "SIGTERM" {
		t.Errorf("got %d %s", status, text)
	}
}

// What is not as it should be is refused in words, with the right status, and nothing is guessed.
func TestRefusals(t *testing.T) {
	s := serveOurs(t, newFake())
	for _, test := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", "/", 404, "there is no /"},
		{"GET", "/v1/nothing", 404, "there is no /v1/nothing"},
		{"GET", "/v1/down", 405, "for POST only"},
		{"DELETE", "/v1/status", 405, "for GET, HEAD only"},
		{"GET", "/v1/status?nmae=api", 400, `unknown parameter "nmae"`},
		{"GET", "/v1/status?brief=yes", 400, `brief: unknown value "yes"`},
		{"GET", "/v1/status?brief=true&brief=false", 400, "more than once"},
		{"GET", "/v1/events?tail=-1", 400, "tail"},
		{"GET", "/v1/wait?for=lunch", 400, "for"},
		{"GET", "/v1/wait?name=none", 404, "none"},
		{"GET", "/v1/logs?since=noon", 400, "since"},
		{"GET", "/v1/logs?name=db", 409, "db"},
		{"POST", "/v1/down?now=true", 400, "now"},
	} {
		status, header, text := s.ask(test.method, test.path, "")
		if status != test.status || !strings.Contains(fromJSON[Problem](t, text).Error, test.says) {
			t.Errorf("%s %s gives %d %s", test.method, test.path, status, text)
		}
		if status == 405 && header.Get("Allow") == "" {
			t.Errorf("%s %s does not say what is allowed", test.method, test.path)
		}
	}
	if len(s.stopped) > 0 {
		t.Errorf("it was stopped: %q", s.stopped)
	}
}

func TestEvents(t *testing.T) {
	s := serveOurs(t, newFake())
	for i := range 10 {
		s.report(supervisor.Report{At: supervisor.Instant(i), Kind: supervisor.KindNote, Cause: fmt.Sprint("note ", i)})
	}
	var got []string
	take := func(r supervisor.Report) error {
		got = append(got, r.Cause)
		return nil
	}
	if err := s.client.Events(within(t), EventsOptions{Tail: 3}, take); err != nil || !slices.Equal(got, []string{"note 7", "note 8", "note 9"}) {
		t.Errorf("the last three are %q (%v)", got, err)
	}
	got = nil
	err := s.client.Follow(within(t), func() error {
		s.report(supervisor.Report{Kind: supervisor.KindNote, Cause: "new"})
		s.report(supervisor.Report{Kind: supervisor.KindFinish, Outcome: &supervisor.Outcome{Code: 3}})
		s.Recorder.Close() // as at the end of the tree
		return nil
	}, take)
	if err != nil || !slices.Equal(got, []string{"new", ""}) {
		t.Errorf("what followed is %q (%v)", got, err)
	}
}

// A report that is too long for the ring is kept without what makes it so.
func TestLongEvent(t *testing.T) {
	s := serveOurs(t, newFake())
	s.report(supervisor.Report{Kind: supervisor.KindCut, Cause: "killed", Connections: make([]supervisor.Connection, 5000)})
	var got []supervisor.Report
	err := s.client.Events(within(t), EventsOptions{Tail: -1}, func(r supervisor.Report) error {
		got = append(got, r)
		return nil
	})
	if err != nil || len(got) != 1 || got[0].Cause != "killed (5000 connections: the journal has them)" {
		t.Errorf("got %+v (%v)", got, err)
	}
}

func TestLogs(t *testing.T) {
	s := serveOurs(t, newFake())
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	s.shelf.Of("db").Add(at, []byte("d1\nd2\r\n"))
	s.shelf.Of("api.1").Add(at.Add(time.Second), []byte("a1\na2\na3\nunfin"))
	s.shelf.Of("db").Add(at.Add(2*time.Second), []byte("d3\n"))
	lines := func(o LogsOptions) string {
		t.Helper()
		var b strings.Builder
		if err := s.client.Logs(within(t), o, func(l Line) error {
			b.WriteString(l.Instance + ":" + l.Text + " ")
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(b.String())
	}
	for _, test := range []struct {
		o    LogsOptions
		want string
	}{
		{LogsOptions{Tail: -1}, "db:d1 db:d2 api.1:a1 api.1:a2 api.1:a3 db:d3 api.1:unfin"},
		{LogsOptions{Tail: 1}, "api.1:a3 db:d3 api.1:unfin"},
		{LogsOptions{Tail: -1, Names: []string{"api"}}, "api.1:a1 api.1:a2 api.1:a3 api.1:unfin"},
		{LogsOptions{Tail: -1, Since: at.Add(2 * time.Second)}, "db:d3 api.1:unfin"},
		{LogsOptions{Tail: 0, Names: []string{"db"}}, ""},
	} {
		if got := lines(test.o); got != test.want {
			t.Errorf("%+v gives %q, want %q", test.o, got, test.want)
		}
	}
}

// Who follows gets what comes, of those who speak for the first time too, until the server ends.
func TestFollowLogs(t *testing.T) {
	s := serveOurs(t, newFake())
	s.shelf.Of("db").Add(time.Now(), []byte("old\n"))
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	got := make(chan string, 10)
	ended := make(chan error, 1)
	go func() {
		ended <- s.client.Logs(ctx, LogsOptions{Follow: true, Tail: -1}, func(l Line) error {
			got <- l.Text
			return nil
		})
	}()
	if line := <-got; line != "old" {
		t.Fatalf("got %q", line)
	}
	s.shelf.Of("edge").Add(time.Now(), []byte("half"))
	s.shelf.Of("edge").Add(time.Now(), []byte(" and half\n"))
	if line := <-got; line != "half and half" {
		t.Fatalf("got %q", line)
	}
	s.shelf.Of("edge").Add(time.Now(), []byte("no end"))
	s.Server.Close(10 * time.Second)
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if line := <-got; line != "no end" {
		t.Errorf("got %q", line)
	}
}

func TestWait(t *testing.T) {
	s := serveOurs(t, newFake())
	wait := func(what string, timeout time.Duration, names ...string) *Waited {
		t.Helper()
		waited, err := s.client.Wait(within(t), names, what, timeout)
		if err != nil {
			t.Fatal(err)
		}
		return waited
	}
	if w := wait("ready", 0, "db", "seed"); !w.Done {
		t.Errorf("db and seed are ready: %+v", w)
	}
	if w := wait("ready", time.Millisecond); w.Done || !slices.Equal(w.Names, []string{"api.2", "edge"}) {
		t.Errorf("the tree is not ready: %+v", w)
	}
	s.change(func(x *supervisor.Snapshot) { x.Instances[2].Optional = true })
	if w := wait("ready", time.Millisecond); w.Done || !slices.Equal(w.Names, []string{"edge"}) {
		t.Errorf("the tree is not ready, and would be without api.2: %+v", w)
	}
	if w := wait("ready", time.Millisecond, "api"); w.Done || !slices.Equal(w.Names, []string{"api.2"}) {
		t.Errorf("who is asked for by name is waited for: %+v", w)
	}
	if w := wait("stopped", time.Millisecond, "seed", "db"); w.Done || !slices.Equal(w.Names, []string{"db"}) {
		t.Errorf("db has not left: %+v", w)
	}
	waited := make(chan *Waited)
	go func() { waited <- wait("ready", 0) }()
	s.change(func(x *supervisor.Snapshot) { x.Instances[3].State = supervisor.Ready })
	s.report(supervisor.Report{Kind: supervisor.KindState})
	s.change(func(x *supervisor.Snapshot) { x.Instances[2].State = supervisor.Ready })
	s.report(supervisor.Report{Kind: supervisor.KindState})
	if w := <-waited; !w.Done {
		t.Errorf("all are ready: %+v", w)
	}
	s.change(func(x *supervisor.Snapshot) { x.Instances[2].State = supervisor.Failed })
	if w := wait("ready", 0, "api"); w.Done || !slices.Equal(w.Names, []string{"api.2"}) {
		t.Errorf("api.2 never will be: %+v", w)
	}
	s.change(func(x *supervisor.Snapshot) { x.Phase = supervisor.Walking })
	if w := wait("ready", 0); w.Done || w.Reason != "a shutdown is under way" {
		t.Errorf("a shutdown is under way: %+v", w)
	}
	go func() { waited <- wait("stopped", 0) }()
	s.Recorder.Close()
	if w := <-waited; !w.Done {
		t.Errorf("the tree has ended: %+v", w)
	}
}

// When the loop is over, or hangs, nobody who asks does.
func TestLoopIsOver(t *testing.T) {
	f := newFake()
	f.over = true
	s := serveOurs(t, f)
	for _, path := range []string{"/v1/status", "/livez", "/readyz", "/metrics", "/v1/wait"} {
		if status, _, text := s.ask("GET", path, ""); status != http.StatusServiceUnavailable {
			t.Errorf("%s gives %d %s", path, status, text)
		}
	}
	if waited, err := s.client.Wait(within(t), nil, "stopped", 0); err != nil || !waited.Done {
		t.Errorf("all have left: %+v %v", waited, err)
	}
}
