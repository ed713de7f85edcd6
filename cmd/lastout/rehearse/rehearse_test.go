package rehearse

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastout/cmd/lastout/load"
	"lastout/ordering"
	"lastout/supervisor"
	"lastout/supervisor/report"
)

const ms = time.Millisecond

// cycle is one in which a gateway drained and a worker left; the stop was at 1000 ms by the load's clock and at 5000 ms
// by the journal's.
func cycle(requests ...load.Request) *Cycle {
	at := func(d time.Duration) *supervisor.Instant { return new(5000*ms + d) }
	span := func(s supervisor.State, from, to time.Duration) report.Span {
		return report.Span{State: s, Begin: 5000*ms + from, End: 5000*ms + to}
	}
	c := &Cycle{N: 1, Took: 400 * ms, Term: 1000 * ms, TermAt: 5000 * ms, Requests: requests, Shutdown: &report.Shutdown{
		Cause: "SIGTERM", Begin: 5001 * ms, End: 5400 * ms, Took: 399 * ms,
		Phases: []report.PhaseSpan{{Phase: supervisor.Walking, Begin: 5001 * ms, End: 5400 * ms}},
		Instances: []report.Instance{
			{Name: "w<1>", Left: at(310 * ms), Phases: []report.Span{
				span(supervisor.Ready, ms, 300*ms), span(supervisor.Stopping, 300*ms, 310*ms),
			}},
			{Name: "edge", Left: at(390 * ms), Killed: &report.Kill{}, Phases: []report.Span{
				span(supervisor.Draining, ms, 300*ms), span(supervisor.Drained, 300*ms, 310*ms),
				span(supervisor.Stopping, 310*ms, 350*ms), span(supervisor.Killing, 350*ms, 390*ms),
			}},
		},
	}}
	c.Tally = load.NewTally(requests, 0, c.Term)
	return c
}

func request(begin, end time.Duration, fate load.Fate, why string) load.Request {
	return load.Request{ID: fmt.Sprint("r", begin), Begin: 1000*ms + begin, End: 1000*ms + end, Fate: fate, Why: why}
}

// picture draws, and makes sure that the picture is well formed and has no number that is none.
func picture(t *testing.T, way Way, c *Cycle) string {
	t.Helper()
	var b bytes.Buffer
	if err := Draw(&b, way, c); err != nil {
		t.Fatal(err)
	}
	dec := xml.NewDecoder(bytes.NewReader(b.Bytes()))
	for {
		_, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
	}
	for _, bad := range []string{"NaN", "Inf", `width="-`, `height="-`} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("the picture has %s:\n%s", bad, b.String())
		}
	}
	return b.String()
}

func TestDraw(t *testing.T) {
	svg := picture(t, Lastout, cycle(
		request(-50*ms, 100*ms, load.Answered, ""), request(20*ms, 30*ms, load.Lost, "cut"),
		request(100*ms, 390*ms, load.Refused, "door"),
	))
	for _, want := range []string{
		"1 of 3 requests were lost", "Taken down by lastout in 400ms", "w&lt;1&gt;: serves", "w&lt;1&gt;: was told to leave",
		"edge: drains, its workers still serve", "edge: SIGKILL, 40ms", "<title>1 lost</title>", "<title>1 answered</title>",
		">SIGTERM<", ">390ms<",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture has no %q:\n%s", want, svg)
		}
	}
	if strings.Contains(svg, ">hook<") {
		t.Error("the legend explains what is not there")
	}
}

// A hand's signals are not in lastout's report: they are drawn from what the hand knows.
func TestDrawByHand(t *testing.T) {
	c := cycle(request(-50*ms, 100*ms, load.Answered, ""))
	c.ByHand = map[string]time.Duration{"w<1>": 100 * ms}
	svg := picture(t, WorkersFirst, c)
	for _, want := range []string{
		"Nothing was lost", "by hand, workers first,", "w&lt;1&gt;: was told to leave, and finishes, 200ms", ">stop<",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture has no %q:\n%s", want, svg)
		}
	}
}

// Whatever comes, there is a picture: nobody, a crowd, no time at all.
func TestDrawExtremes(t *testing.T) {
	nobody := cycle()
	nobody.Shutdown.Instances, nobody.Took, nobody.Term = nil, 0, 0
	picture(t, Lastout, nobody)
	crowd := cycle()
	for n := range 100 {
		x := crowd.Shutdown.Instances[0]
		x.Name = fmt.Sprint("worker with a long name ", n)
		crowd.Shutdown.Instances = append(crowd.Shutdown.Instances, x)
	}
	if svg := picture(t, Lastout, crowd); !strings.Contains(svg, "worker with a long name 99") {
		t.Errorf("the last of the crowd is missing:\n%s", svg)
	}
}

