package acceptance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// again starts lastout once more on the same configuration, in the same place.
func (x *tree) again(conf string, args ...string) *tree {
	x.t.Helper()
	return launchBy(x.t, []string{lastoutBin}, x.dir, &syscall.SysProcAttr{}, conf, args...)
}

// murder kills lastout itself.
func (x *tree) murder() {
	x.t.Helper()
	if err := x.cmd.Process.Kill(); err != nil {
		x.t.Fatal(err)
	}
	x.wait()
}

// TestClearUp kills lastout with SIGKILL: its tree lives on, the next start takes it down in order, and then starts anew.
func TestClearUp(t *testing.T) {
	for name, args := range homes {
		t.Run(name, func(t *testing.T) {
			nodes, conf := forest(5, 20)
			// A family without a main process, and one that has fled from it.
			conf += "[process.family]\nshell = 'sleep 1000 & setsid sleep 1000 & exec sleep 1000'\n"
			x := launch(t, conf, args...)
			x.untilReady(len(nodes) + 1)
			x.keptUp()
			x.murder()
			alive := len(x.survivors())
			if alive < len(nodes)/2 {
				t.Fatalf("%d live on", alive)
			}
			y := x.again(conf, args...)
			y.untilReady(len(nodes) + 1)
			y.judgeCleared(nodes)
			if code, _ := y.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit %d", code)
			}
			y.verify()
			said := fmt.Sprintf("lastout (pid %d) died, and had left", x.cmd.Process.Pid)
			if !strings.Contains(y.stderr.String(), said) || !strings.Contains(y.raw.String(), said) {
				t.Errorf("neither log nor journal say %q:\n%s", said, y.stderr.String())
			}
			if left := y.registers(); len(left) > 0 {
				t.Errorf("%q are left over", left)
			}
			y.reported()
		})
	}
}

// keptUp waits until the journal that is kept has all that was said so far: it is written behind the loop's back, and
// what is still on its way dies with lastout.
func (x *tree) keptUp() {
	x.t.Helper()
	kept, _ := filepath.Glob(filepath.Join(x.dir, "state", "lastout", "*", "*.jsonl"))
	if len(kept) != 1 {
		x.t.Fatalf("%d journals are kept", len(kept))
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		x.t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, kept[0], unix.IN_MODIFY); err != nil {
		x.t.Fatal(err)
	}
	for buf := make([]byte, 4096); ; {
		text, err := os.ReadFile(kept[0])
		if err != nil {
			x.t.Fatal(err)
		}
		if bytes.Count(text, []byte("\n")) >= len(x.journal()) {
			return
		}
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(hangs.Milliseconds())); n != 1 && err != unix.EINTR {
			x.t.Fatalf("the journal that is kept lags behind (%v)", err)
		}
		_, _ = unix.Read(fd, buf)
	}
}

// judgeCleared judges the order of the first lives, and that all of them were over before the second began.
func (x *tree) judgeCleared(nodes []node) {
	x.t.Helper()
	before := leavesBefore(nodes)
	first := make([]life, len(nodes))
	var last, begin int64
	for i, n := range nodes {
		lives := x.lives(n.name)
		if len(lives) != 2 {
			x.t.Fatalf("%s lived %d times", n.name, len(lives))
		}
		first[i] = lives[0]
		last = max(last, lives[0].exit)
		if begin == 0 || lives[1].start < begin {
			begin = lives[1].start
		}
	}
	if begin < last {
		x.t.Errorf("the second tree began before the first was gone")
	}
	for i := range nodes {
		for j := range nodes {
			if !before[i][j] {
				continue
			}
			if first[i].exit == 0 || first[j].term == 0 {
				x.t.Errorf("%s or %s was not asked to leave", nodes[i].name, nodes[j].name)
			} else if first[j].term < first[i].exit {
				x.t.Errorf("%s was told before %s was gone", nodes[j].name, nodes[i].name)
			}
		}
	}
}

// reported has lastout verify the journals that it keeps without being asked: that of the tree that was cleared up too.
func (x *tree) reported() {
	x.t.Helper()
	kept, _ := filepath.Glob(filepath.Join(x.dir, "state", "lastout", "*", "*.jsonl"))
	if len(kept) != 2 {
		x.t.Fatalf("%d journals are kept", len(kept))
	}
	for _, file := range kept {
		if out, err := exec.Command(lastoutBin, "verify", file).CombinedOutput(); err != nil {
			x.t.Errorf("lastout verify: %v\n%s", err, out)
		}
	}
}

