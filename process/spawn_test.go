package process

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastout/process/signame"
)

// TestStartErrors demands the exact words, for they are what a user gets to read.
func TestStartErrors(t *testing.T) {
	dir := publicDir(t)
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("plain", "text", 0o644)
	write("noexec", "\x7fELF is all that is right", 0o755)
	write("script", "#!/nowhere/python3 -u\nprint()\n", 0o755)
	write("binscript", "#!"+filepath.Join(dir, "plain")+"\n", 0o755)
	write("good", "#!/bin/sh\nexit 0\n", 0o755)
	patchLoader(t, filepath.Join(dir, "loader"))
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o755); err != nil {
		t.Fatal(err)
	}
	closed := publicDir(t)
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(closed, 0o700) })

	tests := []struct {
		argv0, dir, path, want string
		is                     error
		notRoot                bool
	}{
		{argv0: "./apii", want: "exec ./apii: no such file or directory", is: fs.ErrNotExist},
		{argv0: "/nowhere/x", want: "exec /nowhere/x: no such file or directory", is: fs.ErrNotExist},
		{argv0: "apii", path: "/usr/bin:/bin", want: "exec apii: not found in PATH (/usr/bin:/bin)", is: fs.ErrNotExist},
		{argv0: "plain", path: dir, want: "exec " + dir + "/plain: permission denied", is: fs.ErrPermission},
		{argv0: "./plain", want: "exec ./plain: permission denied", is: fs.ErrPermission},
		{argv0: "./plain/x", want: "exec ./plain/x: not a directory", is: unix.ENOTDIR},
		{argv0: "./", want: "exec ./: is a directory", is: unix.EISDIR},
		{argv0: "./pipe", want: "exec ./pipe: permission denied", is: fs.ErrPermission},
		{
			argv0: "./noexec", is: unix.ENOEXEC,
			want: "exec ./noexec: exec format error (no program for this machine, and no #! line)",
		},
		{
			argv0: "./script", is: fs.ErrNotExist,
			want: "exec ./script: interpreter /nowhere/python3: no such file or directory",
		},
		{
			argv0: "./binscript", is: fs.ErrPermission,
			want: "exec ./binscript: interpreter " + dir + "/plain: permission denied",
		},
		{
			argv0: "./loader", is: fs.ErrNotExist,
			want: "exec ./loader: interpreter /nowhere/ld.so: no such file or directory",
		},
		{argv0: "/bin/true", dir: "/nowhere", want: "chdir /nowhere: no such file or directory", is: fs.ErrNotExist},
		{argv0: "/bin/true", dir: dir + "/plain", want: "chdir " + dir + "/plain: not a directory", is: unix.ENOTDIR},
		{
			argv0: "/bin/true", dir: closed, notRoot: true,
			want: "chdir " + closed + ": permission denied", is: fs.ErrPermission,
		},
		{argv0: "", want: "exec: no program named"},
		{argv0: "a\x00b", want: "exec a\x00b: a NUL byte in \"a\\x00b\""},
	}
	inBothModes(t, func(r *rig) {
		for _, test := range tests {
			if test.notRoot && os.Getuid() == 0 {
				continue // root may enter everywhere; the unprivileged world has this case
			}
			s := Spec{Argv: []string{test.argv0}, Dir: dir, Env: []string{"PATH=" + test.path}}
			if test.dir != "" {
				s.Dir = test.dir
			}
			_, err := r.begin(s)
			if err == nil || err.Error() != test.want || test.is != nil && !errors.Is(err, test.is) {
				r.Errorf("%q in %q:\n got %v\nwant %s", test.argv0, s.Dir, err, test.want)
			}
		}
		if _, err := r.begin(Spec{}); err == nil {
			r.Error("a program without a name")
		}
		// After all that was refused, the reaper is none the worse.
		r.empty(r.start(Spec{Argv: []string{"./good"}, Dir: dir, Env: []string{}}))
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.runs) != 0 || r.spawn.run != 0 || len(r.leaders) != 0 {
			r.Errorf("left behind: %v %v %v", r.runs, r.spawn, r.leaders)
		}
		if r.noGroup != nil && r.groups != nil {
			r.Errorf("failures of exec were taken for one of the cgroup: %v", r.noGroup)
		}
	})
}

