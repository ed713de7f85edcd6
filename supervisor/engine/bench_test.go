package engine

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// sleepers is a tree of n children that do nothing, and a channel that is closed when all are ready.
func sleepers(b testing.TB, n int) (*rig, <-chan struct{}) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		b.Skip(err)
	}
	r := newRig(b)
	api := r.add("api", ordering.Worker, "")
	first := api.Process.Instances[0]
	first.Command = config.Command{Argv: []string{sleep, "infinity"}, Dir: "/", Env: r.env()}
	api.Process.Instances = nil
	for i := range n {
		first.Name, first.N = fmt.Sprintf("api.%d", i+1), i+1
		api.Process.Instances = append(api.Process.Instances, first)
	}
	api.Spec.Instances = n
	ready, all := 0, make(chan struct{})
	r.count = func(rep supervisor.Report) {
		if rep.State == supervisor.Ready {
			if ready++; ready == n {
				close(all)
			}
		}
	}
	return r, all
}

// BenchmarkStartStop is the time to bring so many children up, and down again.
func BenchmarkStartStop(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var up, down time.Duration
			for b.Loop() {
				r, ready := sleepers(b, n)
				began := time.Now()
				r.start()
				<-ready
				up += time.Since(began)
				began = time.Now()
				if out := r.stop(); out.Code != 0 {
					b.Fatalf("outcome %+v", out)
				}
				down += time.Since(began)
				r.close()
			}
			b.ReportMetric(float64(up.Microseconds())/1000/float64(b.N), "ms-up/op")
			b.ReportMetric(float64(down.Microseconds())/1000/float64(b.N), "ms-down/op")
		})
	}
}

// BenchmarkRestart is the time from the SIGKILL of a child to the exec of its next life, without the backoff that is
// configured as the shortest there is.
func BenchmarkRestart(b *testing.B) {
	r, ready := sleepers(b, 1)
	r.entry("api").Restart = supervisor.RestartAlways
	r.entry("api").Backoff = supervisor.Backoff{Min: 1, Max: 1, ResetAfter: 1}
	count, lives := r.count, make(chan int, 1)
	r.count = func(rep supervisor.Report) {
		count(rep)
		if rep.PID != 0 && rep.State == supervisor.Running {
			lives <- rep.PID
		}
	}
	r.start()
	<-ready
	alive := <-lives
	for b.Loop() {
		if err := syscall.Kill(alive, syscall.SIGKILL); err != nil {
			b.Fatal(err)
		}
		alive = <-lives
	}
	r.stop()
	r.close()
}

// BenchmarkIdleChild is what a child costs while it does nothing: goroutine stacks and heap.
func BenchmarkIdleChild(b *testing.B) {
	const n = 500
	memory := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	for b.Loop() {
		r, ready := sleepers(b, n)
		before := memory()
		r.start()
		<-ready
		b.ReportMetric(float64(memory()-before)/n, "bytes/child")
		r.stop()
		r.close()
	}
}
