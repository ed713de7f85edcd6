package process

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTagsOnKernel reads tags back from the kernel, of living and of dead, down to the last microsecond.
func TestTagsOnKernel(t *testing.T) {
	r := newRig(t, false)
	hold, _ := r.pipe()
	for range 3 {
		run := r.start(sh("read x <&3", hold))
		pid := r.Members(run)[0].PID
		check := func() {
			t.Helper()
			b, err := r.proc.read(itoa(pid) + "/limits")
			if err != nil {
				t.Fatal(err)
			}
			if hard, ok := hardRTTime(b); !ok || hard != r.tags.base-run*r.tags.step || r.marked(pid) != run {
				t.Errorf("run %d has the limit %d, and is taken for %d", run, hard, r.marked(pid))
			}
		}
		check()
		r.still.Lock() // keeps it a zombie
		if err := r.Signal(run, syscall.SIGKILL, Leader); err != nil {
			t.Fatal(err)
		}
		for endedChild() != pid {
		}
		check()
		r.still.Unlock()
		r.empty(run)
	}
}

func TestTags(t *testing.T) {
	outer := newTags(unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
	for _, run := range []uint64{1, 2, 1000, outer.last} {
		l := outer.limit(run)
		if got := outer.run(l.Max); got != run {
			t.Errorf("run %d is taken for %d", run, got)
		}
		inner := newTags(l)
		for _, n := range []uint64{1, 2, inner.last} {
			below := inner.limit(n).Max
			if got := outer.run(below); got != run {
				t.Errorf("run %d below run %d is taken for %d", n, run, got)
			}
			if got := inner.run(below); got != n {
				t.Errorf("inner run %d is taken for %d", n, got)
			}
		}
		if got := inner.run(unix.RLIM_INFINITY); got != 0 {
			t.Errorf("a raised limit is taken for %d", got)
		}
	}
	for _, run := range []uint64{0, outer.last + 1} {
		if err := outer.set(run); err == nil {
			t.Errorf("run %d has a tag", run)
		}
	}
	if got := outer.run(outer.base); got != 0 {
		t.Errorf("the limit of before is taken for %d", got)
	}
}

func TestHardRTTime(t *testing.T) {
	head := "Limit                     Soft Limit           Hard Limit           Units     \n"
	name := "Max realtime timeout      "
	for text, want := range map[string]uint64{
		head + name + "unlimited unlimited us \n":                              unix.RLIM_INFINITY,
		head + name + "200000               18446744073441116159 us        \n": 18446744073441116159,
		"Max nice priority 0 0 \n" + name + "1                    2    us":     2,
	} {
		if got, ok := hardRTTime([]byte(text)); !ok || got != want {
			t.Errorf("got %d, %v, want %d, of\n%s", got, ok, want, text)
		}
	}
	for _, text := range []string{"", head, "Max realtime timeout", "Max realtime timeout 1 x us\n"} {
		if got, ok := hardRTTime([]byte(text)); ok {
			t.Errorf("got %d of %q", got, text)
		}
	}
}

func TestParseStat(t *testing.T) {
	tail := " S 4 5 6 0 -1 4227084 50 0 1 0 11 12 0 0 20 0 3 0 177036 0 77 18446744073709551615"
	for _, name := range []string{"sh", "a b", "(sd-pam)", ") S 1 1", ""} {
		s, err := parseStat([]byte("17 (" + name + ")" + tail))
		want := stat{
			pid: 17, ppid: 4, pgid: 5, comm: name, state: 'S', threads: 3, exiting: true, start: 177036, utime: 11, stime: 12, rss: 77,
		}
		if err != nil || s != want {
			t.Errorf("%q: got %+v, %v", name, s, err)
		}
	}
	for _, text := range []string{"", "17", "17 (sh", "17 (sh) S 1 2", "(sh)" + tail, ") ("} {
		if s, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q: got %+v", text, s)
		}
	}
}

