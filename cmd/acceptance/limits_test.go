package acceptance

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// groupMount is where cgroup v2 is on a machine that has no other.
const groupMount = "/sys/fs/cgroup"

// needsMemory skips a test where memory cannot be limited. A controller that the host has not got for cgroup v2 cannot be
// installed, so that CI is no exception.
func needsMemory(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(groupMount + "/cgroup.subtree_control")
	if err != nil || !slices.Contains(strings.Fields(string(text)), "memory") {
		t.Skipf("the memory controller is not on cgroup v2 here: %q, %v", text, err)
	}
}

// memoryGroup is a control group with the memory controller that nobody is in, as a service manager delegates one.
func memoryGroup(t *testing.T) (fd int) {
	t.Helper()
	needsMemory(t)
	dir := filepath.Join(groupMount, fmt.Sprintf("lastout-limits-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no control group can be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Rmdir(dir); err != nil {
			t.Errorf("lastout left something in its control group: %v", err)
		}
	})
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// TestMemoryMax has a process that wants more than it may have beside one that does not. The first is killed alone, and
// everything that tells of ends tells why.
func TestMemoryMax(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "c.sock")
	x := launchWith(t, &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: memoryGroup(t)}, `
name = "limits"
[defaults]
memory_max = "48M"
on_exit = "ignore"
[process.calm]
command = ["$CHILD", "-record", "$DIR/calm", "-ready", "3"]
ready = { fd = 3 }
[process.hog]
command = ["tail", "/dev/zero"]
restart = "never"
[process.herd]
shell = "tail /dev/zero; echo lives on; exec sleep 1000"
`, "--socket", socket)
	const why = "killed by the kernel: out of memory (memory_max 48MiB)"
	x.until("the hog's end", func(es []entry) bool {
		return slices.ContainsFunc(es, func(e entry) bool { return e.Instance == "hog" && e.State == "failed" })
	})
	x.until("word of the herd", func(es []entry) bool {
		return slices.ContainsFunc(es, func(e entry) bool { return e.Instance == "herd" && e.Kind == "note" })
	})
	out, err := exec.Command(lastoutBin, "status", "--socket", socket).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "out of memory (memory_max 48MiB)") {
		t.Errorf("status: %v\n%s", err, out)
	}
	if metrics := metrics(t, socket); !strings.Contains(metrics, `lastout_exits_total{process="hog",cause="oom"} 1`) {
		t.Errorf("metrics:\n%s", metrics)
	}
	if code, _ := x.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	x.verify()
	for _, want := range []string{
		"WRN hog ended: " + why, "WRN herd: out of memory (memory_max 48MiB): the kernel killed 1 descendant of its tree",
	} {
		if n := strings.Count(x.stderr.String(), want); n != 1 {
			t.Errorf("%d times and not once: %s", n, want)
		}
	}
	if !strings.Contains(x.raw.String(), `"oom":"memory_max 48MiB"`) {
		t.Error("the journal does not tell it")
	}
}

// TestContainerMemoryMax has the same in containers that may write to their cgroup, where PID 1 is lastout or its guardian.
func TestContainerMemoryMax(t *testing.T) {
	t.Parallel()
	needsMemory(t)
	const hungry = `
[defaults]
cwd = "/"
memory_max = "48M"
on_exit = "ignore"
[process.calm]
command = ["child", "-ready", "3"]
ready = { fd = 3 }
[process.hog]
command = ["tail", "/dev/zero"]
restart = "never"
[process.herd]
shell = "tail /dev/zero; echo lives on; exec sleep 1000"
`
	const why = `out of memory \(memory_max 48MiB\)`
	for _, name := range []string{"runc", "crun"} {
		for pid1, table := range map[string]string{"alone": "", "guarded": "[guardian]\nenabled = true\n"} {
			t.Run(name+"/"+pid1, func(t *testing.T) {
				c := newOCIWith(t, name, true).run(t, bundle{
					args: lastoutRun, host: true, cgroup: true, files: map[string]string{"lastout.toml": table + hungry},
				})
				hog, herd := "WRN hog ended: killed by the kernel: "+why, "WRN herd: "+why+": the kernel killed 1 descendant of its tree"
				for _, line := range []string{hog, herd, "lives on", "calm is ready"} {
					c.await(line)
				}
				if code, _ := c.stop(); code != 0 {
					t.Errorf("exit code %d", code)
				}
				c.wantOnce(hog, herd)
			})
		}
	}
}

// metrics are what the control socket answers.
func metrics(t *testing.T, socket string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	answer, err := client.Get("http://lastout/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
