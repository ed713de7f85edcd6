package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lastout/process/cgroup"
)

// TestOOMBefore holds that a kill is told of at the second look that sees it, each once, and none is put off for ever.
func TestOOMBefore(t *testing.T) {
	x := &run{id: 7}
	for step, c := range []struct {
		now  cgroup.OOM
		want string
	}{
		{cgroup.OOM{Kills: 1, Reached: 1}, "nothing"},
		{cgroup.OOM{Kills: 3, Reached: 3}, "1 own"},
		{cgroup.OOM{Kills: 4, Reached: 3}, "2 own"},
		{cgroup.OOM{Kills: 4, Reached: 3}, "1 own"},
		{cgroup.OOM{Kills: 5, Reached: 3}, "nothing"},
		{cgroup.OOM{Kills: 5, Reached: 3}, "1 outer"},
	} {
		got := "nothing"
		if o := x.oomBefore(c.now); o != nil {
			got = fmt.Sprint(o.Kills, map[OOM]string{OwnOOM: " own", OuterOOM: " outer"}[o.OOM])
		}
		if got != c.want {
			t.Errorf("step %d: told %s, want %s", step+1, got, c.want)
		}
	}
}

// TestDyingInBetween has a process notice that it is killed between the two looks at it: it counts as dying. The first
// look waits at a FIFO, in the place of its status, until that has come about.
func TestDyingInBetween(t *testing.T) {
	own, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		skip(t, "no /proc: "+err.Error())
	}
	dir := t.TempDir()
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(root)
	of := filepath.Join(dir, "17")
	put := func(flags int) {
		head, tail, _ := strings.Cut(string(own), ") ")
		f := strings.Fields(tail)
		f[6] = strconv.Itoa(flags)
		if err := os.WriteFile(filepath.Join(of, "stat"), []byte(head+") "+strings.Join(f, " ")), 0o644); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(os.Mkdir(of, 0o755), unix.Mkfifo(filepath.Join(of, "status"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pending string
		before  int
		after   int
		want    bool
	}{
		{"SigPnd:\t0000000000000000\n", 0, pfExiting, true},
		{"SigPnd:\t0000000000000100\n", 0, 0, true},
		{"SigPnd:\t0000000000000200\n", 0, 0, false},
	} {
		put(c.before)
		over := make(chan struct{})
		go func() {
			defer close(over)
			w, err := os.OpenFile(filepath.Join(of, "status"), os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Close()
			put(c.after)
			if _, err := w.WriteString("Name:\tx\n" + c.pending); err != nil {
				t.Error(err)
			}
		}()
		if got := (&procfs{dir: root}).dying(17); got != c.want {
			t.Errorf("%q, flags %#x and then %#x: %v", c.pending, c.before, c.after, got)
		}
		<-over
	}
}
