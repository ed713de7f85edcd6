package acceptance

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// crashing has a child that crashes again and again, a chain and a gateway.
const crashing = `
[shutdown]
timeout = "20s"
[process.crash]
command = ["$CHILD", "-record", "$DIR/crash", "-life", "3ms", "-code", "7"]
backoff = { min = "1ms", max = "5ms", limit = 0 }
[process.db]
role = "service"
command = ["$CHILD", "-record", "$DIR/db", "-ready", "3", "-leave", "2ms"]
ready = { fd = 3 }
[process.api]
command = ["$CHILD", "-record", "$DIR/api.{instance}", "-leave", "20ms"]
depends_on = ["db"]
instances = 2
[process.edge]
role = "gateway"
command = ["$CHILD", "-record", "$DIR/edge", "-leave", "2ms"]
depends_on = ["api"]
`

// TestCycles stops a tree at random moments of its first 60 ms, a thousand times: never a hang, a survivor (both are
// failures of the harness), or a start after the stop.
func TestCycles(t *testing.T) {
	cycles, lanes := 1000, 2
	if testing.Short() {
		cycles = 50
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range lanes {
		wg.Go(func() {
			for k := next.Add(1); k <= int64(cycles) && !t.Failed(); k = next.Add(1) {
				t.Run(fmt.Sprint(k), func(t *testing.T) { cycle(t, uint64(k)) })
			}
		})
	}
	wg.Wait()
}

func cycle(t *testing.T, seed uint64) {
	wait := time.Duration(rand.New(rand.NewPCG(seed, 60)).IntN(60_000)) * time.Microsecond
	x := launch(t, crashing)
	<-time.After(wait - time.Since(x.started))
	code, _ := x.stop(syscall.SIGTERM)
	if code == -1 {
		// The signal came before lastout's handler was in: the kernel's default, and nobody had been started.
		if n := len(x.lives("db")) + len(x.lives("crash")); n > 0 {
			t.Errorf("died of the signal with %d children started", n)
		}
		return
	}
	end := monotonic()
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	for _, name := range []string{"crash", "db", "api.1", "api.2", "edge"} {
		for _, l := range x.lives(name) {
			if l.start > end {
				t.Errorf("%s started after the end", name)
			}
		}
	}
	x.verify()
}
