package engine

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// BenchmarkIdleShutdown compares the shutdown of a gateway, at which nobody is connected, and four workers: with a drain
// and without. The least of all is told too, for the machine may have something else to do.
func BenchmarkIdleShutdown(b *testing.B) {
	for _, drains := range []bool{false, true} {
		b.Run(fmt.Sprintf("drain=%v", drains), func(b *testing.B) {
			var all, least time.Duration
			for b.Loop() {
				b.StopTimer()
				r := newRig(b)
				r.add("api", ordering.Worker, "exec sleep 1000").Spec.Instances = 4
				api := r.entry("api").Process
				for n := 2; n <= 4; n++ {
					more := api.Instances[0]
					more.Name, more.N = fmt.Sprintf("api.%d", n), n
					api.Instances = append(api.Instances, more)
				}
				api.Instances[0].Name = "api.1"
				edge := r.gateway(supervisor.UntilQuiet).probed(config.Probe{Log: regexp.MustCompile("^listens")})
				if !drains {
					edge.Spec.Drain = supervisor.Drain{}
				}
				r.nodes[1].DependsOn = []string{"api"}
				r.start()
				r.state("edge", supervisor.Ready)
				if drains {
					r.await("the outlook", func(x supervisor.Report) bool { return x.Kind == supervisor.KindOutlook })
				}
				b.StartTimer()
				began := time.Now()
				if out := r.stop(); out.Code != 0 {
					b.Fatalf("outcome %+v", out)
				}
				took := time.Since(began)
				b.StopTimer()
				all += took
				if least == 0 || took < least {
					least = took
				}
				r.close()
				b.StartTimer()
			}
			b.ReportMetric(float64(all.Microseconds())/1000/float64(b.N), "ms/shutdown")
			b.ReportMetric(float64(least.Microseconds())/1000, "ms/least")
		})
	}
}
