package process

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// shimmed has a child started by way of a shim.
func (s Spec) shimmedAs(names ...string) Spec {
	s.OwnPID = names
	return s
}

// TestOwnPID has a program that finds its own pid in a variable, in place of what was there, and nothing of the shim:
// neither its name nor its descriptors nor its arguments.
func TestOwnPID(t *testing.T) {
	inBothModes(t, func(r *rig) {
		from, say := r.pipe()
		script := `{ echo $$ $LISTEN_PID $A $OTHER_PID; echo $(cat /proc/$$/comm); tr '\0' ' ' </proc/$$/cmdline; echo
			grep -c lastout /proc/$$/environ; readlink /proc/$$/exe; echo end; } >&3`
		s := Spec{
			Argv: []string{"sh", "-c", script}, Files: toFiles(nil, nil, os.Stderr, say),
			Env: []string{"PATH=/bin:/usr/bin", "LISTEN_PID=1", "A=b"},
		}
		run := r.start(s.shimmedAs("LISTEN_PID", "OTHER_PID"))
		pid := strconv.Itoa(await(r, func(e Started) bool { return e.Run == run }).PID)
		shell, err := filepath.EvalSymlinks("/bin/sh")
		if err != nil {
			r.Fatal(err)
		}
		if got, want := r.line(from), pid+" "+pid+" b "+pid; got != want {
			r.Errorf("got %q, want %q", got, want)
		}
		if got := r.line(from); got != "sh" {
			r.Errorf("it is called %q", got)
		}
		if got := r.line(from); !strings.HasPrefix(got, "sh -c {") {
			r.Errorf("its arguments are %q", got)
		}
		for got := r.line(from); got != "0"; got = r.line(from) { // the script has lines of its own
			if strings.Contains(got, "lastout shim") {
				r.Errorf("the shim shows in %q", got)
			}
		}
		if got := r.line(from); got != shell {
			r.Errorf("it is %q", got)
		}
		r.empty(run)
	})
}

// TestShimDescriptors demands that a program has the descriptors it is meant to have, and no other.
func TestShimDescriptors(t *testing.T) {
	inBothModes(t, func(r *rig) {
		given := func(s Spec) string {
			from, say := r.pipe()
			s.Files[1] = say
			run := r.start(s)
			defer r.empty(run)
			return strings.TrimSpace(r.line(from))
		}
		for _, files := range [][]*os.File{nil, {os.Stderr, os.Stderr}, {os.Stderr, os.Stderr, os.Stderr, os.Stderr, os.Stderr}} {
			// What the tests themselves were started with is not closed on exec.
			want := given(help("fds").with(files...))
			if got := given(help("fds").with(files...).shimmedAs("LISTEN_PID")); got != want {
				r.Errorf("got %q, want %q", got, want)
			}
			for i := range files {
				if !strings.Contains(want+" ", " "+strconv.Itoa(3+i)+" ") {
					r.Errorf("%q lacks %d", want, 3+i)
				}
			}
		}
	})
}

// TestShimKeeps demands that what the fork set holds for the program: its tag, its cgroup, its process group, its
// folder and limits, and signals as they are in a program that was executed at once.
func TestShimKeeps(t *testing.T) {
	dir := publicDir(t)
	plain := func(r *rig, s Spec) string {
		from, say := r.pipe()
		s.Argv = []string{"/bin/sh", "-c", `{ cat /proc/$$/limits; grep -E '^(Sig[BPIC]|NSpgid|NSsid|Threads|CapEff|NoNewPrivs|Umask)' \
			/proc/$$/status | sed "/^NSpgid/s/$$/PID/"; pwd; cat /proc/$$/cgroup /proc/$$/oom_score_adj; echo end; } >&3`}
		s.Dir, s.Files = dir, toFiles(nil, nil, os.Stderr, say)
		s.Env = []string{"PATH=/bin:/usr/bin", "PWD=" + dir}
		run := r.start(s)
		var all []string
		for l := r.line(from); l != "end"; l = r.line(from) {
			// The run's own marks differ from one run to the next.
			l = strings.ReplaceAll(l, "child."+strconv.FormatUint(run, 10), "child.RUN")
			l = strings.ReplaceAll(l, strconv.FormatUint(r.tags.limit(run).Max, 10), "TAG")
			all = append(all, l)
		}
		r.empty(run)
		return strings.Join(all, "\n")
	}
	inBothModes(t, func(r *rig) {
		direct, shimmed := plain(r, Spec{}), plain(r, Spec{}.shimmedAs("LISTEN_PID"))
		if direct != shimmed || !strings.Contains(direct, "TAG") {
			r.Errorf("executed at once:\n%s\nby a shim:\n%s", direct, shimmed)
		}
	})
}

