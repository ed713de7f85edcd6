package acceptance

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// homes are the ways in which descendants are told apart.
var homes = map[string][]string{"cgroups": nil, "marks": {"--no-cgroup"}}

// mourned launches a lastout whose parent goes on as its rescue.
func mourned(t *testing.T, conf string, args ...string) *tree {
	t.Helper()
	return launchBy(t, []string{childBin, "mourn", lastoutBin}, t.TempDir(), &syscall.SysProcAttr{}, conf, args...)
}

// ward is the pid of the lastout that a mourner watches over.
func (x *tree) ward() int {
	x.t.Helper()
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", x.cmd.Process.Pid))
	for _, file := range tasks {
		text, _ := os.ReadFile(file)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return pid
		}
	}
	x.t.Fatal("the mourner has no child, or several")
	return 0
}

// forest is a random tree as a configuration, whose processes live on when lastout dies.
func forest(seed uint64, n int) ([]node, string) {
	nodes := randomTree(rand.New(rand.NewPCG(seed, uint64(n))), n)
	var conf strings.Builder
	conf.WriteString("[defaults]\npdeathsig = \"none\"\n")
	for _, n := range nodes {
		conf.WriteString(n.toml(nodes))
	}
	return nodes, conf.String()
}

// TestRescue kills lastout with SIGKILL: in its parent's place a rescue takes the tree down in order, and the journal
// goes on with it.
func TestRescue(t *testing.T) {
	for name, args := range homes {
		t.Run(name, func(t *testing.T) {
			nodes, conf := forest(3, 20)
			x := mourned(t, conf, args...)
			x.untilReady(len(nodes))
			kill(t, x.ward())
			if code := x.wait(); code != 128+int(syscall.SIGKILL) {
				t.Errorf("exit %d", code)
			}
			x.judgeOrder(nodes, leavesBefore(nodes))
			x.verify()
			if left := x.registers(); len(left) > 0 {
				t.Errorf("%q are left over", left)
			}
			if !strings.Contains(x.stderr.String(), "was killed by SIGKILL: its tree is taken down in order") {
				t.Errorf("it does not say what it does:\n%s", x.stderr.String())
			}
		})
	}
}

// registers are the files that a next start would look at.
func (x *tree) registers() []string {
	left, _ := filepath.Glob(filepath.Join(x.dir, "lastout", "*.register"))
	return left
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
