package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// hierarchy is cgroup v2 as far as it matters here, with the kernel's rules about who may be where (cgroups(7)): a
// controller can be switched on only where it is had from above, and not where there are processes, but in the root.
type hierarchy struct {
	groups map[string]*group
	log    []string // what was written
	refuse map[string]error
	root   bool // HOME is the root of all

	threads map[string]bool // groups below these hold threads only
}

type group struct {
	procs []string
	have  []string // cgroup.controllers
	on    []string // cgroup.subtree_control
	set   map[string]string
}

// newHierarchy is HOME, with these controllers delegated and these processes in it, and ours below it.
func newHierarchy(have string, procs ...string) *hierarchy {
	return &hierarchy{groups: map[string]*group{
		"/home":      {procs: procs, have: strings.Fields(have), set: map[string]string{}},
		"/home/ours": {set: map[string]string{}},
	}, refuse: map[string]error{}, threads: map[string]bool{}}
}

func (h *hierarchy) domain(state State) *Domain {
	d := Open("/home", "/home/ours", state)
	d.fs = files{Read: h.read, Write: h.write, Mkdir: h.mkdir, Rmdir: h.rmdir}
	d.Mine = func(pid int) bool { return pid < 100 }
	return d
}

func (h *hierarchy) read(path string) ([]byte, error) {
	g := h.groups[filepath.Dir(path)]
	if g == nil {
		return nil, fs.ErrNotExist
	}
	switch filepath.Base(path) {
	case "cgroup.procs":
		return []byte(strings.Join(g.procs, "\n") + "\n"), nil
	case "cgroup.controllers":
		return []byte(strings.Join(g.have, " ") + "\n"), nil
	case "cgroup.subtree_control":
		return []byte(strings.Join(g.on, " ") + "\n"), nil
	case "cgroup.type":
		if h.root && g == h.groups["/home"] {
			return nil, fs.ErrNotExist
		}
		return []byte("domain\n"), nil
	}
	return []byte(g.set[filepath.Base(path)] + "\n"), nil
}

func (h *hierarchy) write(path, text string) (err error) {
	h.log = append(h.log, path+" "+text)
	dir, file := filepath.Split(path)
	dir = filepath.Clean(dir)
	g := h.groups[dir]
	defer func() {
		if err != nil {
			err = &fs.PathError{Op: "write", Path: path, Err: err}
		}
	}()
	if err := h.refuse[path]; err != nil {
		return err
	}
	switch file {
	case "cgroup.procs":
		if len(g.on) > 0 && !h.root {
			return unix.EBUSY
		}
		for _, from := range h.groups {
			from.procs = slices.DeleteFunc(from.procs, func(pid string) bool { return pid == text })
		}
		g.procs = append(g.procs, text)
	case "cgroup.subtree_control":
		return h.toggle(dir, g, text[1:], text[0] == '+')
	default:
		controller, _, _ := strings.Cut(file, ".")
		if !slices.Contains(g.have, controller) {
			return unix.ENOENT
		}
		g.set[file] = text
	}
	return nil
}

func (h *hierarchy) toggle(dir string, g *group, controller string, on bool) error {
	switch {
	case !slices.Contains(g.have, controller):
		return unix.ENOENT
	case h.threads[dir] || h.threads[filepath.Dir(dir)]:
		return unix.EOPNOTSUPP
	case on && len(g.procs) > 0 && controller == "memory" && !h.root:
		return unix.EBUSY
	case on && len(g.procs) > 0 && !h.root:
		h.threads[dir] = true
	case on:
		g.on = append(g.on, controller)
	default:
		for path, below := range h.groups {
			if filepath.Dir(path) == dir && slices.Contains(below.on, controller) {
				return unix.EBUSY
			}
		}
		g.on = slices.DeleteFunc(g.on, func(c string) bool { return c == controller })
	}
	for path, below := range h.groups {
		if filepath.Dir(path) == dir {
			below.have = slices.Clone(g.on)
		}
	}
	return nil
}

func (h *hierarchy) mkdir(path string) error {
	if h.groups[path] != nil {
		return unix.EEXIST
	}
	h.groups[path] = &group{have: slices.Clone(h.groups[filepath.Dir(path)].on), set: map[string]string{}}
	return nil
}

func (h *hierarchy) rmdir(path string) error {
	if g := h.groups[path]; g != nil && len(g.procs) > 0 {
		return unix.EBUSY
	}
	delete(h.groups, path)
	return nil
}

