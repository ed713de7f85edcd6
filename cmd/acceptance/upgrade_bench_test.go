package acceptance

import (
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
)

// BenchmarkUpgrade tells how long trees of different sizes are without a supervisor.
func BenchmarkUpgrade(b *testing.B) {
	paths := theBuilds(b)
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x := launch(b, "[control]\nsocket = \"$DIR/c.sock\"\n"+sleepers(n))
			x.untilReady(n)
			away, i := 0.0, 0
			for b.Loop() {
				i++
				out, err := x.upgrade("--binary", paths[i%2], "-o", "json")
				var done struct {
					Away float64 `json:"away_seconds"`
					Kept int     `json:"kept"`
				}
				if err != nil || json.Unmarshal([]byte(out), &done) != nil || done.Kept != n {
					b.Fatalf("%v\n%s", err, out)
				}
				away += done.Away
			}
			b.ReportMetric(away*1000/float64(i), "away-ms/op")
			if code, _ := x.stop(syscall.SIGTERM); code != 0 {
				b.Errorf("exit code %d", code)
			}
		})
	}
}
