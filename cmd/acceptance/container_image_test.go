package acceptance

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// deployed is a folder of the examples.
func deployed(name string) string { return filepath.Join("../../testdata/deploy", name, "Dockerfile") }

// circumstance is a container's: what may be there, or may not. Its root is always read-only.
type circumstance struct {
	oci   *oci
	v2    bool // the container sees its cgroup
	user  int
	trees string // how lastout says that it tells whose descendant a process is
}

// inEveryContainer runs a test in each runtime, with cgroup v2 and with none, as root and as somebody.
func inEveryContainer(t *testing.T, test func(t *testing.T, c circumstance)) {
	const tag = "descendants are told by their tag and descent cgroup="
	for _, name := range []string{"runc", "crun"} {
		for _, v2 := range []bool{true, false} {
			r := newOCIWith(t, name, v2 || name == "crun")
			for _, user := range []int{0, 12345} {
				c := circumstance{oci: r, v2: v2, user: user, trees: tag + `"our own cgroup is not mounted"`}
				switch {
				case v2 && user == 0:
					c.trees = "each run has a cgroup of its own cgroup=/sys/fs/cgroup/"
				case v2:
					c.trees = tag + `"cannot write /sys/fs/cgroup/cgroup.procs: permission denied"`
				}
				t.Run(fmt.Sprintf("%s/cgroup=%v/uid=%d", name, v2, user), func(t *testing.T) { test(t, c) })
			}
		}
	}
}

// bundle is one of these circumstances, with a folder to write to.
func (c circumstance) bundle(t *testing.T) bundle {
	out := t.TempDir()
	if err := os.Chmod(out, 0o777); err != nil {
		t.Fatal(err)
	}
	return bundle{user: c.user, cgroup: c.v2, out: out, env: []string{"LASTOUT_JOURNAL=/out/journal"}}
}

// of has it made of an image.
func (b bundle) of(i *image) bundle {
	b.args, b.image, b.env = i.argv(), i.files, append(b.env, i.env...)
	return b
}

// TestContainerImage runs the image that the Dockerfile from scratch makes, and has the runtime stop it by the image's
// own signal while requests are in hand.
func TestContainerImage(t *testing.T) {
	t.Parallel()
	i := readDockerfile(t, deployed("scratch"))
	if i.base != "scratch" || len(i.runs) > 0 || i.user != 12345 {
		t.Errorf("it is not what is tested here: %+v", i)
	}
	grace, err := time.ParseDuration(i.variable("LASTOUT_GRACE"))
	if err != nil {
		t.Fatal(err)
	}
	inEveryContainer(t, func(t *testing.T, where circumstance) {
		b := where.bundle(t).of(i)
		b.net = newNet(t)
		c := where.oci.run(t, b)
		c.await("INF gateway: a drain here ")
		c.wantOnce("INF " + where.trees)
		if out, err := c.exec("/lastout", "status"); err != nil {
			t.Errorf("status: %v\n%s", err, out)
		}
		clients := &crowd{from: b.net, to: netip.MustParseAddrPort("127.0.0.1:" + i.ports[0])}
		asked := clients.hold(t, 4)
		begin := time.Now()
		if err := c.kill(i.stop); err != nil {
			t.Fatal(err)
		}
		if code, took := c.wait(), time.Since(begin); code != 0 || took >= grace {
			t.Errorf("exit code %d after %v, of %v that are granted", code, took, grace)
		}
		for _, conn := range asked {
			wantAnswer(t, conn)
		}
		verifyJournal(t, filepath.Join(b.out, "journal"))
		if n := c.count(" (WRN|ERR) "); n > 0 {
			t.Errorf("%d warnings", n)
		}
	})
}

// stubborn is a tree of programs that note when they are told, and when they leave; one of them never does.
const stubborn = `
[control]
socket = "/dev/shm/lastout/stubborn.sock"
[defaults]
cwd = "/"
ready = { fd = 3 }
[process.store]
role = "service"
command = ["child", "-record", "/out/store", "-ready", "3"]
[process.slow]
command = ["child", "-record", "/out/slow", "-ready", "3", "-leave", "100ms"]
depends_on = ["store"]
[process.deaf]
command = ["child", "-record", "/out/deaf", "-ready", "3", "-ignore"]
stop = { timeout = "150ms" }
[process.edge]
role = "gateway"
command = ["child", "-record", "/out/edge", "-ready", "3"]
depends_on = ["slow", "deaf", "store"]
`