// No slice of time has the stop inside: what was sent before it and after it is never in one column.
func TestColumns(t *testing.T) {
	d := newDrawing(Lastout, cycle(
		request(-ms, 5*ms, load.Answered, ""), request(0, ms, load.Lost, ""), request(ms, 2*ms, load.Refused, ""),
	))
	all, most := d.columns()
	if *all[-1] != (column{answered: 1}) || *all[0] != (column{lost: 1, refused: 1}) || most != 2 {
		t.Errorf("columns %v %v, at most %d", all[-1], all[0], most)
	}
}

// Until lastout shuts a door the tree is to serve as ever: who is refused before is lost.
func TestDoor(t *testing.T) {
	tree := Tree{Instances: []Instance{{Name: "w<1>", Role: ordering.Worker}, {Name: "edge", Role: ordering.Gateway}}}
	early, late := request(10*ms, 20*ms, load.Refused, "no"), request(40*ms, 60*ms, load.Refused, "no")
	before := request(-40*ms, -30*ms, load.Refused, "no")
	fates := func(c *Cycle, tree Tree) string {
		c.judgeDoor(tree)
		text := ""
		for _, r := range c.Requests {
			text += string(r.Fate) + " "
		}
		return strings.TrimSpace(text)
	}
	drained := cycle(before, early, late)
	drained.Shutdown.Instances[0].Turn = new(5005 * ms) // a worker's turn shuts no door
	drained.Shutdown.Instances[1].Drain = &report.Turn{At: 5050 * ms}
	if got := fates(drained, tree); got != "refused lost refused" {
		t.Errorf("drained: %s", got)
	}
	if got := drained.Requests[1].Why; got != "before the door was shut: no" {
		t.Error(got)
	}
	stopped := cycle(before, early, late)
	stopped.Shutdown.Instances[1].Turn = new(5010 * ms)
	if got := fates(stopped, tree); got != "refused refused refused" {
		t.Errorf("stopped: %s", got)
	}
	crashed := cycle(before, early, late)
	if got := fates(crashed, tree); got != "refused lost lost" {
		t.Errorf("crashed: %s", got)
	}
	without := cycle(before, early, late)
	without.Shutdown.Instances[0].Turn = new(5005 * ms)
	if got := fates(without, Tree{Instances: tree.Instances[:1]}); got != "refused refused refused" {
		t.Errorf("without a gateway: %s", got)
	}
}

func TestText(t *testing.T) {
	bad := cycle(request(-50*ms, 100*ms, load.Answered, ""), request(20*ms, 30*ms, load.Lost, "cut"))
	bad.Requests[1].Kept = true
	good := cycle(request(-50*ms, 100*ms, load.Answered, ""))
	good.N = 2
	for _, test := range []struct {
		r     *Result
		want  []string
		clean bool
	}{
		{
			&Result{Stop: Lastout, Seed: 7, Cycles: []*Cycle{good}, Shown: good},
			[]string{"shutdown (SIGTERM) took 399ms", "nothing was lost (seed 7)"},
			true,
		},
		{
			&Result{Stop: Lastout, Seed: 7, Cycles: []*Cycle{bad, good}, Shown: bad, Kept: "/nowhere"},
			[]string{
				"cycle 1 of 2, the first that lost something", "sent at +20ms, over at +30ms: cut, on a kept connection",
				"2 cycles in all, 1 of which lost something", "1 request lost (seed 7)", "kept of cycle 1 in /nowhere",
			},
			false,
		},
		{
			&Result{Stop: Naive, Seed: 7, Cycles: []*Cycle{good}, Shown: good},
			[]string{"shutdown by hand (everybody at once) took 400ms", "edge                    390ms  killed"},
			true,
		},
	} {
		for _, c := range test.r.Cycles {
			test.r.Total.Add(c.Tally)
		}
		var b bytes.Buffer
		test.r.Text(&b, 100, false)
		for _, want := range test.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("the text has no %q:\n%s", want, b.String())
			}
		}
		if test.r.Clean() != test.clean {
			t.Errorf("clean is %v:\n%s", test.r.Clean(), b.String())
		}
	}
}

