package engine

import (
	"strings"
	"testing"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// Of two gateways for which nothing is configured, the one that listens is drained, and the other not.
func TestWhoListensIsDrained(t *testing.T) {
	r := newRig(t)
	e := r.gateway(supervisor.UntilQuiet)
	e.Spec.Drain.Listens = true
	mute := r.add("mute", ordering.Gateway, "echo up; exec sleep 600")
	mute.Process.Instances[0].Drain = config.Drain{Quiet: 100 * time.Millisecond}
	mute.Spec.Drain = e.Spec.Drain
	hold := r.fifo("hold")
	r.start()
	c := r.dial(r.address("listens"))
	r.out.await("mute | up")
	c.ask("/hold")
	r.out.await("holds a request")
	r.host.Stop("test")
	r.quiesced()
	hold.release()
	c.answered()
	if out := r.wait(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	r.first1("edge", supervisor.Drained)
	if r.has(supervisor.KindQuiesce, "mute") {
		t.Error("it listens nowhere, and was quiesced")
	}
	r.find("the silent one is named", func(rep supervisor.Report) bool {
		return rep.Kind == supervisor.KindNote && strings.HasSuffix(rep.Cause, "is not drained: mute")
	})
}

// TestSilent asks about a tree that listens on a path only, and about one that is gone.
func TestSilent(t *testing.T) {
	r := newRig(t)
	r.gateway(supervisor.UntilQuiet, "unix")
	r.add("sh", ordering.Worker, "echo up; exec sleep 600")
	r.start()
	r.out.await("edge | listens on a path")
	r.out.await("sh | up")
	edge, sh := r.state("edge", supervisor.Running).PID, r.state("sh", supervisor.Running).PID
	silent, err := silentOf(map[supervisor.Run][]int{1: {sh, edge}, 2: {sh}, 3: {}})
	if err != nil {
		t.Fatal(err)
	}
	if len(silent) != 2 || silent[0] == 1 || silent[1] == 1 {
		t.Errorf("silent are %v, want 2 and 3", silent)
	}
	r.stop()
}
