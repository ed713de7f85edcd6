package ordering

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden drawings anew")

const drawnTree = `
db service
migrate task db
api migrate
cache outlives=api
inner gateway api cache
edge gateway inner fronts=inner,static
static
`

func TestDrawings(t *testing.T) {
	g := mustGraph(t, drawnTree)
	for file, got := range map[string]string{
		"start.dot": g.Dot(StartGraph), "stop.dot": g.Dot(StopGraph),
		"start.mmd": g.Mermaid(StartGraph), "stop.mmd": g.Mermaid(StopGraph),
	} {
		golden := filepath.Join("testdata", file)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestDrawingsQuoteNames(t *testing.T) {
	g, err := New([]Node{{Name: "a\"b\\c\nd"}, {Name: "#e"}})
	if err != nil {
		t.Fatal(err)
	}
	dot := "digraph start {\n\trankdir=LR\n\t\"a\\\"b\\\\c\\nd\" [shape=box]\n\t\"#e\" [shape=box]\n}\n"
	if diff := cmp.Diff(dot, g.Dot(StartGraph)); diff != "" {
		t.Error(diff)
	}
	mermaid := "flowchart LR\n\tn0[\"a#quot;b\\c d\"]\n\tn1[\"#35;e\"]\n"
	if diff := cmp.Diff(mermaid, g.Mermaid(StopGraph)); diff != "" {
		t.Error(diff)
	}
}

func TestDrawingOfNoGraph(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a drawing of a graph that does not exist")
		}
	}()
	mustGraph(t, "a").Dot("both")
}

func TestDiff(t *testing.T) {
	a := mustGraph(t, "db service\nold\napi db old\nedge gateway api\nsame\nlist same edge")
	b := mustGraph(t, "db service\napi db\nnew\nedge gateway api new\nsame\nlist edge same")
	want := Difference{
		Added: []string{"new"}, Removed: []string{"old"}, Changed: []string{"api", "edge"},
		Tied: []Pair{{"new", "edge"}}, Untied: []Pair{{"api", "old"}},
	}
	if diff := cmp.Diff(want, Diff(a, b)); diff != "" {
		t.Error(diff)
	}
	if want.Empty() || !Diff(a, a).Empty() {
		t.Error("Empty is wrong")
	}
	for _, c := range []struct{ before, after string }{
		{"a", "a service"}, {"a\nb", "a\nb outlives=a"}, {"g gateway", "g gateway fronts="}, {"a\nb", "a\nb a"},
	} {
		changed := Diff(mustGraph(t, c.before), mustGraph(t, c.after)).Changed
		if len(changed) != 1 {
			t.Errorf("from %q to %q: changed %q", c.before, c.after, changed)
		}
	}
}