// The verdict says what else there is to know.
func TestVerdict(t *testing.T) {
	killed := cycle(request(-50*ms, 100*ms, load.Answered, ""))
	killed.Code = 3
	r := &Result{Stop: Lastout, Cycles: []*Cycle{killed}, Shown: killed, Total: killed.Tally}
	if got := r.verdict(); !strings.Contains(got, "nothing was lost (seed 0); lastout ended with 3 in cycle 1") {
		t.Error(got)
	}
	failed := cycle(request(-50*ms, -40*ms, load.Refused, "door"))
	r = &Result{Stop: Lastout, Cycles: []*Cycle{failed}, Shown: failed, Total: failed.Tally}
	if got := r.verdict(); !strings.Contains(got, "1 request failed before the stop") || r.Clean() {
		t.Error(got)
	}
}

// Of many cycles only one is kept whole, and only the folder of the first that lost.
func TestShow(t *testing.T) {
	r := &Result{}
	var dirs []string
	for n, lost := range []bool{false, true, false, true} {
		c := cycle(request(-50*ms, 100*ms, load.Answered, ""))
		if lost {
			c.Tally.Lost = 1
		}
		c.N, c.Dir = n+1, t.TempDir()
		dirs = append(dirs, c.Dir)
		r.Cycles = append(r.Cycles, c)
		r.show(c)
	}
	for n, c := range r.Cycles {
		_, err := os.Stat(dirs[n])
		if whole, kept := c.Requests != nil, err == nil; whole != (n == 1) || kept != (n == 1) {
			t.Errorf("cycle %d: whole %v, folder kept %v", c.N, whole, kept)
		}
	}
	if r.Shown != r.Cycles[1] || r.Kept != dirs[1] {
		t.Errorf("shown is %s, kept %q", r.Shown.Name(), r.Kept)
	}
}

// The seed decides at which moment each cycle is stopped, and each is another one.
func TestSeed(t *testing.T) {
	plans := func(seed uint64) []time.Duration {
		o := Options{Seed: seed, Plan: Plan{Load: load.Options{URL: &url.URL{}}}}
		var all []time.Duration
		for n := range 20 {
			p := o.cycle(n)
			if p.After < soonest || p.After > latest {
				t.Errorf("stop after %v", p.After)
			}
			all = append(all, p.After)
		}
		return all
	}
	one := plans(1)
	different := len(slices.Compact(slices.Sorted(slices.Values(one))))
	if !slices.Equal(one, plans(1)) || slices.Equal(one, plans(2)) || different < 15 {
		t.Errorf("moments %v", one)
	}
	fixed := Options{Plan: Plan{After: ms}}
	if got := fixed.cycle(1).After; got != ms {
		t.Errorf("a fixed moment is %v", got)
	}
}

func TestGroups(t *testing.T) {
	tr := &tree{Tree: Tree{Instances: []Instance{
		{Name: "db", Role: ordering.Service, Signal: syscall.SIGINT},
		{Name: "edge", Role: ordering.Gateway},
		{Name: "api", Role: ordering.Worker},
		{Name: "migrate", Role: ordering.Task},
	}}}
	names := func(way Way) string {
		var all []string
		for _, group := range tr.groups(way) {
			text := ""
			for _, x := range group {
				text += x.Name + " "
			}
			all = append(all, strings.TrimSpace(text))
		}
		return strings.Join(all, ", then ")
	}
	for way, want := range map[Way]syscall.Signal{Naive: syscall.SIGTERM, AtOnce: syscall.SIGINT} {
		if got := names(way); got != "db edge api migrate" {
			t.Errorf("%s: %s", way, got)
		}
		if got := tr.groups(way)[0][0].Signal; got != want {
			t.Errorf("%s: db gets %v", way, got)
		}
	}
	if got := names(WorkersFirst); got != "api migrate, then edge, then db" {
		t.Errorf("workers first: %s", got)
	}
}

func TestParent(t *testing.T) {
	if got := parent(os.Getpid()); got != os.Getppid() {
		t.Errorf("our parent is %d, not %d", os.Getppid(), got)
	}
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if got := parent(cmd.Process.Pid); got == os.Getpid() {
		t.Errorf("who has gone is our child still")
	}
}

// What calls itself lastout and is none ends the rehearsal with what it said.
func TestNoLastout(t *testing.T) {
	program := filepath.Join(t.TempDir(), "lastout")
	for name, test := range map[string]struct{ script, want string }{
		"ends":      {"echo no idea; exit 7", "ended before the tree was up: exit status 7\nthe last it said:\nno idea"},
		"no report": {"echo nonsense >&3; read forever <&3", "cannot follow the journal"},
	} {
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"+test.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		p := Plan{Tree: Tree{Program: program, Instances: []Instance{{Name: "api"}}}, Way: Lastout, Up: time.Minute}
		_, err := Play(context.Background(), p, t.TempDir())
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
