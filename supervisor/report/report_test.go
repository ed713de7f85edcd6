package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastout/supervisor"
)

var update = flag.Bool("update", false, "write the golden files anew")

const ms = time.Millisecond

// story collects reports as a machine would give them.
type story struct {
	at      supervisor.Instant
	reports []supervisor.Report
}

func (s *story) say(r supervisor.Report) {
	r.At = s.at
	s.reports = append(s.reports, r)
}

func (s *story) after(d time.Duration) *story { s.at += d; return s }

func (s *story) phase(p supervisor.Phase, cause string, bound time.Duration) {
	s.say(supervisor.Report{Kind: supervisor.KindPhase, Phase: p, Cause: cause, Bound: bound})
}

func (s *story) free(process, step string, after ...string) {
	s.say(supervisor.Report{
		Kind: supervisor.KindFree, Process: process, Cause: step, After: after, Bound: 2500 * ms,
	})
}

func (s *story) state(instance string, from, to supervisor.State) {
	process, _, _ := strings.Cut(instance, ".")
	s.say(supervisor.Report{Kind: supervisor.KindState, Process: process, Instance: instance, From: from, State: to})
}

func (s *story) tell(instance string, sig syscall.Signal, bound time.Duration) {
	process, _, _ := strings.Cut(instance, ".")
	s.say(supervisor.Report{
		Kind: supervisor.KindSignal, Process: process, Instance: instance, Signal: sig, Step: 1, Bound: bound,
	})
	s.state(instance, supervisor.Ready, supervisor.Stopping)
}

func (s *story) exit(instance string, e supervisor.Exit, asked bool, left int) {
	process, _, _ := strings.Cut(instance, ".")
	s.say(supervisor.Report{
		Kind: supervisor.KindExit, Process: process, Instance: instance, Exit: &e, Asked: asked, Left: left,
	})
}

func (s *story) gone(instance string, from, to supervisor.State) {
	process, _, _ := strings.Cut(instance, ".")
	s.say(supervisor.Report{Kind: supervisor.KindGone, Process: process, Instance: instance})
	s.state(instance, from, to)
}

// leaves tells an instance, and lets it leave well after the given time.
func (s *story) leaves(instance string, took time.Duration) {
	s.tell(instance, syscall.SIGTERM, 10*time.Second)
	s.after(took).exit(instance, supervisor.Exit{}, true, 0)
	s.gone(instance, supervisor.Stopping, supervisor.Stopped)
}

func (s *story) kill(instance, why string) {
	process, _, _ := strings.Cut(instance, ".")
	s.say(supervisor.Report{Kind: supervisor.KindKill, Process: process, Instance: instance, Cause: why, Bound: 5e9})
	s.state(instance, supervisor.Stopping, supervisor.Killing)
}

func (s *story) finish(o supervisor.Outcome) {
	s.phase(supervisor.Finished, "", 0)
	s.say(supervisor.Report{Kind: supervisor.KindFinish, Outcome: &o})
}

// orderly is two workers and a draining gateway over a store, each of which leaves when told.
func orderly() []supervisor.Report {
	s := &story{at: 7 * time.Second}
	s.state("api.1", supervisor.Running, supervisor.Ready) // of the time before: passed over
	s.after(time.Second).phase(supervisor.Announcing, "SIGTERM", 25*time.Second)
	s.state("cron", supervisor.InBackoff, supervisor.Stopped)
	s.phase(supervisor.Walking, "", 0)
	s.free("edge", "drain")
	s.state("edge", supervisor.Ready, supervisor.Draining)
	s.say(supervisor.Report{Kind: supervisor.KindHook, Process: "edge", Instance: "edge", Hook: supervisor.PreDrain})
	s.after(200 * ms).say(supervisor.Report{
		Kind: supervisor.KindHook, Process: "edge", Instance: "edge", Hook: supervisor.PreDrain, Step: 1,
	})
	s.state("edge", supervisor.Draining, supervisor.Drained)
	s.free("api", "leave", "edge")
	s.tell("api.2", syscall.SIGTERM, 10*time.Second)
	s.leaves("api.1", 310*ms)
	s.after(90*ms).exit("api.2", supervisor.Exit{}, true, 0)
	s.gone("api.2", supervisor.Stopping, supervisor.Stopped)
	s.free("db", "leave", "api")
	s.free("edge", "leave", "api")
	s.tell("edge", syscall.SIGQUIT, 10*time.Second)
	s.leaves("db", 20*ms)
	s.after(1040*ms).exit("edge", supervisor.Exit{}, true, 0)
	s.gone("edge", supervisor.Stopping, supervisor.Stopped)
	s.phase(supervisor.Closing, "", 0)
	s.after(1 * ms).finish(supervisor.Outcome{Cause: "SIGTERM"})
	return s.reports
}

