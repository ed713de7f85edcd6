package control

import (
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastout/supervisor"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file.
func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s is otherwise (-want +got):\n%s", name, diff)
	}
}

// shownOver is the server's TCP side, and how to ask it.
func shownOver(t *testing.T, f *fake) (s *served, get func(method, path, host string) (int, string)) {
	t.Helper()
	s = serveOurs(t, f)
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.ServeHealth(l)
	return s, func(method, path, host string) (int, string) {
		t.Helper()
		status, _, text := request(t, "tcp", l.Addr().String(), method, "http://"+l.Addr().String()+path, host, "")
		return status, text
	}
}

func TestHealth(t *testing.T) {
	s, get := shownOver(t, newFake().ready())
	for _, path := range []string{"/livez", "/readyz"} {
		if status, text := get("GET", path, ""); status != 200 || text != "ok\n" {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	s.change(func(x *supervisor.Snapshot) { x.Instances[1].State = supervisor.InBackoff })
	if status, text := get("GET", "/readyz", ""); status != 503 || text != "not ready:\napi.1 is backoff\n" {
		t.Errorf("with api.1 in backoff: %d %s", status, text)
	}
	s.change(func(x *supervisor.Snapshot) { x.Instances[1].Optional = true })
	if status, text := get("GET", "/readyz", ""); status != 200 {
		t.Errorf("with api.1 in backoff, which is not essential: %d %s", status, text)
	}
	s.change(func(x *supervisor.Snapshot) {
		x.Instances[1].State = supervisor.Ready
		x.Instances[2].State = supervisor.Off
	})
	if status, text := get("GET", "/readyz", ""); status != 200 {
		t.Errorf("with api.2 off: %d %s", status, text)
	}
	// From the first moment of a shutdown, though everybody is there.
	s.change(func(x *supervisor.Snapshot) { x.Phase = supervisor.Announcing })
	if status, text := get("GET", "/readyz", ""); status != 503 || text != "a shutdown is under way\n" {
		t.Errorf("in a shutdown: %d %s", status, text)
	}
	if status, _ := get("GET", "/livez", ""); status != 200 {
		t.Errorf("in a shutdown /livez gives %d", status)
	}
}

// Nothing is there but what is shown, and nothing that is sent changes anything.
func TestTCPIsReadOnly(t *testing.T) {
	s, get := shownOver(t, newFake())
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/v1/down", 404},
		{"GET", "/v1/status", 404},
		{"GET", "/v1/about", 404},
		{"GET", "/v1/logs", 404},
		{"GET", "/", 404},
		{"POST", "/livez", 405},
		{"PUT", "/metrics", 405},
		{"DELETE", "/readyz", 405},
		{"HEAD", "/livez", 200},
	} {
		if status, text := get(test.method, test.path, ""); status != test.status {
			t.Errorf("%s %s: %d %s", test.method, test.path, status, text)
		}
	}
	if len(s.stopped)+len(s.hurried) > 0 {
		t.Error("it was stopped")
	}
}

// A page of somebody's browser whose name was bound to our address is not answered.
func TestHosts(t *testing.T) {
	_, get := shownOver(t, newFake())
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, status := range map[string]int{
		"127.0.0.1:9180": 200, "[::1]:9180": 200, "10.1.2.3": 200, "localhost:9180": 200, "LOCALHOST.": 200, own + ":9180": 200,
		"shop": 200, "shop.default.svc": 200, "vm.local": 200, "vm.internal:80": 200, "evil.example.com": 421,
		"evil.example.com:9180": 421, "127.0.0.1.nip.io": 421, "local.evil.com": 421, "localhost.evil.com.": 421, ".": 421,
	} {
		if got, text := get("GET", "/livez", host); got != status {
			t.Errorf("%s: %d %s", host, got, text)
		}
	}
}

// The metrics as Prometheus reads them, and as OpenMetrics.
func TestMetrics(t *testing.T) {
	f := newFake()
	f.change(func(s *supervisor.Snapshot) {
		s.Phase, s.Ends = supervisor.Walking, 100*time.Second
		s.Instances[4].Name = `se"ed\` // no name is like that; a label may hold it all the same
	})
	s := serveOurs(t, f)
	for _, r := range []supervisor.Report{
		{At: 1e9, Kind: supervisor.KindExit, Process: "api", Run: 2, Exit: &supervisor.Exit{Code: 1}},
		{At: 1e9, Kind: supervisor.KindGone, Process: "api", Run: 2}, // it was not asked: no stop
		{At: 2e9, Kind: supervisor.KindExit, Process: "api", Run: 3, Exit: &supervisor.Exit{Signal: 11}},
		{At: 2e9, Kind: supervisor.KindExit, Process: "seed", Run: 4, Exit: &supervisor.Exit{}},
		{At: 3e9, Kind: supervisor.KindSignal, Process: "api", Run: 5},
		{At: 3e9, Kind: supervisor.KindSignal, Process: "api", Run: 6},
		{At: 3.3e9, Kind: supervisor.KindGone, Process: "api", Run: 5},
		{At: 13e9, Kind: supervisor.KindKill, Process: "api", Run: 6},
		{At: 13e9, Kind: supervisor.KindExit, Process: "api", Run: 6, Asked: true, Exit: &supervisor.Exit{Signal: 9}},
		{At: 13e9, Kind: supervisor.KindExit, Process: "seed", Run: 7, Asked: true, Exit: &supervisor.Exit{Signal: 9, OOM: "memory_max 64MiB"}},
		{At: 13.5e9, Kind: supervisor.KindGone, Process: "api", Run: 6},
		{At: 14e9, Kind: supervisor.KindKill, Process: "db", Run: 7},
		{At: 20e9, Kind: supervisor.KindLost, Process: "db", Run: 7},
		{At: 21e9, Kind: supervisor.KindGone, Process: "db", Run: 7}, // it counts as lost
		{At: 22e9, Kind: supervisor.KindCut, Process: "edge", Connections: make([]supervisor.Connection, 3)},
		{At: 22e9, Kind: supervisor.KindHook, Hook: supervisor.PreStop, Step: 0},
		{At: 22e9, Kind: supervisor.KindHook, Hook: supervisor.PreStop, Step: 1, Cause: "exit 1"},
		{At: 22e9, Kind: supervisor.KindHook, Hook: supervisor.PostStop, Step: 1},
	} {
		s.report(r)
	}
	get := func(accept string) (string, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(within(t), "GET", "http://lastout/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		resp, err := s.client.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		text := regexp.MustCompile(`goversion="[^"]*"`).ReplaceAllString(string(body), `goversion="GO"`)
		return resp.Header.Get("Content-Type"), text
	}
	kind, text := get("text/plain;version=0.0.4;q=0.3, */*;q=0.1")
	if kind != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("type %q", kind)
	}
	golden(t, "metrics.prom", text)
	kind, text = get("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3")
	if kind != "application/openmetrics-text; version=1.0.0; charset=utf-8" {
		t.Errorf("type %q", kind)
	}
	golden(t, "metrics.openmetrics", text)
	if kind, _ := get("application/openmetrics-text;q=0"); strings.Contains(kind, "openmetrics") {
		t.Error("it was not accepted")
	}
}
