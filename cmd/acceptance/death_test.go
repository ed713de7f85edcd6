package acceptance

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// awaitEnd waits until a process that may be anybody's child has ended.
func awaitEnd(t testing.TB, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH || err == unix.EINVAL { // the second before Linux 6.16: reaped, and others of its group live on
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(poll, int(hangs.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if n != 1 {
			t.Fatalf("pid %d lives on (%v)", pid, err)
		}
		return
	}
}

// onDeath are processes with everything that the signal of lastout's death depends on.
const onDeath = `
[process.plain]
command = ["$CHILD", "-record", "$DIR/plain", "-ready", "3"]
ready = { fd = 3 }
[process.polite]
shell = "trap 'echo int > $DIR/polite; exit' INT; echo >&3; while :; do sleep 1000 & wait; done"
ready = { fd = 3 }
stop = { signal = "INT" }
[process.stubborn]
command = ["$CHILD", "-ignore", "-ready", "3"]
pdeathsig = "KILL"
ready = { fd = 3 }
[process.stays]
command = ["$CHILD", "-record", "$DIR/stays", "-ready", "3"]
pdeathsig = "none"
ready = { fd = 3 }
`

// onDeathOf adds one who becomes somebody else, by which the kernel forgets the signal.
const onDeathOf = `
[process.other]
command = ["$CHILD", "-ignore", "-ready", "3"]
user = "nobody"
group = 65534
pdeathsig = "KILL"
ready = { fd = 3 }
`

// TestPdeathsig kills lastout: whoever is not to live on gets his signal, also after upgrades and as another user.
func TestPdeathsig(t *testing.T) {
	conf, all := onDeath, 4
	if os.Geteuid() == 0 {
		conf, all = conf+onDeathOf, 5
	}
	for _, upgrades := range []int{0, 3} {
		t.Run(fmt.Sprintf("%d upgrades", upgrades), func(t *testing.T) {
			paths := theBuilds(t)
			x := launch(t, "[control]\nsocket = \"$DIR/c.sock\"\n"+conf)
			x.untilReady(all)
			for i := range upgrades {
				if out, err := x.upgrade("--binary", paths[i%2]); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			pids := x.pids()
			if err := x.cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			x.wait()
			for name, pid := range pids {
				if name != "stays" {
					awaitEnd(t, pid)
				}
			}
			if l := x.lives("plain"); len(l) != 1 || l[0].term == 0 || l[0].exit == 0 {
				t.Errorf("plain was not asked to leave: %+v", l)
			}
			if text, err := os.ReadFile(x.dir + "/polite"); string(text) != "int\n" {
				t.Errorf("polite did not get the signal it leaves by: %q, %v", text, err)
			}
			if l := x.lives("stays"); len(l) != 1 || l[0].term != 0 || unix.Kill(l[0].pid, 0) != nil {
				t.Errorf("stays did not live on: %+v", l)
			}
			if err := unix.Kill(pids["stays"], unix.SIGKILL); err != nil {
				t.Error(err)
			}
			awaitEnd(t, pids["stays"])
			x.endStrays()
		})
	}
}

// pids are those of the main processes, by instance, as the journal has them.
func (x *tree) pids() map[string]int {
	pids := map[string]int{}
	for _, e := range x.journal() {
		if e.Kind == "state" && e.PID != 0 {
			pids[e.Instance] = e.PID
		}
	}
	return pids
}

// endStrays ends whom the signal does not reach: those that main processes had started.
func (x *tree) endStrays() {
	for _, pid := range x.survivors() {
		unix.Kill(pid, unix.SIGKILL)
		awaitEnd(x.t, pid)
	}
}
