package acceptance

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// homes are the ways in which descendants are told apart.
var homes = map[string][]string{"cgroups": nil, "marks": {"--no-cgroup"}}

// mourned launches a lastout whose parent goes on as its rescue.
func mourned(t *testing.T, conf string, args ...string) *tree {
	t.Helper()
	x := launchBy(t, []string{childBin, "mourn", lastoutBin}, t.TempDir(), &syscall.SysProcAttr{}, conf, args...)
	t.Cleanup(x.end)
	return x
}

// end ends what a test that failed has left: whoever waits for the mourner alone waits for those who write to its stderr.
func (x *tree) end() {
	select {
	case <-x.exited:
	default:
		x.cmd.Process.Kill()
		for _, pid := range x.survivors() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
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

// grown is a tree that is changed while it runs, with a hook at every place.
const grown = `
[control]
socket = "$DIR/c.sock"
[hooks]
before_shutdown = { shell = "echo before >> $DIR/hooks" }
after_shutdown = { shell = "echo after >> $DIR/hooks" }
[defaults]
pdeathsig = "none"
ready = { fd = 3 }
[process.base]
role = "service"
command = ["$CHILD", "-record", "$DIR/base", "-ready", "3"]
hooks.post_stop = { shell = "echo base post_stop $LASTOUT_REASON $LASTOUT_EXIT_CODE >> $DIR/hooks" }
[process.many]
command = ["$CHILD", "-record", "$DIR/many.{instance}", "-ready", "3", "-leave", "50ms", "-count", "1h"]
depends_on = ["base"]
hooks.pre_stop = { shell = "echo {name} pre_stop >> $DIR/hooks" }
`

// added is what a reload adds to it.
const added = `[process.added]
command = ["$CHILD", "-record", "$DIR/added", "-ready", "3", "-leave", "50ms"]
depends_on = ["base"]
`

// TestRescueOfChanged kills a lastout whose tree was scaled and reloaded and which was upgraded since: the register has
// gone along. What the children write to the end is handed on.
func TestRescueOfChanged(t *testing.T) {
	conf := strings.Replace(grown, "{name}", "many", 1)
	x := mourned(t, conf)
	x.untilReady(2)
	file := filepath.Join(x.dir, "lastout.toml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	more := strings.NewReplacer("$CHILD", childBin, "$DIR", x.dir).Replace(added)
	if err := os.WriteFile(file, append(text, more...), 0o644); err != nil {
		t.Fatal(err)
	}
	x.verb("reload", "--wait")
	x.verb("scale", "--wait", "many=3")
	x.verb("upgrade")
	x.verb("restart", "--wait", "added")
	x.until("the restart is in the journal", func(es []entry) bool {
		return slices.ContainsFunc(es, func(e entry) bool { return e.Verb == "restart" && e.Result == "done" })
	})
	kill(t, x.ward())
	if code := x.wait(); code != 128+int(syscall.SIGKILL) {
		t.Errorf("exit %d", code)
	}
	base := x.lives("base")[0]
	for _, name := range []string{"many.1", "many.2", "many.3", "added"} {
		all := x.lives(name)
		if last := all[len(all)-1]; last.exit == 0 || last.exit > base.term {
			t.Errorf("%s: %+v, base was told at %d", name, last, base.term)
		}
	}
	x.verify()
	hooks, _ := os.ReadFile(filepath.Join(x.dir, "hooks"))
	want := "before\nmany pre_stop\nmany pre_stop\nmany pre_stop\nbase post_stop shutdown 0\nafter\n"
	if string(hooks) != want {
		t.Errorf("the hooks were\n%swant\n%s", hooks, want)
	}
	out, _ := os.ReadFile(filepath.Join(x.dir, "stdout"))
	for _, name := range []string{"many", "many.2", "many.3"} {
		if !strings.Contains(string(out), name+" | last 0\n") {
			t.Errorf("the last words of %s are not there:\n%s", name, out)
		}
	}
}

// verb runs a verb on the tree.
func (x *tree) verb(args ...string) {
	x.t.Helper()
	args = append(args[:1:1], append([]string{"--socket", filepath.Join(x.dir, "c.sock")}, args[1:]...)...)
	if out, err := exec.Command(lastoutBin, args...).CombinedOutput(); err != nil {
		x.t.Fatalf("%q: %v\n%s", args, err, out)
	}
}

// TestRescueWithoutRegister damages the register before lastout is killed: everybody is told at once, and is gone.
func TestRescueWithoutRegister(t *testing.T) {
	nodes, conf := forest(7, 8)
	x := mourned(t, conf)
	x.untilReady(len(nodes))
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", x.cmd.Process.Pid))
	for _, fd := range fds {
		if name, _ := os.Readlink(fd); strings.HasPrefix(name, "/memfd:register") {
			if err := os.WriteFile(fd, []byte("garbage"), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	kill(t, x.ward())
	if code := x.wait(); code != 128+int(syscall.SIGKILL) {
		t.Errorf("exit %d", code)
	}
	if !strings.Contains(x.stderr.String(), "cannot read the register: it is no register") {
		t.Errorf("it does not say so:\n%s", x.stderr.String())
	}
	for i, n := range nodes {
		for _, l := range x.lives(n.name) {
			if n.role != "task" && l.term == 0 {
				t.Errorf("%s was not told: %+v", nodes[i].name, l)
			}
		}
	}
}

// TestRescueAtAnyTime kills lastout at a random moment of its start, its life and its shutdown.
func TestRescueAtAnyTime(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 8 {
		nodes, conf := forest(rnd.Uint64(), 10)
		conf += "[process.crash]\ncommand = [\"$CHILD\", \"-life\", \"5ms\", \"-code\", \"3\"]\nrestart = \"always\"\n" +
			"backoff = { min = \"1ms\", max = \"2ms\", limit = 0 }\n"
		x := mourned(t, conf)
		lines, down := rnd.IntN(200), rnd.IntN(2) == 0
		x.until("the begin", func(es []entry) bool { return len(es) > 0 })
		if down {
			x.untilReady(len(nodes))
			syscall.Kill(x.ward(), syscall.SIGTERM)
			lines += len(x.journal())
		}
		ward := x.ward()
		x.until("enough, or the end", func(es []entry) bool {
			return len(es) >= lines || len(es) > 0 && es[len(es)-1].Kind == "finish"
		})
		syscall.Kill(ward, syscall.SIGKILL) // it may have ended
		if code := x.wait(); code != 128+int(syscall.SIGKILL) && !down {
			t.Errorf("exit %d", code)
		}
		x.clear()
	}
}

// TestRescueInShutdown kills lastout in the middle of a shutdown: the rescue has no more time than that had left, and a
// reserve.
func TestRescueInShutdown(t *testing.T) {
	x := mourned(t, `
[shutdown]
timeout = "3s"
reserve = "300ms"
[defaults]
pdeathsig = "none"
[process.stubborn]
command = ["$CHILD", "-ignore", "-ready", "3"]
ready = { fd = 3 }
stop = { timeout = "10s" }
`)
	x.untilReady(1)
	ward, begin := x.ward(), time.Now()
	if err := syscall.Kill(ward, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	x.until("it is told", func(es []entry) bool {
		return slices.ContainsFunc(es, func(e entry) bool { return e.Kind == "signal" })
	})
	kill(t, ward)
	if code := x.wait(); code != 128+int(syscall.SIGKILL) {
		t.Errorf("exit %d", code)
	}
	const slack = time.Second // to begin a program twice, on a machine that does much else
	if took := time.Since(begin); took > 3*time.Second+300*time.Millisecond+slack {
		t.Errorf("it took %v", took)
	}
	x.verify()
}
