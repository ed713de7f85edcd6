package control

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastout/supervisor"
	"lastout/supervisor/report"
)

// description is the OpenAPI description as it is served.
type description struct {
	OpenAPI string
	Paths   map[string]map[string]struct {
		OperationID string
		Summary     string
		Parameters  []struct{ Name, In string }
		RequestBody *struct {
			Content map[string]struct{ Schema schema }
		}
		Responses map[string]struct {
			Content map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Ref        string `json:"$ref"`
	Type       string
	AllOf      []schema
	Items      *schema
	Properties map[string]schema
	Required   []string
	Nullable   bool
	Additional any `json:"additionalProperties"`
}

func described(t *testing.T, s *served) description {
	t.Helper()
	status, _, text := s.ask("GET", "/v1/openapi.json", "")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	return fromJSON[description](t, text)
}

// fits says where a value is not as a schema says.
func (d *description) fits(at string, s schema, v any) []string {
	if s.Ref != "" {
		name := strings.TrimPrefix(s.Ref, "#/components/schemas/")
		known, ok := d.Components.Schemas[name]
		if !ok {
			return []string{at + ": no schema " + name}
		}
		return d.fits(at, known, v)
	}
	for _, part := range s.AllOf {
		return d.fits(at, part, v)
	}
	bad := []string{fmt.Sprintf("%s: %v is no %s", at, v, s.Type)}
	switch v := v.(type) {
	case nil:
		if s.Nullable {
			return nil
		}
	case bool:
		if s.Type == "boolean" {
			return nil
		}
	case string:
		if s.Type == "string" {
			return nil
		}
	case float64:
		if s.Type == "number" || s.Type == "integer" && v == float64(int64(v)) {
			return nil
		}
	case []any:
		if s.Type == "array" {
			bad = nil
			for i, item := range v {
				bad = append(bad, d.fits(at+"["+strconv.Itoa(i)+"]", *s.Items, item)...)
			}
		}
	case map[string]any:
		if s.Type == "object" {
			bad = d.object(at, s, v)
		}
	}
	return bad
}

func (d *description) object(at string, s schema, v map[string]any) []string {
	var bad []string
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			bad = append(bad, at+": "+name+" is missing")
		}
	}
	for name, field := range v {
		if known, ok := s.Properties[name]; ok {
			bad = append(bad, d.fits(at+"."+name, known, field)...)
		} else if s.Additional != true {
			bad = append(bad, at+": "+name+" is not described")
		}
	}
	return bad
}

// asked are requests with which each route answers as it is described to, in each way it can.
var asked = []struct {
	method, path, body string
	status             int
}{
	{"GET", "/v1/about", "", 200},
	{"GET", "/v1/status", "", 200},
	{"GET", "/v1/status?name=edge&name=api.1&brief=true", "", 200},
	{"GET", "/v1/status?name=none", "", 404},
	{"GET", "/v1/status?none=1", "", 400},
	{"GET", "/v1/events?follow=false&tail=100", "", 200},
	{"GET", "/v1/logs?name=db&follow=false&tail=5&since=2020-01-01T00:00:00Z", "", 200},
	{"GET", "/v1/logs?name=none", "", 404},
	{"GET", "/v1/logs?name=seed", "", 409},
	{"GET", "/v1/wait?name=db&for=ready&timeout_ms=1", "", 200},
	{"GET", "/v1/wait?name=db&for=stopped&timeout_ms=1", "", 200},
	{"GET", "/v1/wait?name=none", "", 404},
	{"GET", "/v1/report", "", 200},
	{"POST", "/v1/down", `{"now": true}`, 202},
	{"POST", "/v1/down", `{`, 400},
	{"POST", "/v1/down", `{"now": ` + strings.Repeat(" ", maxBody) + `true}`, 413},
	{"POST", "/v1/start", `{"names": ["api"], "no_deps": true}`, 202},
	{"POST", "/v1/stop", `{"names": ["api.1"], "wait": true, "timeout_seconds": 1.5}`, 200},
	{"POST", "/v1/stop", `{"names": ["api.1"]}`, 202},
	{"POST", "/v1/stop", `{"names": ["none"]}`, 404},
	{"POST", "/v1/stop", `{}`, 400},
	{"POST", "/v1/restart", `{"names": ["api"], "rolling": true}`, 202},
	{"POST", "/v1/scale", `{"names": ["api"], "instances": 3}`, 202},
	{"POST", "/v1/drain", `{"names": ["edge"], "undo": true}`, 202},
	{"POST", "/v1/signal", `{"names": ["edge"], "signal": "HUP"}`, 202},
	{"POST", "/v1/upgrade", `{"binary": "/bin/new"}`, 202},
	{"POST", "/v1/upgrade", `{"binary": "/bin/none"}`, 409},
	{"GET", "/v1/upgrade?number=1", "", 200},
	{"GET", "/v1/upgrade?number=2", "", 404},
	{"GET", "/v1/reload", "", 200},
	{"POST", "/v1/reload", "", 202},
	{"POST", "/v1/reload", `{"wait": true}`, 200},
	{"GET", "/v1/openapi.json", "", 200},
	{"GET", "/livez", "", 200},
	{"GET", "/readyz", "", 503},
	{"GET", "/metrics", "", 200},
}