// drains is a gateway that is quiesced and invited, and leaves no sooner than it must, so that connections are cut off.
func drains() []supervisor.Report {
	s := &story{}
	edge := func(r supervisor.Report) {
		r.Process, r.Instance = "edge", "edge"
		s.say(r)
	}
	s.phase(supervisor.Announcing, "SIGTERM", 25*time.Second)
	s.phase(supervisor.Walking, "", 0)
	s.free("edge", "drain")
	s.state("edge", supervisor.Ready, supervisor.Draining)
	edge(supervisor.Report{Kind: supervisor.KindQuiesce, Bound: 1250 * ms})
	s.after(20 * ms)
	edge(supervisor.Report{Kind: supervisor.KindQuiesce, Step: 1, Cause: "SYN filter on 2 listeners"})
	edge(supervisor.Report{Kind: supervisor.KindInvite, Signal: syscall.SIGQUIT, Bound: 3 * time.Second})
	s.after(3*time.Second).state("edge", supervisor.Draining, supervisor.Drained)
	edge(supervisor.Report{Kind: supervisor.KindUnanswered, Connections: []supervisor.Connection{
		{Peer: "192.0.2.1:40112", Port: 443, Age: 80 * time.Second, In: 512, Last: 1500 * ms},
	}})
	s.free("api", "leave", "edge")
	s.leaves("api", 300*ms)
	s.free("edge", "leave", "api")
	s.state("edge", supervisor.Drained, supervisor.Settling)
	s.after(time.Second).tell("edge", syscall.SIGTERM, time.Second)
	s.after(time.Second).kill("edge", "still there 1s after it was told")
	edge(supervisor.Report{
		Kind: supervisor.KindCut, State: supervisor.Killing, Step: 1, Cause: "SIGKILL",
		Connections: slices.Repeat([]supervisor.Connection{
			{Peer: "192.0.2.1:40112", Port: 443, Age: 90 * time.Second, In: 512, Out: 70_000, Last: 1500 * ms},
		}, 22),
	})
	s.exit("edge", supervisor.Exit{Signal: syscall.SIGKILL}, true, 0)
	s.gone("edge", supervisor.Killing, supervisor.Stopped)
	s.phase(supervisor.Closing, "", 0)
	s.finish(supervisor.Outcome{Code: 3, Class: 3, Cause: "SIGTERM", Killed: []string{"edge"}})
	return s.reports
}

// stubborn is a worker that ignores its signal, one that died before its turn, and a gateway that waits for both.
func stubborn() []supervisor.Report {
	s := &story{}
	s.phase(supervisor.Announcing, "SIGTERM", supervisor.Forever)
	s.say(supervisor.Report{Kind: supervisor.KindHook, Hook: supervisor.BeforeShutdown})
	s.after(40 * ms).say(supervisor.Report{
		Kind: supervisor.KindHook, Hook: supervisor.BeforeShutdown, Step: 1, Cause: "exit 1",
	})
	s.phase(supervisor.Walking, "", 0)
	s.free("api", "leave")
	s.tell("api", syscall.SIGTERM, 2*time.Second)
	s.after(time.Second).exit("mail", supervisor.Exit{Signal: syscall.SIGSEGV}, false, 0)
	s.gone("mail", supervisor.Ready, supervisor.Failed)
	s.after(time.Second).kill("api", "did not leave within 2s of SIGTERM")
	s.after(10*ms).exit("api", supervisor.Exit{Signal: syscall.SIGKILL}, true, 0)
	s.gone("api", supervisor.Killing, supervisor.Stopped)
	s.free("mail", "leave", "api")
	s.free("edge", "leave", "api")
	s.leaves("edge", 700*ms)
	s.phase(supervisor.Closing, "", 0)
	s.finish(supervisor.Outcome{
		Code: 3, Class: 3, Cause: "SIGTERM", Killed: []string{"api"}, Failed: []string{"mail"},
	})
	return s.reports
}

// unkillable is a tree of which something stays.
func unkillable() []supervisor.Report {
	s := &story{}
	s.phase(supervisor.Announcing, "web ended", 30*time.Second)
	s.phase(supervisor.Walking, "", 0)
	s.free("api", "leave")
	s.tell("api", syscall.SIGTERM, time.Second)
	s.after(time.Second).kill("api", "did not leave within 1s of SIGTERM")
	s.after(5 * time.Second).say(supervisor.Report{Kind: supervisor.KindLost, Process: "api", Instance: "api"})
	s.state("api", supervisor.Killing, supervisor.Lost)
	s.phase(supervisor.Closing, "", 0)
	s.say(supervisor.Report{Kind: supervisor.KindStrays, After: []string{"pid 4711 (dd), of api"}, Signal: syscall.SIGTERM})
	s.after(time.Second).finish(supervisor.Outcome{
		Code: 9, Class: 4, Cause: "web ended", Trigger: "web", Lost: []string{"api"},
		Survived: []string{"pid 4711 (dd), of api"},
	})
	return s.reports
}