// patchLoader writes a copy of a dynamic executable whose loader is missing.
func patchLoader(t *testing.T, to string) {
	t.Helper()
	name, ok := interpreter("/bin/sh")
	if !ok || len(name) < len("/nowhere/ld.so") {
		t.Fatalf("/bin/sh has the loader %q", name)
	}
	b, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	missing := append([]byte("/nowhere/ld.so"), make([]byte, len(name)-len("/nowhere/ld.so"))...)
	b = bytes.Replace(b, []byte(name), missing, 1)
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestLookPath(t *testing.T) {
	dir := publicDir(t)
	for _, d := range []string{"a", "b", "b/both"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"here": 0o755, "a/tool": 0o644, "b/tool": 0o755, "a/both": 0o755} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		argv0, want string
		env         []string
	}{
		{"tool", dir + "/b/tool", []string{"PATH=" + dir + "/a:" + dir + "/b"}}, // who may not be run is passed over
		{"both", dir + "/a/both", []string{"PATH=" + dir + "/b:" + dir + "/a"}}, // a folder too
		{"tool", "b/tool", []string{"PATH=a:b"}},                                // relative to dir
		{"here", "./here", []string{"PATH=:/bin"}},
		{"here", "./here", []string{"PATH=."}},
		{"sh", "/bin/sh", nil},
		{"sh", "/bin/sh", []string{"PATH=/nowhere", "PATH=/bin"}}, // the last one counts
		{"./here", "./here", nil},
		{"a/both", "a/both", nil},
		{"/bin/sh", "/bin/sh", []string{"PATH="}},
	} {
		got, err := LookPath(test.argv0, dir, test.env)
		if err != nil || got != test.want {
			t.Errorf("LookPath(%q, %v) = %q, %v; want %q", test.argv0, test.env, got, err, test.want)
		}
	}
	for _, argv0 := range []string{"nosuch", "a", "./a", "a/tool", ""} {
		if got, err := LookPath(argv0, dir, []string{"PATH=:a"}); err == nil {
			t.Errorf("LookPath(%q) = %q", argv0, got)
		}
	}
}

// TestChildIsClean starts a supervisor under what a careless parent may leave: every signal blocked or ignored, and
// open descriptors. Nothing of it may reach a child.
func TestChildIsClean(t *testing.T) {
	open, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	script := `trap '' HUP INT QUIT USR1 USR2 PIPE ALRM TERM TSTP TTIN TTOU CHLD WINCH 35 40 64
		exec "$0" -helper boot "$@"`
	child := []string{"/bin/sh", "-c", "grep ^Sig /proc/self/status; echo 0:; exec " + self() + " -helper fds"}
	cmd := exec.Command(self(), append([]string{"-helper", "deafen", "/bin/sh", "-c", script, self()}, child...)...)
	cmd.ExtraFiles = []*os.File{open, open, open}
	cmd.Stderr = os.Stderr
	out := underBlockedSignals(t, cmd.Output)
	for _, want := range []string{"SigBlk:\t0000000000000000\n", "SigIgn:\t0000000000000000\n", "descriptors: \n"} {
		if !strings.Contains(out, want) {
			t.Errorf("the child does not say %q but:\n%s", want, out)
		}
	}
}