// TestApply limits two runs, demands the order in which that must happen, and that all is as before at the end.
func TestApply(t *testing.T) {
	h := newHierarchy("cpu memory pids", "7", "8")
	d := h.domain(State{})
	limits := &Limits{Memory: 64 << 20, Pids: 100, Weight: 50}
	for _, run := range []string{"/home/ours/api.1", "/home/ours/api.2"} {
		if err := h.mkdir(run); err != nil {
			t.Fatal(err)
		}
		if unkept := d.Apply(run, limits); unkept != nil {
			t.Fatalf("not kept: %v", unkept)
		}
		want := map[string]string{"memory.max": "67108864", "pids.max": "100", "cpu.weight": "50"}
		if got := h.groups[run].set; !maps.Equal(got, want) {
			t.Errorf("%s has %v, want %v", run, got, want)
		}
	}
	h.want(t, `
/home/ours/lastout/cgroup.procs 7
/home/ours/lastout/cgroup.procs 8
/home/cgroup.subtree_control +memory
/home/ours/cgroup.subtree_control +memory
/home/ours/api.1/memory.max 67108864
/home/cgroup.subtree_control +pids
/home/ours/cgroup.subtree_control +pids
/home/ours/api.1/pids.max 100
/home/cgroup.subtree_control +cpu
/home/ours/cgroup.subtree_control +cpu
/home/ours/api.1/cpu.weight 50
/home/ours/api.2/memory.max 67108864
/home/ours/api.2/pids.max 100
/home/ours/api.2/cpu.weight 50`)

	d = h.domain(d.State) // of a successor
	delete(h.groups, "/home/ours/api.1")
	delete(h.groups, "/home/ours/api.2")
	d.Close()
	home := h.groups["/home"]
	if len(home.on) > 0 || !slices.Equal(home.procs, []string{"7", "8"}) || h.groups["/home/ours/lastout"] != nil {
		t.Errorf("left behind: %+v, %v", home, slices.Sorted(maps.Keys(h.groups)))
	}
}

// TestApplyNothing changes nothing where there is no limit, and nobody moves where the controllers are on already.
func TestApplyNothing(t *testing.T) {
	h := newHierarchy("memory", "7")
	d := h.domain(State{})
	if unkept := d.Apply("/home/ours/api.1", nil); unkept != nil || d.Apply("/home/ours/api.1", &Limits{}) != nil {
		t.Errorf("not kept: %v", unkept)
	}
	d.Close()
	h.want(t, "")
	h.groups["/home"].on, h.groups["/home/ours"].have = []string{"memory"}, []string{"memory"}
	if err := h.mkdir("/home/ours/api.1"); err != nil {
		t.Fatal(err)
	}
	if unkept := d.Apply("/home/ours/api.1", &Limits{Memory: 1}); unkept != nil {
		t.Errorf("not kept: %v", unkept)
	}
	d.Close()
	h.want(t, `
/home/ours/cgroup.subtree_control +memory
/home/ours/api.1/memory.max 1`)
}

// TestApplyInRoot stays where it is: the root may have processes and controllers.
func TestApplyInRoot(t *testing.T) {
	h := newHierarchy("memory pids", "7", "123")
	h.root = true
	d := h.domain(State{})
	if err := h.mkdir("/home/ours/api.1"); err != nil {
		t.Fatal(err)
	}
	if unkept := d.Apply("/home/ours/api.1", &Limits{Memory: 1, Pids: 2}); unkept != nil {
		t.Errorf("not kept: %v", unkept)
	}
	if procs := h.groups["/home"].procs; !slices.Equal(procs, []string{"7", "123"}) {
		t.Errorf("in the root are %v", procs)
	}
	delete(h.groups, "/home/ours/api.1")
	d.Close()
	if home := h.groups["/home"]; len(home.on) > 0 || len(h.groups) != 2 {
		t.Errorf("left behind: %+v, %v", home, slices.Sorted(maps.Keys(h.groups)))
	}
}