// richFake says something in every field there is.
func richFake() *fake {
	f := newFake()
	f.change(func(s *supervisor.Snapshot) {
		s.Phase, s.Level, s.Ends = supervisor.Walking, supervisor.Urgent, 100*time.Second
		s.Instances[3].WaitsFor = []string{"api"}
	})
	exit := &supervisor.Exit{Code: 1, Core: true}
	reports := []supervisor.Report{
		{At: 1, Kind: supervisor.KindPhase, Phase: supervisor.Announcing, Cause: "down", Bound: time.Second},
		{At: 2, Kind: supervisor.KindSignal, Process: "db", Instance: "db", Run: 1, Signal: 15, Step: 1, Bound: time.Second},
		{At: 3, Kind: supervisor.KindExit, Process: "db", Instance: "db", Run: 1, Exit: exit, Asked: true, Left: 1},
		{At: 3, Kind: supervisor.KindCut, Process: "db", Instance: "db", Run: 1, Connections: []supervisor.Connection{{Peer: "x"}}},
		{At: 4, Kind: supervisor.KindGone, Process: "db", Instance: "db", Run: 1},
		{At: 5, Kind: supervisor.KindFinish, Outcome: &supervisor.Outcome{Code: 3, Killed: []string{"db"}}},
	}
	f.shutdown = report.New(reports, report.Tree{})
	f.shelf.Of("db").Add(time.Now(), []byte("hello\n"))
	return f
}

// TestDescription holds the description against what the server does: each path and method, each status, each field.
func TestDescription(t *testing.T) {
	f := richFake()
	s := serveOurs(t, f)
	s.report(supervisor.Report{At: 3, Kind: supervisor.KindExit, Process: "db", Run: 1, Exit: &supervisor.Exit{Signal: 9}, After: []string{"x"}})
	d := described(t, s)
	if d.OpenAPI != "3.0.3" {
		t.Errorf("version %q", d.OpenAPI)
	}
	answered := map[string]bool{}
	for _, a := range asked {
		path, query, _ := strings.Cut(a.path, "?")
		op, ok := d.Paths[path][strings.ToLower(a.method)]
		if !ok {
			t.Errorf("%s %s is not described", a.method, path)
			continue
		}
		for _, p := range op.Parameters {
			if strings.Contains("&"+query, "&"+p.Name+"=") {
				answered[path+"?"+p.Name] = true
			}
		}
		status, header, text := s.ask(a.method, a.path, a.body)
		if status != a.status {
			t.Errorf("%s %s gives %d, want %d: %s", a.method, a.path, status, a.status, text)
		}
		kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
		content, ok := op.Responses[strconv.Itoa(status)].Content[kind]
		if !ok && !(status == 503 && kind == "text/plain") {
			t.Errorf("%s %s: an answer of %d %s is not described", a.method, a.path, status, kind)
		}
		if status < 300 {
			answered[a.method+" "+path] = true
		}
		for line := range jsonLines(kind, text) {
			var v any
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Errorf("%s %s: %v", a.method, a.path, err)
			}
			for _, bad := range d.fits(path, content.Schema, v) {
				t.Errorf("%s %s: %s", a.method, a.path, bad)
			}
		}
	}
	for path, methods := range d.Paths {
		for method, op := range methods {
			name := strings.ToUpper(method) + " " + path
			if op.Summary == "" || op.OperationID == "" {
				t.Errorf("%s says nothing of itself", name)
			}
			if !answered[name] && path != "/readyz" {
				t.Errorf("%s is described, and was not seen to answer", name)
			}
			for _, p := range op.Parameters {
				if !answered[path+"?"+p.Name] {
					t.Errorf("%s?%s is described, and was not tried", path, p.Name)
				}
			}
		}
	}
}

func jsonLines(kind, text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		if !strings.HasSuffix(kind, "json") {
			return
		}
		for line := range strings.Lines(text) {
			if !yield(line) {
				return
			}
		}
	}
}

// Every field of every type is in the description with its name, and each has been seen in an answer.
func TestEveryFieldIsSeen(t *testing.T) {
	s := serveOurs(t, richFake())
	d := described(t, s)
	_, _, text := s.ask("GET", "/v1/status", "")
	for name, fields := range map[string][]string{
		"Status":         {"name", "file", "pid", "uid", "version", "began", "now", "phase", "level", "left_seconds", "ready", "processes"},
		"ProcessStatus":  {"name", "role", "essential", "ready", "instances"},
		"InstanceStatus": {"name", "state", "since", "for_seconds", "left_seconds", "ready", "wanted", "run", "pid", "restarts", "exit", "waits_for", "usage", "connections"},
		"Wait":           {"name", "left_seconds"},
		"ExitStatus":     {"code", "signal"},
		"Usage":          {"processes", "memory_bytes", "cpu_seconds"},
		"Connections":    {"busy", "idle", "queued", "unused"},
	} {
		known := slices.Sorted(maps.Keys(d.Components.Schemas[name].Properties))
		for _, field := range fields {
			if !slices.Contains(known, field) {
				t.Errorf("%s.%s is not described (%s)", name, field, known)
			}
			if !strings.Contains(text, `"`+field+`":`) {
				t.Errorf("%s.%s is not in %s", name, field, text)
			}
		}
	}
}
