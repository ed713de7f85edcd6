package ordering_test

import (
	"slices"
	"testing"

	"lastout/ordering"
)

// TestStopsWith holds whom a stop takes along: dependents, but not across an edge that is turned round for stopping.
func TestStopsWith(t *testing.T) {
	for _, c := range []struct {
		name  string
		nodes []ordering.Node
		stop  string
		along []string
	}{
		{"dependents", []ordering.Node{
			{Name: "db", Role: ordering.Service},
			{Name: "api", DependsOn: []string{"db"}},
			{Name: "web", DependsOn: []string{"api"}},
			{Name: "else"},
		}, "db", []string{"db", "api", "web"}},
		{"a gateway stays", []ordering.Node{
			{Name: "api"}, {Name: "edge", Role: ordering.Gateway, DependsOn: []string{"api"}},
		}, "api", []string{"api"}},
		{"a gateway that needs the same store goes", []ordering.Node{
			{Name: "db", Role: ordering.Service},
			{Name: "edge", Role: ordering.Gateway, DependsOn: []string{"db"}},
		}, "db", []string{"db", "edge"}},
		{"workers that depend on their gateway go", []ordering.Node{
			{Name: "edge", Role: ordering.Gateway}, {Name: "api", DependsOn: []string{"edge"}},
		}, "edge", []string{"edge", "api"}},
		{"a gateway before a gateway stays", []ordering.Node{
			{Name: "inner", Role: ordering.Gateway}, {Name: "edge", Role: ordering.Gateway, DependsOn: []string{"inner"}},
		}, "inner", []string{"inner"}},
		{"over a task", []ordering.Node{
			{Name: "db", Role: ordering.Service},
			{Name: "migrate", Role: ordering.Task, DependsOn: []string{"db"}},
			{Name: "api", DependsOn: []string{"migrate"}},
		}, "db", []string{"db", "migrate", "api"}},
		{"over a task, turned", []ordering.Node{
			{Name: "api"},
			{Name: "warm", Role: ordering.Task, DependsOn: []string{"api"}},
			{Name: "edge", Role: ordering.Gateway, DependsOn: []string{"warm"}},
		}, "api", []string{"api", "warm"}},
		{"outlives", []ordering.Node{
			{Name: "queue"}, {Name: "jobs", DependsOn: []string{"queue"}, Outlives: []string{"queue"}},
		}, "queue", []string{"queue"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := ordering.New(c.nodes)
			if err != nil {
				t.Fatal(err)
			}
			if got := along(t, g, g.StopsWith, c.stop); !slices.Equal(got, c.along) {
				t.Errorf("with %s stop %q, want %q", c.stop, got, c.along)
			}
		})
	}
}

func TestStartsWith(t *testing.T) {
	g, err := ordering.New([]ordering.Node{
		{Name: "db", Role: ordering.Service},
		{Name: "migrate", Role: ordering.Task, DependsOn: []string{"db"}},
		{Name: "api", DependsOn: []string{"migrate"}},
		{Name: "edge", Role: ordering.Gateway, DependsOn: []string{"api"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := along(t, g, g.StartsWith, "api"); !slices.Equal(got, []string{"db", "migrate", "api"}) {
		t.Errorf("with api start %q", got)
	}
}

func along(t *testing.T, g *ordering.Graph, by func(...ordering.ID) []ordering.ID, name string) (names []string) {
	t.Helper()
	id, ok := g.Lookup(name)
	if !ok {
		t.Fatalf("no %s", name)
	}
	for _, id := range by(id) {
		names = append(names, g.Node(id).Name)
	}
	return names
}

// TestLeavesBeforeAny holds that the order is closed over those that are not asked for.
func TestLeavesBeforeAny(t *testing.T) {
	g, err := ordering.New([]ordering.Node{
		{Name: "db", Role: ordering.Service}, {Name: "api", DependsOn: []string{"db"}}, {Name: "web", DependsOn: []string{"api"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	is := func(wanted ordering.ID) func(ordering.ID) bool {
		return func(id ordering.ID) bool { return id == wanted }
	}
	if !g.LeavesBeforeAny(2, is(0)) || g.LeavesBeforeAny(0, is(2)) || g.LeavesBeforeAny(1, is(1)) {
		t.Error("web leaves before db, by way of api; nobody leaves before himself")
	}
}