// crowd is a thousand copies, one of which must be killed, and a daemonised child of another.
func crowd() []supervisor.Report {
	s := &story{}
	s.phase(supervisor.Announcing, "SIGINT", 30*time.Second)
	s.phase(supervisor.Walking, "", 0)
	s.free("api", "leave")
	for i := range 1000 {
		s.tell(fmt.Sprintf("api.%d", i+1), syscall.SIGTERM, time.Second)
	}
	for i := range 999 {
		name := fmt.Sprintf("api.%d", i+1)
		left := 0
		if i == 500 {
			left = 1
		}
		s.after(ms/2).exit(name, supervisor.Exit{}, true, left)
		s.gone(name, supervisor.Stopping, supervisor.Stopped)
	}
	s.after(600*ms).kill("api.1000", "did not leave within 1s of SIGTERM")
	s.after(10*ms).exit("api.1000", supervisor.Exit{Signal: syscall.SIGKILL}, true, 0)
	s.gone("api.1000", supervisor.Killing, supervisor.Stopped)
	s.free("edge", "leave", "api")
	s.leaves("edge", 100*ms)
	s.finish(supervisor.Outcome{Code: 3, Class: 3, Cause: "SIGINT", Killed: []string{"api.1000"}})
	return s.reports
}

var stories = map[string]func() []supervisor.Report{
	"orderly": orderly, "drains": drains, "stubborn": stubborn, "unkillable": unkillable, "crowd": crowd,
	"nobody": func() []supervisor.Report {
		s := &story{}
		s.phase(supervisor.Announcing, "SIGTERM", 30*time.Second)
		s.state("api", supervisor.Waiting, supervisor.Stopped)
		s.finish(supervisor.Outcome{Cause: "SIGTERM"})
		return s.reports
	},
	"unfinished": func() []supervisor.Report { return orderly()[:14] },
	"never_began": func() []supervisor.Report {
		s := &story{}
		s.state("api", supervisor.Running, supervisor.Ready)
		return s.reports
	},
}

func TestText(t *testing.T) {
	for name, tell := range stories {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			s := New(tell(), Tree{})
			for _, width := range []int{0, 80, 120} {
				fmt.Fprintf(&b, "-- width %d --\n", width)
				s.Text(&b, width, false)
			}
			golden(t, name+".txt", b.Bytes())
		})
	}
}

// shop is what the stories' reports do not say themselves.
var shop = Tree{
	Name: "shop", Wall: time.Date(2026, 3, 14, 15, 9, 26, 535e6, time.FixedZone("", 3600)),
	Roles: map[string]string{"api": "worker", "edge": "gateway", "db": "service"},
}

// TestPictures holds the drawing and the page, and that both are what they say they are.
func TestPictures(t *testing.T) {
	for name, tell := range stories {
		t.Run(name, func(t *testing.T) {
			var svg, page bytes.Buffer
			s := New(tell(), shop)
			if err := errors.Join(s.SVG(&svg), s.HTML(&page, "run.jsonl")); err != nil {
				t.Fatal(err)
			}
			wellFormed(t, svg.Bytes())
			if name == "crowd" {
				if n := page.Len(); n > 800_000 {
					t.Errorf("the page of a thousand has %d bytes", n)
				}
				return
			}
			golden(t, name+".svg", svg.Bytes())
			golden(t, name+".html", page.Bytes())
		})
	}
}

// TestPicturesOfStrangeNames draws what would break out of markup.
func TestPicturesOfStrangeNames(t *testing.T) {
	const strange = `<b>"&'</b>`
	reports := drains()
	for i := range reports {
		if reports[i].Instance == "edge" {
			reports[i].Process, reports[i].Instance, reports[i].Cause = strange, strange, strange
		}
		for j, name := range reports[i].After {
			if name == "edge" {
				reports[i].After[j] = strange
			}
		}
	}
	var svg, page bytes.Buffer
	s := New(reports, Tree{Name: strange, Roles: map[string]string{strange: strange}})
	if err := errors.Join(s.SVG(&svg), s.HTML(&page, strange)); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, svg.Bytes())
	for what, text := range map[string]string{"picture": svg.String(), "page": page.String()} {
		if strings.Contains(text, strange) || strings.Contains(text, "<b>\"") {
			t.Errorf("the %s has markup out of a name", what)
		}
		for _, outside := range []string{"http:", "https:", "src=", "@import", "url("} {
			if strings.Contains(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", ""), outside) {
				t.Errorf("the %s refers to something outside: %s", what, outside)
			}
		}
	}
}

