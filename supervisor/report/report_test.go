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
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastout/supervisor"
)

var update = flag.Bool("update", false, "write the golden files anew")

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

// Who came with a reload has its role.
func TestRolesAfterAReload(t *testing.T) {
	s := &story{}
	s.say(supervisor.Report{Kind: supervisor.KindReload, Nodes: []supervisor.Declared{{Name: "edge", Role: "gateway"}}})
	s.state("edge", supervisor.Starting, supervisor.Ready)
	s.phase(supervisor.Announcing, "SIGTERM", time.Second)
	s.tell("edge", syscall.SIGTERM, time.Second)
	s.leaves("edge", time.Millisecond)
	got := New(s.reports, Tree{Roles: map[string]string{"old": "worker"}})
	if len(got.Instances) != 1 || got.Instances[0].Role != "gateway" {
		t.Errorf("got %+v", got.Instances)
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