// TestUnkept says what cannot be kept and why, tries that once, and leaves everything as it was.
func TestUnkept(t *testing.T) {
	for name, c := range map[string]struct {
		have   string
		procs  []string
		refuse map[string]error
		hybrid bool
		want   string
		tries  int
	}{
		"nothing delegated": {procs: []string{"7"}, want: "no controller is delegated to /home"},
		"another delegated": {
			have: "cpu pids", procs: []string{"7"},
			want: "the memory controller is not delegated to /home (it has cpu, pids)",
		},
		"version 1": {
			have: "hugetlb", procs: []string{"7"}, hybrid: true, want: "this machine has the memory controller on cgroup v1",
		},
		"others are there": {
			have: "memory", procs: []string{"7", "123", "0", "124", "125"}, tries: 2,
			want: "/home holds processes that are not of lastout: pid 123, one outside this container, pid 124",
		},
		"read-only": {
			have: "memory", procs: []string{"7"}, tries: 3,
			refuse: map[string]error{"/home/cgroup.subtree_control": unix.EROFS},
			want:   "cannot write +memory to /home/cgroup.subtree_control: read-only file system",
		},
		"may not move": {
			have: "memory", procs: []string{"7"}, tries: 1,
			refuse: map[string]error{"/home/ours/lastout/cgroup.procs": unix.EACCES},
			want:   "cannot write 7 to /home/ours/lastout/cgroup.procs: permission denied",
		},
		"refused by the file": {
			have: "memory", tries: 4, refuse: map[string]error{
				"/home/ours/api.1/memory.max": unix.EINVAL, "/home/ours/api.2/memory.max": unix.EINVAL,
			},
			want: "cannot set memory.max: invalid argument",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHierarchy(c.have, c.procs...)
			maps.Copy(h.refuse, c.refuse)
			d := h.domain(State{})
			d.Hybrid = func(string) bool { return c.hybrid }
			for _, run := range []string{"/home/ours/api.1", "/home/ours/api.2"} {
				if err := h.mkdir(run); err != nil {
					t.Fatal(err)
				}
				unkept := d.Apply(run, &Limits{Memory: 64 << 20})
				if len(unkept) != 1 || unkept[0].Key != "memory_max" || unkept[0].Why.Error() != c.want {
					t.Errorf("not kept: %v, want %s", unkept, c.want)
				}
			}
			if len(h.log) != c.tries {
				t.Errorf("%d writes, want %d:\n%s", len(h.log), c.tries, strings.Join(h.log, "\n"))
			}
			delete(h.groups, "/home/ours/api.1")
			delete(h.groups, "/home/ours/api.2")
			d.Close()
			home := h.groups["/home"]
			slices.Sort(home.procs)
			slices.Sort(c.procs)
			if len(home.on) > 0 || !slices.Equal(home.procs, c.procs) || len(h.groups) != 2 {
				t.Errorf("left behind: %+v, %v", home, slices.Sorted(maps.Keys(h.groups)))
			}
		})
	}
}

func (h *hierarchy) want(t *testing.T, log string) {
	t.Helper()
	if got := strings.Join(h.log, "\n"); got != strings.TrimSpace(log) {
		t.Errorf("written:\n%s\nwant:%s", got, log)
	}
	h.log = nil
}

func TestSizeText(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0B", 1: "1B", 1024: "1KiB", 64 << 20: "64MiB", 64<<20 + 1: "67108865B", 3 << 30: "3GiB", 5 << 40: "5TiB", 2000: "2000B",
		1 << 60: "1048576TiB",
	} {
		if got := Size(n); got != want {
			t.Errorf("%d is shown as %s, want %s", n, got, want)
		}
	}
}

func TestOOM(t *testing.T) {
	text := "low 0\nhigh 0\nmax 42\noom 2\noom_kill 3\noom_group_kill 1\n"
	now := parseOOM([]byte(text))
	if want := (OOM{Kills: 3, Reached: 2}); now != want {
		t.Errorf("read %+v, want %+v", now, want)
	}
	if got, want := now.Since(OOM{Kills: 1, Reached: 2}), (OOM{Kills: 2}); got != want {
		t.Errorf("since then %+v, want %+v", got, want)
	}
	for _, text := range []string{"", "oom", "oom x", fmt.Sprintf("oom_kill %s", strings.Repeat("9", 30))} {
		if got := parseOOM([]byte(text)); got != (OOM{}) {
			t.Errorf("%q: %+v", text, got)
		}
	}
	if got := ReadOOM(t.TempDir()); got != (OOM{}) {
		t.Errorf("of no group: %+v", got)
	}
}

// TestFound reads what a supervisor changed who died before he could take it back.
func TestFound(t *testing.T) {
	root := t.TempDir()
	if got := Found(root); got.On != nil || got.Moved != nil {
		t.Errorf("found %+v where there is no leaf", got)
	}
	err := os.Mkdir(leafOf(root), 0o755)
	for file, text := range map[string]string{"lastout/cgroup.procs": "7\n8\n", "cgroup.subtree_control": "memory pids\n"} {
		err = errors.Join(err, os.WriteFile(filepath.Join(root, file), []byte(text), 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := Found(root); !slices.Equal(got.On, []string{"memory", "pids"}) || !slices.Equal(got.Moved, []int{7, 8}) {
		t.Errorf("found %+v", got)
	}
}