// wellFormed holds a picture to be XML in which every reference leads somewhere.
func wellFormed(t *testing.T, text []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(text))
	ids, refs := map[string]bool{}, map[string]bool{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			for _, a := range e.Attr {
				switch a.Name.Local {
				case "id":
					ids[a.Value] = true
				case "href":
					refs[strings.TrimPrefix(a.Value, "#")] = true
				}
			}
		}
	}
	for ref := range refs {
		if !ids[ref] {
			t.Errorf("nothing is called %q", ref)
		}
	}
}

// TestArrows follows who set whom free: the gateway's drain the workers, the last worker the gateway and the store.
func TestArrows(t *testing.T) {
	c := New(orderly(), Tree{}).NewChart()
	c.Draw()
	var got []string
	for _, w := range c.waits() {
		text := fmt.Sprintf("%s > %s at %v", c.lanes[w.from].of.Name, c.lanes[w.to].of.Name, w.at)
		if w.critical {
			text += " critical"
		}
		got = append(got, text)
	}
	want := []string{
		"api.2 > db at 8.6s", "edge > api.1 at 8.2s", "api.2 > edge at 8.6s critical", "edge > api.2 at 8.2s critical",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arrows (-want +got):\n%s", diff)
	}
}

// TestBands puts many copies of a process under one name, each still seen, and whoever was killed seen best.
func TestBands(t *testing.T) {
	c := New(crowd(), Tree{}).NewChart()
	columns := c.Draw()
	if columns.Height > 700 {
		t.Errorf("a thousand copies are %v high", columns.Height)
	}
	if got := strings.Count(columns.Names, "api ×1000"); got != 2 { // the name and its title
		t.Errorf("the band is named %d times", got)
	}
	for _, l := range c.lanes {
		if killed := l.of.Name == "api.1000"; l.thin && killed != (l.high >= 4) {
			t.Errorf("the line of %s is %v high", l.of.Name, l.high)
		}
	}
}

func TestJSON(t *testing.T) {
	b, err := json.MarshalIndent(New(orderly(), shop), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "orderly.json", append(b, '\n'))
	var back Shutdown
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*New(orderly(), shop), back); diff != "" {
		t.Errorf("the JSON does not carry all (-want +got):\n%s", diff)
	}
}

// Colours change nothing but colours: without its escapes the text is the plain one.
func TestColor(t *testing.T) {
	for name, tell := range stories {
		var plain, coloured bytes.Buffer
		s := New(tell(), Tree{})
		s.Text(&plain, 120, false)
		s.Text(&coloured, 120, true)
		if name != "never_began" && name != "nobody" && !strings.Contains(coloured.String(), "\x1b[") {
			t.Errorf("%s: no colour", name)
		}
		if diff := cmp.Diff(trimLines(plain.String()), trimLines(stripEscapes(coloured.String()))); diff != "" {
			t.Errorf("%s (-plain +coloured):\n%s", name, diff)
		}
	}
}

// No line of the table is wider than the width it was made for.
func TestWidth(t *testing.T) {
	for width := 50; width < 220; width += 7 {
		var b bytes.Buffer
		New(orderly(), Tree{}).Text(&b, width, false)
		for line := range strings.Lines(b.String()) {
			if strings.HasPrefix(line, "shutdown ") || strings.HasPrefix(line, "* had") {
				continue // a sentence may be folded anywhere
			}
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > width {
				t.Errorf("width %d: %d columns: %s", width, n, line)
			}
		}
	}
}

func TestCriticalPathOfAShutdownFollowsWhoFreedWhom(t *testing.T) {
	want := []PathStep{
		{Instance: "edge", Step: "drain", Begin: 8 * time.Second, End: 8200 * ms},
		{Instance: "api.2", Step: "leave", Begin: 8200 * ms, End: 8600 * ms},
		{Instance: "edge", Step: "leave", Begin: 8600 * ms, End: 9660 * ms},
	}
	s := New(orderly(), Tree{})
	if diff := cmp.Diff(want, s.Critical); diff != "" {
		t.Errorf("critical path (-want +got):\n%s", diff)
	}
	for _, x := range s.Instances {
		if critical := x.Name == "edge" || x.Name == "api.2"; x.Critical != critical {
			t.Errorf("%s: critical %v, want %v", x.Name, x.Critical, critical)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ms", 999: "0ms", 12 * ms: "12ms", 999*ms + 400*time.Microsecond: "999ms",
		999*ms + 600*time.Microsecond: "1.00s", 3100 * ms: "3.10s", 9994 * ms: "9.99s", 9995 * ms: "10.0s", 59940 * ms: "59.9s",
		59960 * ms: "1m0s", 125 * time.Second: "2m5s", -5 * ms: "-5ms", supervisor.Forever: "for ever",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%d) = %q, want %q", d, got, want)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func stripEscapes(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, s, _ = strings.Cut(after, "m")
	}
}

func trimLines(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}
