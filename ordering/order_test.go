package ordering

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parse reads one process per line: "edge gateway api worker2 fronts=x,y outlives=z", the role being optional.
func parse(t testing.TB, text string) []Node {
	t.Helper()
	var nodes []Node
	for _, line := range strings.Split(text, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		n := Node{Name: fields[0]}
		for i, field := range fields[1:] {
			key, list, assigned := strings.Cut(field, "=")
			names := strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
			role, isRole := ParseRole(field)
			switch {
			case key == "fronts" && assigned:
				n.Fronts = append([]string{}, names...)
			case key == "outlives" && assigned:
				n.Outlives = names
			case isRole && i == 0:
				n.Role = role
			default:
				n.DependsOn = append(n.DependsOn, field)
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func mustGraph(t testing.TB, text string) *Graph {
	t.Helper()
	g, err := New(parse(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// names spells IDs out, in their order.
func names(g *Graph, ids []ID) string {
	var list []string
	for _, id := range ids {
		list = append(list, g.Node(id).Name)
	}
	return strings.Join(list, " ")
}

// order spells the closure of the stop order out: "a<b" where a must leave before b.
func order(g *Graph) string {
	var list []string
	for x := range g.Len() {
		for y := range g.Len() {
			if g.MustLeaveBefore(ID(x), ID(y)) {
				list = append(list, g.Node(ID(x)).Name+"<"+g.Node(ID(y)).Name)
			}
		}
	}
	return strings.Join(list, " ")
}

func TestStopOrder(t *testing.T) {
	for _, c := range []struct{ name, graph, want string }{
		{"reversed", "db service\napi db", "api<db"},
		{"gateway turned", "api\nedge gateway api", "api<edge"},
		{"worker below its gateway", "edge gateway\napi edge", "api<edge"},
		{"gateway on a service is not turned", "db service\nedge gateway db", "edge<db"},
		{"gateway on a gateway is turned", "inner gateway\nedge gateway inner", "inner<edge"},
		{"worker on a worker", "b\na b", "a<b"},
		{"service on a service", "s service\nt service s", "t<s"},
		{"service on a worker, no gateway above", "w\ns service w\na s", "s<w a<w a<s"},
		{"worker with two gateways", "api\nedge1 gateway api\nedge2 gateway api", "api<edge1 api<edge2"},
		{
			"two gateways, drawn differently", "edge1 gateway\napi edge1\nedge2 gateway api",
			"api<edge1 api<edge2",
		},
		{
			"store below all", "db service\napi db\nedge gateway api db",
			"api<db api<edge edge<db",
		},
		{
			"chain of gateways", "api\ninner gateway api\nedge gateway inner",
			"api<inner api<edge inner<edge",
		},
		{"finished task between", "db service\nmigrate task db\napi migrate", "migrate<db api<db"},
		{
			"two tasks between", "db service\nt1 task db\nt2 task t1\napi t2",
			"t1<db t2<db api<db",
		},
		{
			"gateway over task over worker", "api\nwarm task api\nedge gateway warm",
			"api<edge warm<api warm<edge",
		},
		{
			"gateway over task over gateway", "inner gateway\nwarm task inner\nedge gateway warm",
			"inner<edge warm<inner warm<edge",
		},
		{"gateway over task over service", "db service\nt task db\nedge gateway t", "t<db edge<db"},
		{"task on a gateway leaves first", "edge gateway\nsmoke task edge", "smoke<edge"},
		{"nobody waits for a task it needs", "t task\napi t\nedge gateway t", ""},
		{
			"node in the middle never cuts", "db service\nb db\na b",
			"b<db a<db a<b",
		},
		{"outlives turns a pair", "b\na b outlives=b", "b<a"},
		{"outlives of a gateway's worker", "api outlives=edge\nedge gateway api", "edge<api"},
		{"outlives beats the reversed edge to a service", "db service\nedge gateway db outlives=db", "db<edge"},
		{"outlives without an edge", "a\nb outlives=a", "a<b"},
		{"outlives replaces a contracted edge", "b\nt task b\na t outlives=b", "b<a t<b t<a"},
		{"outlives replaces fronts", "w outlives=edge\nedge gateway fronts=w", "edge<w"},
		{"fronts orders without an edge", "w\nedge gateway fronts=w", "w<edge"},
		{"fronts of a gateway", "inner gateway\nedge gateway fronts=inner", "inner<edge"},
		{
			"other edges of a fronting gateway are turned too", "v\nw\nedge gateway v fronts=w",
			"v<edge w<edge",
		},
		{"unrelated branches", "db1 service\na db1\ndb2 service\nb db2", "a<db1 b<db2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, order(mustGraph(t, c.graph))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
