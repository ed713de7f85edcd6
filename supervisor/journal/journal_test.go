package journal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastout/ordering"
	"lastout/supervisor"
	"lastout/supervisor/journal"
)

func header() journal.Header {
	return journal.Header{
		Version: journal.Version, Name: "shop", Bound: 10 * time.Second, Monotonic: 12345,
		Wall: "2026-01-02T03:04:05Z", Options: supervisor.Options{Timeout: 10 * time.Second, Seed: 1<<64 - 1},
		Nodes: journal.Records([]ordering.Node{
			{Name: "db", Role: ordering.Service},
			{Name: "api", DependsOn: []string{"db"}},
			{Name: "edge", Role: ordering.Gateway, DependsOn: []string{"api"}, Fronts: []string{}},
		}, []supervisor.Spec{{Instances: 1}, {Instances: 2}, {Instances: 1}}),
	}
}

func TestWriteAndRead(t *testing.T) {
	reports := []supervisor.Report{
		{At: 1, Kind: supervisor.KindState, Process: "api", Instance: "api.1", Run: 7, PID: 99, State: supervisor.Running},
		{At: 2, Kind: supervisor.KindExit, Run: 7, Exit: &supervisor.Exit{Signal: syscall.SIGSEGV, Core: true}, Left: 3},
		{At: 3, Kind: supervisor.KindWaiting, Bound: supervisor.Forever, After: []string{"<api> & \"co\""}},
		{At: 4, Kind: supervisor.KindFinish, Outcome: &supervisor.Outcome{Code: 139, Trigger: "api.1"}},
	}
	var text bytes.Buffer
	w, err := journal.NewWriter(&text, header())
	if err != nil {
		t.Fatal(err)
	}
	want := &journal.Journal{Header: header()}
	for i, r := range reports {
		if err := w.Report(r); err != nil {
			t.Fatal(err)
		}
		want.Entries = append(want.Entries, journal.Entry{Line: i + 2, Report: r})
	}
	got, err := journal.Read(&text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("what was read is not what was written:\n", diff)
	}
}

// TestNames holds the names of the lines' fields: programs of other people read them.
func TestNames(t *testing.T) {
	var text bytes.Buffer
	w, err := journal.NewWriter(&text, journal.Header{Name: "x", Nodes: []journal.NodeRecord{{Name: "a", Role: "task"}}})
	if err != nil {
		t.Fatal(err)
	}
	err = w.Report(supervisor.Report{
		At: 5, Kind: supervisor.KindExit, Process: "a", Instance: "a", Run: 3, Exit: &supervisor.Exit{Code: 2}, Asked: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":1,"name":"x","nodes":[{"name":"a","role":"task","fronts":null,"instances":0}],` +
		`"options":{"timeout":0,"reserve":0,"delay":0,"kill_timeout":0,"before":0,"after":0,"seed":0},` +
		`"bound":0,"monotonic":0,"wall":""}` + "\n" +
		`{"at":5,"kind":"exit","process":"a","instance":"a","run":3,"exit":{"code":2},"asked":true}` + "\n"
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Error(diff)
	}
}

// stubborn takes so many lines and then fails once.
type stubborn struct {
	lines  int
	failed bool
	text   bytes.Buffer
}

var errFull = errors.New("disk full")

func (s *stubborn) Write(p []byte) (int, error) {
	if s.lines--; s.lines < 0 && !s.failed {
		s.failed = true
		return 0, errFull
	}
	return s.text.Write(p)
}

// TestWriteFails holds that a journal never has a hole: after a failure it stays closed.
func TestWriteFails(t *testing.T) {
	out := &stubborn{lines: 2}
	w, err := journal.NewWriter(out, header())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, errFull, errFull} {
		if err := w.Report(supervisor.Report{Kind: supervisor.KindNote}); !errors.Is(err, want) {
			t.Errorf("report %d: %v, want %v", i, err, want)
		}
	}
	if n := strings.Count(out.text.String(), "\n"); n != 2 {
		t.Errorf("%d lines were written, want 2", n)
	}
	if _, err := journal.NewWriter(&stubborn{}, header()); !errors.Is(err, errFull) {
		t.Errorf("NewWriter says %v", err)
	}
}

func text(t *testing.T, lines ...string) string {
	t.Helper()
	first, err := json.Marshal(header())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append([]string{string(first)}, lines...), "\n") + "\n"
}

