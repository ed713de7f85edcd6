package ordering

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// faults takes the error of New apart.
func faults(err error) []error {
	if err == nil {
		return nil
	}
	return err.(interface{ Unwrap() []error }).Unwrap()
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name, graph string
		want        []error
	}{
		{"unknown", "database service\napi databse", []error{
			&UnknownError{Node: "api", Key: "depends_on", Name: "databse", Suggestion: "database"},
		}},
		{"unknown in each key", "a gateway x fronts=y outlives=z", []error{
			&UnknownError{Node: "a", Key: "depends_on", Name: "x"},
			&UnknownError{Node: "a", Key: "outlives", Name: "z"},
			&UnknownError{Node: "a", Key: "fronts", Name: "y"},
		}},
		{"nothing comes near", "database\napi postgres", []error{
			&UnknownError{Node: "api", Key: "depends_on", Name: "postgres"},
		}},
		{"twice", "a\nb\na\na", []error{
			&DuplicateError{Name: "a", First: 0, Second: 2}, &DuplicateError{Name: "a", First: 0, Second: 3},
		}},
		{"itself", "a a outlives=a\ng gateway fronts=g", []error{
			&SelfError{Node: "a", Key: "depends_on"}, &SelfError{Node: "a", Key: "outlives"},
			&SelfError{Node: "g", Key: "fronts"},
		}},
		{"fronts of a worker", "b\na fronts=b", []error{&RoleError{Node: "a", Role: Worker, Key: "fronts"}}},
		{"fronts nobody, and is no gateway", "a service fronts=", []error{
			&RoleError{Node: "a", Role: Service, Key: "fronts"},
		}},
		{"fronts a service and a task", "db service\nt task\nw\ng gateway fronts=db,w,t", []error{
			&RoleError{Node: "g", Role: Gateway, Key: "fronts", Other: "db", OtherRole: Service},
			&RoleError{Node: "g", Role: Gateway, Key: "fronts", Other: "t", OtherRole: Task},
		}},
		{"start cycle", "a b\nb c\nc a", []error{&CycleError{Kind: "start", Path: []string{"a", "b", "c", "a"}}}},
		{"the shortest cycle of a knot", "a b\nb c\nc d b\nd a", []error{
			&CycleError{Kind: "start", Path: []string{"b", "c", "b"}},
		}},
		{"two cycles, and a fault beside them", "a b\nb a\nc d x\nd c", []error{
			&UnknownError{Node: "c", Key: "depends_on", Name: "x"},
			&CycleError{Kind: "start", Path: []string{"a", "b", "a"}},
			&CycleError{Kind: "start", Path: []string{"c", "d", "c"}},
		}},
		{"a fault between two cycles", "w w2\nw2 w\ns service w s2\ns2 service s\ng gateway s", []error{
			&CycleError{Kind: "start", Path: []string{"w", "w2", "w"}},
			&CycleError{Kind: "start", Path: []string{"s", "s2", "s"}},
			&RoleError{Node: "s", Role: Service, Key: "depends_on", Other: "w", Gateway: "g"},
		}},
		{"a cycle over tasks", "t task u\nu task t\na t", []error{
			&CycleError{Kind: "start", Path: []string{"t", "u", "t"}},
		}},
		{"stop cycle by outlives", "a outlives=b\nb outlives=a", []error{
			&CycleError{Kind: "stop", Path: []string{"a", "b", "a"}},
		}},
		{"stop cycle by outlives and a longer way", "c\nb c\na b\nd outlives=c\ne outlives=d a", []error{
			&CycleError{Kind: "stop", Path: []string{"c", "d", "e", "a", "b", "c"}},
		}},
		{"stop cycle by fronts", "inner gateway fronts=edge\nedge gateway inner", []error{
			&CycleError{Kind: "stop", Path: []string{"inner", "edge", "inner"}},
		}},
		{"start and stop cycle", "a b\nb a\nc outlives=d\nd outlives=c", []error{
			&CycleError{Kind: "start", Path: []string{"a", "b", "a"}},
			&CycleError{Kind: "stop", Path: []string{"c", "d", "c"}},
		}},
		{"service over a worker below a gateway", "api\ns service api\nedge gateway s api", []error{
			&RoleError{Node: "s", Role: Service, Key: "depends_on", Other: "api", Gateway: "edge"},
		}},
		{"the same over a task, with a worker between", "api\nt task api\ns service t\nw s\nedge gateway w", []error{
			&RoleError{Node: "s", Role: Service, Key: "depends_on", Other: "api", Gateway: "edge"},
		}},
		{"the nearest gateway is named", "g gateway\ns service g\nnear gateway s\nfar gateway near", []error{
			&RoleError{Node: "s", Role: Service, Key: "depends_on", Other: "g", OtherRole: Gateway, Gateway: "near"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := New(parse(t, c.graph))
			if g != nil {
				t.Error("a graph in spite of its faults")
			}
			if diff := cmp.Diff(c.want, faults(err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFaultTexts(t *testing.T) {
	_, err := New(parse(t, `
		api dbb
		db service
		db
		self self
		b fronts=api
		edge gateway fronts=db
		s service w
		w
		front gateway s
		a1 a2
		a2 a1
		o1 outlives=o2
		o2 outlives=o1
		far nothing_like_it`))
	want := `process "db" is declared twice
process "api": depends_on: unknown process "dbb" (did you mean "db"?)
process "self": depends_on names the process itself
process "b": fronts is for gateways, and this is a worker
process "edge": fronts: "db" is a service; a gateway stands before workers and gateways
process "far": depends_on: unknown process "nothing_like_it"
start cycle: a1 -> a2 -> a1 (each depends on the next)
process "s": a service that depends on "w" (worker) cannot stand below the gateway "front": ` +
		`"s" would have to leave before "w" and stay until "front" has left
stop cycle: o1 -> o2 -> o1 (each must leave before the next)`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	var unknown *UnknownError
	if !errors.As(err, &unknown) || unknown.Suggestion != "db" {
		t.Errorf("got %v", unknown)
	}
}

func TestSuggest(t *testing.T) {
	nodes := []Node{{Name: "edge"}, {Name: "api"}, {Name: "worker-mail"}, {Name: "worker-main"}, {Name: "Cache"}}
	for written, want := range map[string]string{
		"egde": "edge", "apii": "api", "ap": "api", "pai": "api", "cache": "Cache",
		"worker-mian": "worker-main", "worker-mai": "worker-mail",
		"worker_main": "worker-main", "database": "", "": "", "x": "", "edging": "",
	} {
		if got := suggest(written, nodes); got != want {
			t.Errorf("%q: got %q, want %q", written, got, want)
		}
	}
}

func TestSuggestNothingForTheEndless(t *testing.T) {
	endless := strings.Repeat("a", 1<<20)
	if got := suggest(endless+"b", []Node{{Name: endless}}); got != "" {
		t.Errorf("got %d bytes", len(got))
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"ab", "ba", 1}, {"kitten", "sitting", 3}, {"abc", "abc", 0}} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q: got %d, want %d", c.a, c.b, got, c.want)
		}
		if got := Distance(c.b, c.a); got != c.want {
			t.Errorf("%q to %q: got %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

func TestRoles(t *testing.T) {
	for _, role := range []Role{Worker, Gateway, Service, Task} {
		if got, ok := ParseRole(role.String()); got != role || !ok {
			t.Errorf("%s is read as %s, %t", role, got, ok)
		}
	}
	if _, ok := ParseRole("Worker"); ok {
		t.Error("a role that does not exist")
	}
	if got := Role(9).String() + " " + StepKind(9).String() + " " + Drain.String() + " " + Leave.String(); got !=
		"role(9) step(9) drain leave" {
		t.Error(got)
	}
}

// TestLongCycle holds that a chain that closes on itself over many processes is found without recursion, and that the
// shortest way is given where there are two.
func TestLongCycle(t *testing.T) {
	nodes := chain(10000)
	nodes[0].DependsOn = []string{"n9999"}
	nodes[5000].DependsOn = append(nodes[5000].DependsOn, "n7000")
	_, err := New(nodes)
	var cycle *CycleError
	if !errors.As(err, &cycle) || len(cycle.Path) != 2002 {
		t.Fatalf("got %.200v", err)
	}
	if text := strings.Join(cycle.Path[:2], " "); text != "n5000 n7000" {
		t.Error(text)
	}
}
