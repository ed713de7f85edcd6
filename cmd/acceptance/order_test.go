package acceptance

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var orderSeed = flag.Uint64("order.seed", 0, "run TestRandomTrees with this seed only")

// node is one process of a random tree.
type node struct {
	name, role string
	needs      []int // smaller indices: the start order has no cycle
	leave      time.Duration

	instances int           // 0: it is not there
	patience  time.Duration // how long it may take to leave
}

// randomTree draws processes of all roles; services stand below services only, and anything may need them.
func randomTree(rnd *rand.Rand, n int) []node {
	roles := []string{"worker", "worker", "worker", "gateway", "service", "task"}
	nodes := make([]node, n)
	for i := range nodes {
		role := roles[rnd.IntN(len(roles))]
		nodes[i] = node{
			name: fmt.Sprintf("%s%d", role, i), role: role,
			leave: time.Duration(50+rnd.IntN(450)) * time.Millisecond,
		}
		for range rnd.IntN(4) {
			j := rnd.IntN(i + 1)
			if j < i && !slices.Contains(nodes[i].needs, j) && (role != "service" || nodes[j].role == "service") {
				nodes[i].needs = append(nodes[i].needs, j)
			}
		}
	}
	return nodes
}

// leavesBefore is the stop order, written from its definition and not from the program: contract the tasks, reverse
// every edge but those that a gateway draws to a worker or a gateway, take the closure.
func leavesBefore(nodes []node) [][]bool {
	n := len(nodes)
	square := func() [][]bool {
		m := make([][]bool, n)
		for i := range m {
			m[i] = make([]bool, n)
		}
		return m
	}
	needs := square()
	var reach func(from, at int)
	reach = func(from, at int) {
		for _, j := range nodes[at].needs {
			if nodes[j].role == "task" {
				reach(from, j)
			} else {
				needs[from][j] = true
			}
		}
	}
	before := square()
	for a := range nodes {
		if nodes[a].role == "task" {
			continue // it has ended long before the stop
		}
		reach(a, a)
		for b := range nodes {
			if !needs[a][b] {
				continue
			}
			if nodes[a].role == "gateway" && (nodes[b].role == "worker" || nodes[b].role == "gateway") {
				before[b][a] = true
			} else {
				before[a][b] = true
			}
		}
	}
	for k := range n {
		for i := range n {
			for j := range n {
				before[i][j] = before[i][j] || before[i][k] && before[k][j]
			}
		}
	}
	return before
}

// criticalPath is how long the longest chain of the order took to leave, by the children's own clocks: what a slow
// machine adds to a child's leave is not the supervisor's.
func criticalPath(lives []life, before [][]bool) time.Duration {
	memo := make([]time.Duration, len(lives))
	var upTo func(i int) time.Duration
	upTo = func(i int) time.Duration {
		if memo[i] == 0 {
			for j := range lives {
				if before[j][i] {
					memo[i] = max(memo[i], upTo(j))
				}
			}
			memo[i] += time.Duration(lives[i].exit - lives[i].term)
		}
		return memo[i]
	}
	var longest time.Duration
	for i, l := range lives {
		if l.term != 0 { // not so a task, which has ended long before
			longest = max(longest, upTo(i))
		}
	}
	return longest
}

func (n node) toml(nodes []node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[process.%s]\nrole = %q\n", n.name, n.role)
	args := ""
	if n.role == "task" {
		args = `, "-life", "1ms"`
	} else {
		b.WriteString("ready = { fd = 3 }\n")
		args = fmt.Sprintf(`, "-ready", "3", "-leave", %q`, n.leave)
	}
	fmt.Fprintf(&b, "command = [\"$CHILD\", \"-record\", \"$DIR/%s\"%s]\n", n.name, args)
	var deps []string
	for _, j := range n.needs {
		deps = append(deps, fmt.Sprintf("%q", nodes[j].name))
	}
	fmt.Fprintf(&b, "depends_on = [%s]\n", strings.Join(deps, ", "))
	return b.String()
}

// TestRandomTrees brings random trees up and down and lets the children's own clocks judge the order.
func TestRandomTrees(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4, 5, 6, 7, 8}
	if testing.Short() {
		seeds = seeds[:2]
	}
	if *orderSeed != 0 {
		seeds = []uint64{*orderSeed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			nodes := randomTree(rand.New(rand.NewPCG(seed, 30)), 30)
			var conf strings.Builder
			for _, n := range nodes {
				conf.WriteString(n.toml(nodes))
			}
			x := launch(t, conf.String())
			x.untilReady(len(nodes))
			code, took := x.stop(syscall.SIGTERM)
			if code != 0 {
				t.Errorf("exit %d", code)
			}
			before := leavesBefore(nodes)
			lives := x.judgeOrder(nodes, before)
			if limit := criticalPath(lives, before)*11/10 + 20*time.Millisecond; took > limit {
				t.Errorf("took %v, the critical path allows %v", took, limit)
			}
			x.verify()
		})
	}
}

// judgeOrder compares the children's stamps with both orders.
func (x *tree) judgeOrder(nodes []node, before [][]bool) []life {
	x.t.Helper()
	lives := make([]life, len(nodes))
	for i, n := range nodes {
		all := x.lives(n.name)
		if len(all) != 1 {
			x.t.Fatalf("%s lived %d times", n.name, len(all))
		}
		lives[i] = all[0]
	}
	for i, n := range nodes {
		for _, j := range n.needs {
			if lives[i].start < lives[j].start {
				x.t.Errorf("%s started before %s, which it needs", n.name, nodes[j].name)
			}
		}
	}
	for i := range nodes {
		for j := range nodes {
			if !before[i][j] {
				continue
			}
			if lives[i].exit == 0 || lives[j].term == 0 {
				x.t.Errorf("%s or %s was not asked to leave", nodes[i].name, nodes[j].name)
			} else if lives[j].term < lives[i].exit {
				x.t.Errorf("%s was told %v before %s was gone", nodes[j].name,
					time.Duration(lives[i].exit-lives[j].term), nodes[i].name)
			}
		}
	}
	return lives
}