// underBlockedSignals forks on a thread that has all signals blocked.
func underBlockedSignals(t *testing.T, f func() ([]byte, error)) string {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	all, before := unix.Sigset_t{}, unix.Sigset_t{}
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil {
		t.Fatal(err)
	}
	out, err := f()
	if err2 := unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil); err2 != nil {
		t.Fatal(err2)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// TestChildGets looks at process group, standard descriptors, environment, folder and limits.
func TestChildGets(t *testing.T) {
	dir := publicDir(t)
	plain, err := exec.Command("/bin/sh", "-c", "ulimit -Sn; ulimit -Hn").Output()
	if err != nil {
		t.Fatal(err)
	}
	inBothModes(t, func(r *rig) {
		from, say := r.pipe()
		script := `out=$(readlink /proc/$$/fd/1); {
			set -- $(cat /proc/$$/stat); [ $5 = $$ ] && [ $6 != $$ ] && echo group of its own
			echo "$(readlink /proc/$$/fd/0) $out $(readlink /proc/$$/fd/2)"
			echo "$A $PWD $0"; ulimit -Sn; ulimit -Hn; echo end; } >&3`
		run := r.start(Spec{
			Argv: []string{"/bin/sh", "-c", script}, Dir: dir, Env: []string{"A=b c", "PATH=/bin:/usr/bin"},
			Files: toFiles(nil, nil, nil, say),
		})
		var got []string
		for l := r.line(from); l != "end"; l = r.line(from) {
			got = append(got, l)
		}
		r.empty(run)
		want := "group of its own\n/dev/null /dev/null /dev/null\n" +
			"b c " + dir + " /bin/sh\n" + strings.TrimSpace(string(plain))
		if s := strings.Join(got, "\n"); s != want {
			r.Errorf("got\n%s\nwant\n%s", s, want)
		}
	})
}

// TestCloneRefused has a kernel that takes no child into a cgroup: done without from then on, and said.
func TestCloneRefused(t *testing.T) {
	r := newRig(t, true)
	real := r.groups.root
	r.groups.root = t.TempDir() // no cgroup
	for range 2 {
		run := r.start(sh("exit 2"))
		if e := r.exited(run); e.Status.ExitStatus() != 2 {
			t.Errorf("got %+v, want exit 2", e)
		}
		r.empty(run)
	}
	c := r.Capabilities()
	if c.Cgroup != "" || !strings.HasPrefix(c.NoCgroup, "cannot start a child in a cgroup: ") {
		t.Errorf("said: %+v", c)
	}
	r.groups.root = real
}

// TestSoftLimitKept looks whether the mark leaves the soft limit alone where it can.
func TestSoftLimitKept(t *testing.T) {
	for _, test := range []struct{ soft, hard, want uint64 }{
		{unix.RLIM_INFINITY, unix.RLIM_INFINITY, unix.RLIM_INFINITY - 5*tagStep},
		{200_000, unix.RLIM_INFINITY, 200_000},
		{200_000, 300_000, 200_000},
		{300_000, 300_000, 299_995},
	} {
		tags := newTags(unix.Rlimit{Cur: test.soft, Max: test.hard})
		if l := tags.limit(5); l.Cur != test.want || l.Max >= test.hard || l.Cur > l.Max {
			t.Errorf("%+v: got %+v", test, l)
		}
	}
}

func TestSpawnerKeepsOrder(t *testing.T) {
	s := NewSpawner()
	var got []int
	stop := make(chan struct{})
	for i := range 100 {
		s.Do(func() { got = append(got, i) })
	}
	s.Do(func() {
		s.Do(func() { close(stop) })
		s.Do(func() { t.Error("run after the stop") })
	})
	s.Serve(stop)
	for i, n := range got {
		if i != n {
			t.Fatalf("got %v", got)
		}
	}
	if len(got) != 100 {
		t.Fatalf("got %v", got)
	}
}

// TestSpawnerThread demands one thread with an empty signal mask.
func TestSpawnerThread(t *testing.T) {
	s := NewSpawner()
	stop := make(chan struct{})
	threads := map[int]bool{}
	for range 10 {
		s.Do(func() {
			threads[unix.Gettid()] = true
			var now unix.Sigset_t
			if err := unix.PthreadSigmask(unix.SIG_SETMASK, nil, &now); err != nil || now != (unix.Sigset_t{}) {
				t.Errorf("mask %v, %v", now, err)
			}
			runtime.Gosched()
		})
	}
	s.Do(func() { close(stop) })
	underBlockedSignals(t, func() ([]byte, error) {
		s.Serve(stop)
		return nil, nil
	})
	if len(threads) != 1 {
		t.Errorf("threads %v", threads)
	}
}

// TestBootHears sends every signal that is listened to.
func TestBootHears(t *testing.T) {
	b := Boot(os.Getpid() == 1)
	defer signal.Stop(b.Signals)
	n := 0
	for _, s := range listened(os.Getpid() == 1, hasTerminal) {
		if err := syscall.Kill(os.Getpid(), s.(syscall.Signal)); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-b.Signals:
			if got != s {
				t.Errorf("got %v, want %v", got, s)
			}
		case <-time.After(bound):
			t.Fatalf("%v was not heard", s)
		}
		n++
	}
	if want := map[bool]int{false: 6, true: 40}[os.Getpid() == 1]; n < want {
		t.Errorf("%d signals are listened to, want at least %d", n, want)
	}
}

func TestListened(t *testing.T) {
	yes, no := func() bool { return true }, func() bool { return false }
	has := func(in []os.Signal, s syscall.Signal) bool {
		for _, x := range in {
			if x == s {
				return true
			}
		}
		return false
	}
	for _, s := range []syscall.Signal{
		syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2,
	} {
		if !has(listened(false, no), s) || !has(listened(true, no), s) || !has(listened(true, yes), s) {
			t.Errorf("%v is not listened to", s)
		}
	}
	for _, s := range []syscall.Signal{syscall.SIGWINCH, signame.RTMin + 3, syscall.SIGPWR} {
		if !has(listened(true, no), s) || has(listened(false, no), s) {
			t.Errorf("%v is for PID 1", s)
		}
	}
	if has(listened(true, yes), syscall.SIGWINCH) {
		t.Error("a terminal that is resized would stop everything")
	}
	for _, s := range []syscall.Signal{
		syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPIPE, syscall.SIGCONT, syscall.SIGSEGV,
	} {
		if has(listened(true, no), s) {
			t.Errorf("%v is listened to", s)
		}
	}
}
