package control

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastout/supervisor"
)

// Each request is the operation that it says, in the name of who asks.
func TestOperations(t *testing.T) {
	wish := Wish{Names: []string{"api", "db"}, Timeout: 1.5}
	names := supervisor.Operation{Names: wish.Names, Timeout: 1500 * time.Millisecond}
	with := func(verb supervisor.Verb, change func(*supervisor.Operation)) supervisor.Operation {
		o := names
		o.Verb = verb
		change(&o)
		return o
	}
	same := func(*supervisor.Operation) {}
	for _, test := range []struct {
		what    string
		request any
		want    supervisor.Operation
	}{
		{"start", StartRequest{Wish: wish}, with(supervisor.VerbStart, same)},
		{"start", StartRequest{wish, true}, with(supervisor.VerbStart, func(o *supervisor.Operation) { o.NoDeps = true })},
		{"stop", StopRequest{wish, true}, with(supervisor.VerbStop, func(o *supervisor.Operation) { o.NoDeps = true })},
		{"restart", RestartRequest{Wish: wish}, with(supervisor.VerbRestart, same)},
		{"restart", RestartRequest{wish, true}, with(supervisor.VerbRolling, same)},
		{"scale", ScaleRequest{wish, 7}, with(supervisor.VerbScale, func(o *supervisor.Operation) { o.Count = 7 })},
		{"scale", ScaleRequest{wish, 0}, with(supervisor.VerbScale, same)},
		{"drain", DrainRequest{Wish: wish}, with(supervisor.VerbDrain, same)},
		{"drain", DrainRequest{wish, true}, with(supervisor.VerbUndrain, same)},
		{"signal", SignalRequest{wish.Names, "USR1"}, with(supervisor.VerbSignal, func(o *supervisor.Operation) {
			o.Signal, o.Timeout = syscall.SIGUSR1, 0
		})},
	} {
		s := serveOurs(t, newFake())
		got, err := s.client.Operate(within(t), test.what, test.request)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.asked) != 1 || !strings.HasPrefix(s.asked[0].Cause, string(test.want.Verb)+" by ") {
			t.Fatalf("asked %+v", s.asked)
		}
		test.want.Cause = s.asked[0].Cause
		if diff := cmp.Diff(test.want, s.asked[0]); diff != "" {
			t.Errorf("%s %+v (-want +got):\n%s", test.what, test.request, diff)
		}
		want := &Operation{
			ID: 1, Verb: test.want.Verb, Result: supervisor.Accepted, Instances: []string{"api.1"}, Note: "a request may be lost",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s is answered (-want +got):\n%s", test.what, diff)
		}
	}
}

// What becomes of an operation, whether it is waited for or not.
func TestOperationAnswers(t *testing.T) {
	accepted := supervisor.Report{Result: supervisor.Accepted, After: []string{"api.1", "api.2"}}
	for name, test := range map[string]struct {
		wait    bool
		answers []supervisor.Report
		status  int
		says    string
	}{
		"done": {
			true,
			[]supervisor.Report{accepted, {Result: supervisor.Completed}},
			200,
			`{"id":1,"verb":"stop","result":"done","instances":["api.1","api.2"]}`,
		},
		"failed": {
			true,
			[]supervisor.Report{accepted, {Result: supervisor.Unsuccessful, After: []string{"api.2"}, Cause: "api.2 is lost"}},
			200,
			`{"id":1,"verb":"stop","result":"failed","instances":["api.2"],"note":"api.2 is lost"}`,
		},
		"not waited for":  {false, []supervisor.Report{accepted}, 202, `"result":"accepted"`},
		"refused":         {true, []supervisor.Report{{Result: supervisor.Refused, Cause: "a shutdown is under way"}}, 409, "stop is refused: a shutdown is under way"},
		"over":            {false, nil, 503, "the tree is gone"},
		"over, meanwhile": {true, []supervisor.Report{accepted}, 503, "the tree is gone"},
	} {
		f := newFake()
		f.answers = test.answers
		s := serveOurs(t, f)
		body := `{"names": ["api"]}`
		if test.wait {
			body = `{"names": ["api"], "wait": true}`
		}
		status, _, text := s.ask("POST", "/v1/stop", body)
		if status != test.status || !strings.Contains(text, test.says) {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
}

// What makes no sense does not come to the machine.
func TestBadOperations(t *testing.T) {
	s := serveOurs(t, newFake())
	for path, bodies := range map[string]map[string]int{
		"/v1/stop":   {`{}`: 400, `{"names": []}`: 400, `{"names": ["apo"]}`: 404, `{"names": ["api"], "timeout_seconds": -1}`: 400, `{"rolling": true}`: 400},
		"/v1/scale":  {`{"names": ["api"], "instances": -1}`: 400, `{"names": ["api"], "instances": "many"}`: 400},
		"/v1/signal": {`{"names": ["api"], "signal": "LUNCH"}`: 400, `{"names": ["api"]}`: 400},
	} {
		for body, want := range bodies {
			if status, _, text := s.ask("POST", path, body); status != want {
				t.Errorf("%s %s gives %d %s", path, body, status, text)
			}
		}
	}
	s.change(func(x *supervisor.Snapshot) {})
	s.over = true
	if status, _, _ := s.ask("POST", "/v1/stop", `{"names": ["api"]}`); status != http.StatusServiceUnavailable {
		t.Errorf("with the tree gone: %d", status)
	}
	if len(s.asked) > 0 {
		t.Errorf("the machine was asked %+v", s.asked)
	}
}

// A reload is an operation like others; a faulty configuration names every fault and comes to nobody.
func TestReload(t *testing.T) {
	f := newFake()
	s := serveOurs(t, f)
	if o, err := s.client.Operate(within(t), "reload", ReloadRequest{Wait: true}); err != nil || o.Result != supervisor.Completed {
		t.Errorf("got %+v %v", o, err)
	}
	plan, err := s.client.PlanReload(within(t))
	if err != nil || len(plan.Stop) != 1 || plan.Start[0] != "new" {
		t.Errorf("the plan is %+v %v", plan, err)
	}
	f.faulty = &Faulty{Faults: []string{"a.toml:1: wrong", "a.toml:2: wrong too"}}
	want := "the configuration has faults, and nothing changes\na.toml:1: wrong\na.toml:2: wrong too"
	if _, err := s.client.Operate(within(t), "reload", ReloadRequest{}); err == nil || err.Error() != want {
		t.Errorf("a faulty one: %v", err)
	}
	if _, err := s.client.PlanReload(within(t)); err == nil || err.Error() != want {
		t.Errorf("the plan of a faulty one: %v", err)
	}
	if len(f.asked) != 1 {
		t.Errorf("the machine was asked %+v", f.asked)
	}
}