// TestShimErrors demands the same words as from an exec without a shim, and that nobody is left.
func TestShimErrors(t *testing.T) {
	dir := publicDir(t)
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("noexec", "\x7fELF is all that is right", 0o755)
	write("script", "#!/nowhere/python3 -u\nprint()\n", 0o755)
	write("plain", "text", 0o644)
	inBothModes(t, func(r *rig) {
		for _, s := range []Spec{
			{Argv: []string{"./noexec"}, Dir: dir},
			{Argv: []string{"./script"}, Dir: dir},
			{Argv: []string{"./plain"}, Dir: dir},
			{Argv: []string{"nothing-is-called-so"}, Env: []string{"PATH=/bin"}},
			{Argv: []string{"/bin/true"}, Dir: "/nowhere"},
			{Argv: []string{"/bin/true", strings.Repeat("x", 1<<20)}},
		} {
			_, direct := r.begin(s)
			_, shimmed := r.begin(s.shimmedAs("LISTEN_PID"))
			if direct == nil || shimmed == nil || direct.Error() != shimmed.Error() {
				r.Errorf("%.40q: at once: %v\nby a shim: %v", s.Argv, direct, shimmed)
			}
		}
		if pid := endedChild(); pid != 0 {
			r.Errorf("pid %d is left", pid)
		}
		r.empty(r.start(Spec{Argv: []string{"/bin/true"}, Env: []string{}}.shimmedAs("LISTEN_PID")))
	})
}

// TestShimLarge has more arguments and variables than a pipe holds, and bytes that are no text.
func TestShimLarge(t *testing.T) {
	inBothModes(t, func(r *rig) {
		from, say := r.pipe()
		odd := "\xff\xfe=\n\t"
		s := Spec{Argv: []string{"/bin/sh", "-c", `{ echo "${#}${BIG}" | wc -c; printf %s "$ODD" | od -An -tx1; } >&3`, "sh"}}
		for range 100 {
			s.Argv = append(s.Argv, strings.Repeat("a", 1000))
		}
		s.Env = []string{"PATH=/bin:/usr/bin", "BIG=" + strings.Repeat("b", 100_000), "ODD=" + odd}
		s.Files = toFiles(nil, nil, os.Stderr, say)
		run := r.start(s.shimmedAs("LISTEN_PID"))
		if got := strings.TrimSpace(r.line(from)); got != "100004" {
			r.Errorf("got %s", got)
		}
		if got := strings.TrimSpace(r.line(from)); got != "ff fe 3d 0a 09" {
			r.Errorf("got %s", got)
		}
		r.empty(run)
	})
}

// TestShimEndsEarly has programs that have ended, and killed themselves, before their parent has heard of their exec.
func TestShimEndsEarly(t *testing.T) {
	inBothModes(t, func(r *rig) {
		for range 50 {
			run := r.start(sh("exit 7").shimmedAs("LISTEN_PID"))
			if e := r.exited(run); e.Status.ExitStatus() != 7 {
				r.Errorf("%+v", e)
			}
			run = r.start(sh("kill -9 $$").shimmedAs("LISTEN_PID"))
			if e := r.exited(run); e.Status.Signal() != syscall.SIGKILL {
				r.Errorf("%+v", e)
			}
		}
	})
}
