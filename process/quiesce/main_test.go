package quiesce

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// bound is how long a test waits for what must come; it is no part of any measurement.
const bound = 30 * time.Second

// worldVar tells the test binary which world it is in.
const worldVar = "LASTOUT_TEST_WORLD"

// nobody is the unprivileged user of the tests.
const nobody = 65534

// TestMain lets the test binary be several programs: the tests, the server that they start, and the tests once more
// with less than root has.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 2 && os.Args[1] == "-serve":
		if err := serve(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "helper:", err)
			os.Exit(1)
		}
		// Not os.Exit, for the race detector would sleep a second in each helper.
		_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
	case len(os.Args) > 2 && os.Args[1] == "-enter":
		err := enter(os.Args[2], os.Args[3:])
		fmt.Fprintln(os.Stderr, "cannot enter:", err)
		os.Exit(1)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // most of them wait
		panic(err)
	}
	os.Exit(m.Run())
}

func self() string {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return exe
}

// skip skips a test that cannot be had here, and fails it where everything is expected to be had.
func skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("LASTOUT_CI") == "1" {
		t.Fatalf("cannot be tested here, and should be: %s", reason)
	}
	t.Skip(reason)
}

// TestWorlds runs all other tests once more as root without CAP_NET_ADMIN, as an unprivileged user, and as root in what
// a container of Docker leaves: neither CAP_NET_ADMIN nor pidfd_getfd(2).
func TestWorlds(t *testing.T) {
	if world := os.Getenv(worldVar); world != "" {
		t.Skipf("this is the world %q already", world)
	}
	if os.Getuid() != 0 {
		skip(t, "only root can give things up, or become somebody else")
	}
	dir := publicDir(t)
	binary := filepath.Join(dir, "quiesce.test")
	data, err := os.ReadFile(self())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, data, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, world := range []string{"plain", "nobody", "docker"} {
		t.Run(world, func(t *testing.T) {
			args := []string{
				"-enter", world, "-test.skip=^TestWorlds$", "-test.timeout=4m", "-test.shuffle=on",
				"-test.v=" + strconv.FormatBool(testing.Verbose()), "-test.short",
			}
			cmd := exec.CommandContext(t.Context(), binary, args...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), worldVar+"="+world, "TMPDIR="+dir)
			if world == "nobody" {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			} else {
				t.Logf("%s", out)
			}
		})
	}
}

// publicDir is a temporary folder that everybody may use.
func publicDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; strings.HasPrefix(d, os.TempDir()+"/"); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// enter gives up what a world has not, on this thread, and becomes the tests.
func enter(world string, args []string) error {
	runtime.LockOSThread()
	if world == "plain" || world == "docker" {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_NET_ADMIN, 0, 0, 0); err != nil {
			return err
		}
	}
	if world == "docker" {
		if err := refuse(unix.SYS_PIDFD_GETFD); err != nil {
			return err
		}
	}
	return syscall.Exec(self(), append([]string{self()}, args...), os.Environ())
}

// refuse makes a system call fail with EPERM from now on, as a seccomp profile does (seccomp(2)).
func refuse(call uint32) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	prog := program([]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	})
	return prctlFilter(prog)
}

// mayDuplicate and mayAdmin say what this world has.
func mayDuplicate() bool { return os.Getenv(worldVar) != "docker" }

func mayAdmin(t testing.TB) bool {
	t.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "CapEff:")
	line, _, _ := strings.Cut(rest, "\n")
	caps, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return caps&(1<<unix.CAP_NET_ADMIN) != 0
}

// can says which ways must work here at a server, and with what error the others are refused.
func can(t testing.TB, way Way, s server) error {
	t.Helper()
	duplicated := mayDuplicate() || s.Held
	switch {
	case way == Sentinel && (duplicated || s.Members > 0):
		return nil
	case !duplicated:
		return unix.EPERM
	case s.MPTCP:
		return unix.EOPNOTSUPP
	case way == Filter && !mayAdmin(t):
		return unix.EPERM
	default:
		return nil
	}
}

// TestWorldIsAsSaid holds the worlds to what they say, so that no test passes because nothing could be tried.
func TestWorldIsAsSaid(t *testing.T) {
	switch world := os.Getenv(worldVar); {
	case world != "" && mayAdmin(t):
		t.Errorf("CAP_NET_ADMIN is there in the world %q", world)
	case world == "" && os.Getenv("LASTOUT_CI") == "1" && !mayAdmin(t):
		t.Error("CAP_NET_ADMIN is missing")
	}
	c := Probe()
	t.Logf("%+v", c)
	child := start(t, server{Addr: "127.0.0.1:0"})
	for _, x := range []struct {
		what string
		err  error
		ok   bool
	}{
		{"duplicate", MayDuplicate(child.pid), mayDuplicate()},
		{"filter", c.Filter, mayAdmin(t)},
		{"sentinel", c.Sentinel, true},
		{"minttl", c.MinTTL, true},
		{"destroy", c.Destroy, mayAdmin(t)},
		{"see", c.See, true},
	} {
		if (x.err == nil) != x.ok {
			t.Errorf("%s: %v", x.what, x.err)
		}
	}
}

// openFDs are the descriptors of this process, with what they are.
func openFDs(t testing.TB) []string {
	t.Helper()
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range dir {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			out = append(out, e.Name()+" "+to)
		}
	}
	return out
}