// TestContainerOrder has the programs' own records say who was told when, by the clock of all, in every container.
func TestContainerOrder(t *testing.T) {
	t.Parallel()
	t.Run("alone", func(t *testing.T) { stopStubborn(t, stubborn, 1) })
	t.Run("guarded", func(t *testing.T) { stopStubborn(t, "[guardian]\nenabled = true\n"+stubborn, 0) })
}

// stopStubborn has the tree stopped; first is how many lastouts with the pid 1 there are.
func stopStubborn(t *testing.T, conf string, first int) {
	inEveryContainer(t, func(t *testing.T, where circumstance) {
		b := where.bundle(t)
		b.args, b.files = lastoutRun, map[string]string{"lastout.toml": conf}
		b.env = append(b.env, "LASTOUT_STATE=off", "LASTOUT_GRACE=10s")
		c := where.oci.run(t, b)
		c.await("edge is ready")
		c.wantOnce("INF " + where.trees)
		if n := c.count(`INF conf: 4 processes.* pid=1 `); n != first {
			t.Errorf("%d are PID 1, and not %d", n, first)
		}
		begin := monotonic()
		if code, took := c.stop(); code != 3 || took >= 10*time.Second {
			t.Errorf("exit code %d after %v", code, took)
		}
		of := func(name string) life {
			all := readLives(t, filepath.Join(b.out, name))
			if len(all) != 1 || all[0].term == 0 {
				t.Fatalf("%s lived as %+v", name, all)
			}
			return all[0]
		}
		store, slow, deaf, edge := of("store"), of("slow"), of("deaf"), of("edge")
		for what, ok := range map[string]bool{
			"the gateway is told when the slow worker has left":         edge.term > slow.exit && slow.exit > slow.term,
			"the gateway is told when the deaf worker had all its time": edge.term >= begin+int64(150*time.Millisecond),
			"the deaf worker never leaves":                              deaf.exit == 0,
			"the store is told when all who needed it have left":        store.term > edge.exit && store.term > slow.exit,
		} {
			if !ok {
				t.Errorf("it does not hold that %s: store %+v, slow %+v, deaf %+v, edge %+v", what, store, slow, deaf, edge)
			}
		}
		verifyJournal(t, filepath.Join(b.out, "journal"))
		c.wantOnce("WRN deaf gets SIGKILL")
	})
}

// TestContainerEndsByItself has a process whose end is that of the tree: its code is the container's.
func TestContainerEndsByItself(t *testing.T) {
	t.Parallel()
	inEveryContainer(t, func(t *testing.T, where circumstance) {
		b := where.bundle(t)
		b.args, b.files = lastoutRun, map[string]string{"lastout.toml": `
[process.store]
role = "service"
command = ["child", "-record", "/out/store", "-ready", "3"]
ready = { fd = 3 }
[process.job]
command = ["child", "-record", "/out/job", "-life", "20ms", "-code", "42"]
depends_on = ["store"]
restart = "never"
on_exit = "shutdown"
`}
		c := where.oci.run(t, b)
		if code := c.wait(); code != 42 {
			t.Errorf("exit code %d", code)
		}
		store, job := readLives(t, filepath.Join(b.out, "store")), readLives(t, filepath.Join(b.out, "job"))
		if len(store) != 1 || len(job) != 1 || job[0].term != 0 || store[0].term < job[0].exit {
			t.Errorf("the store lived as %+v and the job as %+v", store, job)
		}
		verifyJournal(t, filepath.Join(b.out, "journal"))
	})
}

// TestContainerImageWithNginx runs what the other Dockerfile makes, with the host's packages for those of its base, and
// has it stopped under load.
func TestContainerImageWithNginx(t *testing.T) {
	t.Parallel()
	needs(t, "nginx", "gunicorn")
	i := readDockerfile(t, deployed("nginx"))
	b := bundle{host: true, net: newNet(t), seccomp: seccomp(t, dockerCaps, dockerRefuses...)}.of(i)
	c := newOCI(t, "runc").run(t, b)
	c.await("INF edge: a drain here ")
	clients := &crowd{from: b.net, to: netip.MustParseAddrPort("127.0.0.1:" + i.ports[0]), page: "hello\n"}
	code, took := -1, time.Duration(0)
	clients.press(50, 1000, func() { code, took = c.stop() })
	t.Logf("%v; it took %v", clients, took)
	c.wantWhole(clients)
	if code != 0 || took >= 10*time.Second {
		t.Errorf("exit code %d after %v", code, took)
	}
}
