package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// BenchmarkStartStop is the time from exec to the last child ready, and from SIGTERM to lastout's exit.
func BenchmarkStartStop(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var up, down time.Duration
			for range b.N {
				u, d := upDown(b, n)
				up, down = up+u, down+d
			}
			b.ReportMetric(ms(up)/float64(b.N), "start-ms")
			b.ReportMetric(ms(down)/float64(b.N), "stop-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkMemory is lastout's own memory, unique and resident, with n idle children.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{0, 100, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			conf := sleepers(n)
			if n == 0 {
				conf = "[shutdown]\nwhen_done = \"stay\"\n" + sleepers(0)
			}
			for range b.N {
				x := launch(b, conf)
				x.untilReady(n)
				b.ReportMetric(memory(b, x.cmd.Process.Pid, `Private_(?:Clean|Dirty)`), "USS-KiB")
				b.ReportMetric(memory(b, x.cmd.Process.Pid, `Rss`), "RSS-KiB")
				x.stop(syscall.SIGTERM)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// memory adds up fields of /proc/PID/smaps_rollup, in KiB.
func memory(b *testing.B, pid int, field string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		b.Fatal(err)
	}
	sum := 0
	for _, m := range regexp.MustCompile(field+`:\s+(\d+) kB`).FindAllSubmatch(text, -1) {
		n, err := strconv.Atoi(string(m[1]))
		if err != nil {
			b.Fatal(err)
		}
		sum += n
	}
	return float64(sum)
}

// BenchmarkRestart is the time from a child's SIGKILL to its successor's first act, at the smallest delay.
func BenchmarkRestart(b *testing.B) {
	x := launch(b, `
[process.c]
command = ["$CHILD", "-record", "$DIR/c", "-ready", "3"]
ready = { fd = 3 }
backoff = { min = "1ns", max = "1ns", limit = 0 }
`)
	x.untilReady(1)
	var sum time.Duration
	for k := range b.N {
		killed := monotonic()
		if err := syscall.Kill(x.lives("c")[k].pid, syscall.SIGKILL); err != nil {
			b.Fatal(err)
		}
		x.until("the successor", func(es []entry) bool { return count(es, "ready") == k+2 })
		sum += time.Duration(x.lives("c")[k+1].start - killed)
	}
	b.ReportMetric(ms(sum)/float64(b.N), "restart-ms")
	b.ReportMetric(0, "ns/op")
	x.stop(syscall.SIGTERM)
}

func count(es []entry, state string) int {
	n := 0
	for _, e := range es {
		if e.Kind == "state" && e.State == state {
			n++
		}
	}
	return n
}

// BenchmarkOutput is how much of 100-byte lines goes through a child's pipe a second.
func BenchmarkOutput(b *testing.B) {
	const size = 1 << 30
	for mode, log := range map[string]string{
		"prefix": `{ stdout = "prefix" }`,
		"file":   `{ stdout = "file", file = "$DIR/flood.log", max_size = "100MiB", max_files = 3 }`,
	} {
		b.Run(mode, func(b *testing.B) {
			b.SetBytes(size)
			for range b.N {
				b.StopTimer()
				shm, err := os.MkdirTemp("/dev/shm", "lastout-bench-")
				if err != nil {
					b.Fatal(err)
				}
				b.Setenv("TMPDIR", shm)
				b.StartTimer()
				x := launch(b, fmt.Sprintf(
					"[process.c]\nrole = \"task\"\ncommand = [\"$CHILD\", \"-flood\", \"%d\"]\nlog = %s\n", size, log))
				if code := x.wait(); code != 0 {
					b.Fatalf("exit %d", code)
				}
				b.StopTimer()
				os.Remove(filepath.Join(x.dir, "stdout"))
				os.RemoveAll(shm)
				b.StartTimer()
			}
		})
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