// TestChildrenByScan compares both ways to list children, zombies among them.
func TestChildrenByScan(t *testing.T) {
	r := newRig(t, false)
	hold, _ := r.pipe()
	for range 5 {
		r.start(sh("read x <&3", hold))
	}
	r.still.Lock()
	defer r.still.Unlock()
	if err := r.Signal(runNumber.Load(), syscall.SIGKILL, Leader); err != nil {
		t.Fatal(err)
	}
	for endedChild() == 0 {
	}
	a, b := r.proc.children(os.Getpid()), r.proc.childrenByScan(os.Getpid())
	slices.Sort(a)
	slices.Sort(b)
	if len(a) != 5 || !slices.Equal(a, b) {
		t.Errorf("got %v and %v", a, b)
	}
}

// TestWithoutChildrenFiles runs trees on a kernel that was built without them.
func TestWithoutChildrenFiles(t *testing.T) {
	r := newRig(t, false)
	r.proc.noChildren = true
	from, say := r.pipe()
	hold, _ := r.pipe()
	run := r.start(help("daemon", "2").with(say, hold))
	pid := atoi(t, r.line(from))
	if e := r.exited(run); e.Left < 1 {
		t.Errorf("got %+v, want somebody left", e)
	}
	if m := r.Members(run); !slices.ContainsFunc(m, func(m Member) bool { return m.PID == pid }) {
		t.Errorf("members %v, want %d", m, pid)
	}
	r.Kill(run)
	r.empty(run)
}

// TestOwnProc mounts a /proc of our own and finds the same there.
func TestOwnProc(t *testing.T) {
	dir, err := mountProc()
	if err != nil {
		needRoot(t, "mount a /proc")
		skip(t, fmt.Sprintf("no /proc of our own: %v", err))
	}
	p := &procfs{dir: dir, own: os.Getpid()}
	defer p.close()
	if s, err := p.stat(os.Getpid()); !p.ours() || err != nil || s.ppid != os.Getppid() {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestGroupPaths(t *testing.T) {
	g := &groups{path: "/a.slice/lastout-x-1"}
	for text, want := range map[string]uint64{
		"9:name=systemd:/\n0::/a.slice/lastout-x-1/api.2.17\n": 17,
		"0::/a.slice/lastout-x-1/api.17/lastout-y-2/z.3\n":     17,
		"0::/a.slice/lastout-x-1/api.17 (deleted)\n":           17,
		"0::/a.slice/lastout-x-1\n":                            0,
		"0::/a.slice/lastout-x-12/api.17\n":                    0,
		"0::/\n":                                               0,
		"1:cpu:/a.slice/lastout-x-1/api.17\n":                  0,
		"0::/a.slice/lastout-x-1/other\n":                      0,
		"":                                                     0,
	} {
		if got, ok := g.run([]byte(text)); got != want || ok != (want != 0) {
			t.Errorf("%q is of run %d, %v, want %d", text, got, ok, want)
		}
	}
	top := &groups{path: "/lastout-x-1"}
	if got, ok := top.run([]byte("0::/lastout-x-1/api.4\n")); !ok || got != 4 {
		t.Errorf("got %d, %v", got, ok)
	}
	line := `41 31 0:38 /box\040one /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw`
	if root, at, ok := cgroup2Mount(line); !ok || root != "/box one" || at != "/sys/fs/cgroup/unified" {
		t.Errorf("got %q, %q, %v", root, at, ok)
	}
	for _, line := range []string{"", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw", "1 2 - cgroup2 x rw"} {
		if _, _, ok := cgroup2Mount(line); ok {
			t.Errorf("%q is taken for a cgroup2 mount", line)
		}
	}
}

// TestStaleGroup finds a cgroup of a supervisor that had our pid and was killed.
func TestStaleGroup(t *testing.T) {
	r := newRig(t, true)
	second, err := newGroups(r.proc, "test")
	if err != nil {
		t.Fatal(err)
	}
	third, err := newGroups(r.proc, "test") // the second one is empty, and taken over
	if err != nil {
		t.Fatal(err)
	}
	defer removeGroup(third.root)
	if second.root != third.root {
		t.Errorf("made %s, and then %s", second.root, third.root)
	}
}