// TestCut holds that a journal which was cut at any byte is read up to the last whole line, and that this is said.
func TestCut(t *testing.T) {
	whole := text(t, `{"at":1,"kind":"note","cause":"one"}`, `{"at":2,"kind":"note","cause":"two"}`)
	first := strings.Index(whole, "\n") + 1
	for n := first; n <= len(whole); n++ {
		j, err := journal.Read(strings.NewReader(whole[:n]))
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		entries := strings.Count(whole[first:n], "\n")
		cut := 0
		if !strings.HasSuffix(whole[:n], "\n") {
			cut = entries + 2
		}
		if len(j.Entries) != entries || j.Cut != cut {
			t.Errorf("cut at %d: %d entries and Cut %d, want %d and %d", n, len(j.Entries), j.Cut, entries, cut)
		}
	}
}

func TestReadFaults(t *testing.T) {
	good := `{"at":1,"kind":"note"}`
	head := func(old, with string) string { return strings.Replace(text(t), old, with, 1) }
	for _, c := range []struct {
		name, text string
		line       int
		says       string
	}{
		{"empty", "", 1, "no header"},
		{"header cut off", `{"version":1`, 1, "no header"},
		{"empty line for header", "\n" + good + "\n", 1, "no header"},
		{"not JSON", "hello\n", 1, "not a journal"},
		{"some other JSON", "{}\n", 1, "no version"},
		{"newer", head(`"version":1`, `"version":2`), 1, "version 2"},
		{"unknown role", head(`"role":"worker"`, `"role":"boss"`), 1, `"boss"`},
		{"unknown need", head(`"depends_on":["db"]`, `"depends_on":["dbx"]`), 1, `"dbx"`},
		{"twice the same name", head(`"name":"api"`, `"name":"db"`), 1, `"db"`},
		{"garbage between", text(t, good, "garbage", good), 3, "not a report"},
		{"empty line between", text(t, good, "", good), 3, "not a report"},
		{"no kind", text(t, good, good, `{"at":3}`), 4, "no kind"},
		{"unknown state", text(t, `{"at":1,"kind":"state","state":"asleep"}`), 2, `"asleep"`},
		{"finish without outcome", text(t, `{"at":1,"kind":"finish"}`), 2, "outcome"},
		{"endless line", text(t, strings.Repeat("x", 17<<20)), 2, "16 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := journal.Read(strings.NewReader(c.text))
			var syntax *journal.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("the error is %v", err)
			}
			if syntax.Line != c.line || !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %q, want line %d and %q", err, c.line, c.says)
			}
		})
	}
}

// TestReadLongLine holds that a line longer than any buffer is read whole.
func TestReadLongLine(t *testing.T) {
	long := strings.Repeat("x", 300_000)
	j, err := journal.Read(strings.NewReader(text(t, `{"at":1,"kind":"note","cause":"`+long+`"}`, `{"at":2,"kind":"note"}`)))
	if err != nil {
		t.Fatal(err)
	}
	if len(j.Entries) != 2 || j.Entries[0].Report.Cause != long || j.Entries[1].Line != 3 {
		t.Errorf("%d entries were read", len(j.Entries))
	}
}

// broken gives a few bytes and then an error that is not the end.
type broken struct{ text io.Reader }

var errIO = errors.New("input/output error")

func (b broken) Read(p []byte) (int, error) {
	n, err := b.text.Read(p)
	if err == io.EOF {
		err = errIO
	}
	return n, err
}

func TestReadBroken(t *testing.T) {
	for _, s := range []string{"", `{"ver`, text(t), text(t) + "{"} {
		if _, err := journal.Read(broken{strings.NewReader(s)}); !errors.Is(err, errIO) {
			t.Errorf("after %q: %v", s, err)
		}
	}
}

// FuzzRead holds that no input makes Read or Verify panic, and that what was read can be written and read again.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"version":1,"nodes":[{"name":"a","role":"gateway","fronts":["b"]},{"name":"b","role":"worker"}]}` + "\n" +
		`{"at":1,"kind":"state","process":"a","instance":"a","run":1,"state":"starting"}` + "\n" +
		`{"at":2,"kind":"phase","phase":"announcing"}` + "\n" +
		`{"at":3,"kind":"kill","process":"a","instance":"a","run":1}` + "\n" +
		`{"at":4,"kind":"exit","process":"b","instance":"b","run":2}` + "\n" +
		`{"at":5,"kind":"finish","outcome":{"code":3,"class":3,"lost":["a"]}}` + "\n" + `{"at":6,"ki`))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := journal.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		found := journal.Verify(j)
		var out bytes.Buffer
		w, err := journal.NewWriter(&out, j.Header)
		for _, e := range j.Entries {
			if err == nil {
				err = w.Report(e.Report)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		again, err := journal.Read(&out)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if diff := cmp.Diff(found, journal.Verify(again)); diff != "" {
			t.Error("after writing and reading it is judged otherwise:\n", diff)
		}
	})
}