// TestClearUpFamily has the main process die with lastout: whom it leaves is known by its process group and its tag, or
// by its control group.
func TestClearUpFamily(t *testing.T) {
	const conf = `
[process.family]
shell = "sleep 1000 & echo >&3; exec sleep 1000"
ready = { fd = 3 }
pdeathsig = "none"
`
	for name, args := range homes {
		t.Run(name, func(t *testing.T) {
			x := launch(t, conf, args...)
			x.untilReady(1)
			main := x.ready("family", 1)
			x.murder()
			kill(t, main)
			awaitEnd(t, main)
			y := x.again(conf, args...)
			y.untilReady(1)
			if all := y.survivors(); len(all) != 2 {
				t.Errorf("pids %v live, of a tree of two", all)
			}
			if code, _ := y.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit %d", code)
			}
			if !strings.Contains(y.stderr.String(), "family ended: exit status unknown; 1 descendant") {
				t.Errorf("it does not say what it found:\n%s", y.stderr.String())
			}
		})
	}
}

// slow is a tree that takes a second to leave.
const slow = `
[defaults]
pdeathsig = "none"
[process.slow]
command = ["$CHILD", "-record", "$DIR/slow", "-ready", "3", "-leave", "1s"]
ready = { fd = 3 }
`

// TestClearUpInterrupted asks for the end while the tree of another one is cleared up: that is finished, and nothing is
// started.
func TestClearUpInterrupted(t *testing.T) {
	for name, begin := range map[string]string{"alone": "", "guarded": "guardian.enabled = true\n"} {
		t.Run(name, func(t *testing.T) {
			conf := slow + "hooks.pre_stop = { shell = 'echo > $DIR/told' }\n"
			x := launch(t, conf)
			told := filepath.Join(x.dir, "told")
			if err := syscall.Mkfifo(told, 0o600); err != nil {
				t.Fatal(err)
			}
			x.untilReady(1)
			x.murder()
			y := x.again(begin + conf)
			f, err := os.Open(told) // it waits for the hook
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if code, _ := y.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit %d", code)
			}
			if lives := x.lives("slow"); len(lives) != 1 || lives[0].exit == 0 {
				t.Errorf("%+v", lives)
			}
			if left := y.registers(); len(left) > 0 {
				t.Errorf("%q are left over", left)
			}
		})
	}
}

// The places in a register that the tests change. The format is that of package register.
const (
	registerBoot = 136
	firstRow     = 4096
	rowStart     = 8
)

// TestForeignRegister changes a register before the next start: what is not surely of the dead lastout is not touched.
func TestForeignRegister(t *testing.T) {
	for name, c := range map[string]struct {
		change func(text []byte) []byte
		said   string
	}{
		"reused pid": {func(b []byte) []byte {
			start := b[firstRow+rowStart:]
			binary.NativeEndian.PutUint64(start, binary.NativeEndian.Uint64(start)-1)
			return b
		}, "left nobody behind"},
		"other boot": {func(b []byte) []byte {
			copy(b[registerBoot:], "00000000")
			return b
		}, "the machine was started anew since"},
		"cut off": {func(b []byte) []byte { return b[:firstRow+10] }, "is not heeded: its rows are cut off"},
		"damaged": {func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, "is not heeded: its plan is damaged"},
		"garbage": {func(b []byte) []byte { return bytes.Repeat([]byte("garbage\n"), 1000) }, "is not heeded: it is no register"},
	} {
		t.Run(name, func(t *testing.T) {
			x := launch(t, slow, "--no-cgroup")
			x.untilReady(1)
			x.murder()
			file := x.registers()
			if len(file) != 1 {
				t.Fatalf("%q are left", file)
			}
			text, err := os.ReadFile(file[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file[0], c.change(text), 0o600); err != nil {
				t.Fatal(err)
			}
			y := x.again(slow, "--no-cgroup")
			y.untilReady(1)
			lives := x.lives("slow")
			if len(lives) != 2 || lives[0].term != 0 || lives[0].exit != 0 {
				t.Errorf("the first one was told: %+v", lives)
			}
			kill(t, lives[0].pid)
			if code, _ := y.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit %d", code)
			}
			if !strings.Contains(y.stderr.String(), c.said) {
				t.Errorf("it does not say %q:\n%s", c.said, y.stderr.String())
			}
		})
	}
}
