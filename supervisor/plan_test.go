package supervisor

import (
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// planText shows a plan in a few lines.
func planText(p Plan) string {
	var b strings.Builder
	for n, level := range p.Start {
		fmt.Fprintf(&b, "start %d: %s\n", n+1, strings.Join(level, " "))
	}
	refs := func(list []PlanRef) string {
		var names []string
		for _, r := range list {
			names = append(names, r.Process+"/"+r.Step)
		}
		return strings.Join(names, " ")
	}
	for _, s := range p.Stop {
		fmt.Fprintf(&b, "stop %d: %s/%s x%d %v <- %s\n", s.Level, s.Process, s.Step, s.Instances, s.Bound, refs(s.After))
	}
	for _, w := range p.Path {
		fmt.Fprintf(&b, "path %v: %s/%s %v\n", w.Begin, w.Process, w.Step, w.Took)
	}
	fmt.Fprintf(&b, "announce %v, bound %v, squeezed %v\n", p.Announce, p.Bound, p.Squeezed)
	return b.String()
}

func TestPlan(t *testing.T) {
	for name, c := range map[string]struct{ tree, want string }{
		"nothing": {"", `
announce 0s, bound 4s, squeezed false
`},
		"gateway between": {
			`db service
api worker needs=db instances=2 stop=15:2s
edge gateway needs=api hooks=pre_drain:3s
web worker needs=edge stop=15:1s hooks=pre_stop:1s,post_stop:1s
tree delay=1s before=1s after=1s timeout=2m`, `
start 1: db
start 2: api
start 3: edge
start 4: web
stop 1: web/leave x1 8s <- 
stop 2: edge/drain x1 3s <- web/leave
stop 3: api/leave x2 7s <- edge/drain
stop 4: db/leave x1 15s <- api/leave edge/drain
stop 4: edge/leave x1 15s <- api/leave edge/drain web/leave
path 2s: web/leave 8s
path 10s: edge/drain 3s
path 13s: api/leave 7s
path 20s: db/leave 15s
announce 2s, bound 40s, squeezed false
`,
		},
		"drains": {
			`jobs worker drain=signal:20,exit,timeout:20s,settle:9s hooks=pre_stop:1s
edge gateway needs=jobs drain=quiesce,quiet,timeout:30s,settle:5s hooks=pre_drain:2s
idle gateway needs=jobs drain=timeout:30s
tree timeout=none linger=3s after=1s`, `
start 1: jobs
start 2: edge idle
stop 1: edge/drain x1 32s <- 
stop 1: idle/drain x1 0s <- 
stop 2: jobs/leave x1 36s <- edge/drain idle/drain
stop 3: edge/leave x1 20s <- jobs/leave edge/drain
stop 3: idle/leave x1 15s <- jobs/leave idle/drain
path 0s: edge/drain 32s
path 32s: jobs/leave 36s
path 1m8s: edge/leave 20s
announce 0s, bound 1m36s, squeezed false
`,
		},
		"passed through": {
			`db service
migrate task needs=db
off worker needs=migrate disabled
none worker needs=off instances=0
api worker needs=none
tree timeout=none`, `
start 1: db
start 2: migrate
start 3: api
stop 1: migrate/leave x1 15s <- 
stop 1: api/leave x1 15s <- 
stop 2: db/leave x1 15s <- migrate/leave api/leave
path 0s: migrate/leave 15s
path 15s: db/leave 15s
announce 0s, bound 34s, squeezed false
`,
		},
		"squeezed": {
			`api worker
edge gateway needs=api
tree timeout=4s delay=1m`, `
start 1: api
start 2: edge
stop 1: edge/drain x1 0s <- 
stop 2: api/leave x1 15s <- edge/drain
stop 3: edge/leave x1 15s <- api/leave edge/drain
path 1m0s: api/leave 15s
path 1m15s: edge/leave 15s
announce 0s, bound 4s, squeezed true
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, specs, o := parseTree(t, c.tree)
			got := "\n" + planText(MakePlan(g, specs, o))
			if diff := gocmp.Diff(c.want, got); diff != "" {
				t.Errorf("the plan differs (-want +got):\n%s", diff)
			}
		})
	}
}
