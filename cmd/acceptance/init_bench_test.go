package acceptance

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inits are lastout and the programs in whose place it may be, as far as they are installed.
func inits() [][]string {
	return slices.DeleteFunc([][]string{{lastoutBin, "init"}, {"tini", "-s"}, {"dumb-init"}, {"catatonit"}}, func(args []string) bool {
		_, err := exec.LookPath(args[0])
		return err != nil
	})
}

// BenchmarkInit is the whole time of `init -- true`, beside the others, which take turns: the median, and the mean.
func BenchmarkInit(b *testing.B) {
	const rounds = 100
	took := map[string][]time.Duration{}
	for range b.N * rounds {
		for _, args := range inits() {
			cmd := exec.Command(args[0], append(args[1:], "--", "true")...)
			begin := time.Now()
			if err := cmd.Run(); err != nil {
				b.Fatal(err)
			}
			name := filepath.Base(args[0])
			took[name] = append(took[name], time.Since(begin))
		}
	}
	for name, all := range took {
		slices.Sort(all)
		var sum time.Duration
		for _, d := range all {
			sum += d
		}
		b.ReportMetric(ms(all[len(all)/2]), name+"-ms")
		b.ReportMetric(ms(sum)/float64(len(all)), name+"-mean-ms")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkInitMemory is what an idle one has resident, and its proportion of what is shared.
func BenchmarkInitMemory(b *testing.B) {
	for _, args := range inits() {
		b.Run(filepath.Base(args[0]), func(b *testing.B) {
			for range b.N {
				i, _ := startInit(b, 0, append(args[:len(args):len(args)], "--", "sh", "-c", "echo up; read x; exit 0"))
				b.ReportMetric(memory(b, i.Process.Pid, `(?m)^Rss`), "RSS-KiB")
				b.ReportMetric(memory(b, i.Process.Pid, `(?m)^Pss`), "PSS-KiB")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkInitZombies is how long it takes as PID 1 to reap 1,000 who are dead already.
func BenchmarkInitZombies(b *testing.B) {
	const n = 1000
	// They read from the pipe whose other end is the shell's alone, and end when it is closed.
	script := fmt.Sprintf(`exec 4<>p 5<p; i=0; while [ $i -lt %d ]; do ( (exec 4>&-; read x <&5) & ); i=$((i+1)); done; echo up; read x; exec 4>&-; read x`, n)
	for _, args := range inits() {
		b.Run(filepath.Base(args[0]), func(b *testing.B) {
			var sum time.Duration
			for range b.N {
				i, in := startInit(b, syscall.CLONE_NEWPID, append(args[:len(args):len(args)], "--", "sh", "-c", script))
				sum += reapAll(b, i.Process.Pid, in, n)
			}
			b.ReportMetric(ms(sum)/float64(b.N), "ms/1000")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// reapAll freezes an init until everybody has died, and measures from its thaw until the last one is reaped.
func reapAll(b *testing.B, pid int, in io.Writer, n int) time.Duration {
	b.Helper()
	until := func(what string, enough func() bool) {
		for end := time.Now().Add(hangs); !enough(); runtime.Gosched() {
			if time.Now().After(end) {
				b.Fatalf("still waiting until %s", what)
			}
		}
	}
	until("all are orphans", func() bool { return len(childrenOf(b, pid)) == n+1 })
	mustKill(b, pid, syscall.SIGSTOP)
	if _, err := io.WriteString(in, "\n"); err != nil {
		b.Fatal(err)
	}
	until("all are dead", func() bool { return zombies(b, pid) == n })
	begin := time.Now()
	mustKill(b, pid, syscall.SIGCONT)
	until("all are reaped", func() bool { return len(childrenOf(b, pid)) == 1 })
	return time.Since(begin)
}

// zombies counts the children who are dead.
func zombies(b *testing.B, pid int) (count int) {
	b.Helper()
	for _, child := range childrenOf(b, pid) {
		if text, err := os.ReadFile("/proc/" + child + "/stat"); err == nil && strings.Contains(string(text), ") Z ") {
			count++
		}
	}
	return count
}

func mustKill(b *testing.B, pid int, s syscall.Signal) {
	b.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		b.Fatal(err)
	}
}

// childrenOf lists the children of a program.
func childrenOf(b *testing.B, pid int) []string {
	b.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		b.Fatal(err)
	}
	var all []string
	for _, file := range files {
		text, _ := os.ReadFile(file) // or that thread has ended
		all = append(all, strings.Fields(string(text))...)
	}
	return all
}

// startInit starts one, in a folder with a pipe that is called p, and waits until its command says that it is up. It
// ends with the benchmark.
func startInit(b *testing.B, flags uintptr, args []string) (*exec.Cmd, io.Writer) {
	b.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = b.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	err := syscall.Mkfifo(filepath.Join(cmd.Dir, "p"), 0o600)
	var in io.WriteCloser
	if err == nil {
		in, err = cmd.StdinPipe()
	}
	var out io.Reader
	if err == nil {
		out, err = cmd.StdoutPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		_ = cmd.Wait() // and the shell ends when it has no more to read
	})
	if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
		b.Fatal(err)
	}
	return cmd, in
}
