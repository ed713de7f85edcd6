package engine

import (
	"testing"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// What the trees use, how many connections a gateway has, why somebody is not ready, and what was written last: each for
// whoever asks, while the tree runs and after it.
func TestLookedAtFromOutside(t *testing.T) {
	bothWays(t, func(t *testing.T, r *rig) {
		r.add("api", ordering.Worker, "sleep 1000 & echo hello; exec sleep 1000")
		slow := r.add("slow", ordering.Worker, "exec sleep 1000")
		asked := r.fifo("asked")
		look := r.shell("echo >$DIR/asked; exit 7")
		slow.Process.Instances[0].Probe.Exec = &look
		slow.Process.Instances[0].Probe.Interval = 10 * time.Millisecond
		slow.Spec.Ready = supervisor.Readiness{Kind: supervisor.ReadyProbe, Timeout: patient}
		hold := r.fifo("hold")
		r.gateway(supervisor.UntilQuiet)
		r.start()
		address := r.address("listens")
		api, edge, late := r.state("api", supervisor.Running), r.state("edge", supervisor.Running), r.state("slow", supervisor.Running)
		r.out.await("api | hello")

		used := r.host.Usage()
		if u := used[api.Run]; u.Processes != 2 || u.Memory < 64<<10 {
			t.Errorf("api uses %+v", u)
		}
		if u := used[edge.Run]; u.Processes != 1 || u.Memory < 64<<10 { // its time may be less than the clock counts
			t.Errorf("edge uses %+v", u)
		}

		idle, busy, unused := r.dial(address), r.dial(address), r.dial(address)
		idle.ask("/")
		idle.answered()
		busy.ask("/hold")
		r.out.await("holds a request")
		traffic := r.host.Traffic()
		if got := traffic[edge.Run]; len(traffic) != 1 || got.Busy < 1 || got.Busy+got.Idle != 2 || got.Unused+got.Queued != 1 {
			t.Errorf("the connections are %+v", traffic)
		}
		hold.release()
		busy.answered()
		unused.Close()

		asked.wait()
		asked.wait() // so the first look has come to its end
		if why := r.host.Unready()[late.Run]; why != "exit code 7" {
			t.Errorf("slow is not ready: %q", why)
		}
		pieces, _, _ := r.host.Output().Of("api").Read(0)
		if len(pieces) != 1 || string(pieces[0].Text) != "hello\n" {
			t.Errorf("api wrote %q", pieces)
		}
		if sinks := r.host.Sinks(); len(sinks) != 1 || sinks[0].Name != "stdout" || sinks[0].Bytes == 0 {
			t.Errorf("the sinks are %+v", sinks)
		}
		r.stop()
		if n := len(r.host.Usage()) + len(r.host.Traffic()) + len(r.host.Unready()) + len(r.host.Sinks()); n > 0 {
			t.Error("something is left of a tree that has ended")
		}
	})
}
