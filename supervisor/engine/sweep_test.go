package engine

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"lastout/ordering"
	"lastout/supervisor"
)

// The look of a probe that is being started while the tree has come to its end is not left behind.
func TestNoLookIsLeft(t *testing.T) {
	r := newRig(t)
	r.add("api", ordering.Worker, "exec sleep 1000")
	r.start()
	r.state("api", supervisor.Ready)
	began, goOn := make(chan struct{}), make(chan struct{})
	c := &child{name: "api health", command: r.shell("exec sleep 1000"), hook: true, prepare: func(*child) error {
		close(began)
		<-goOn
		return nil
	}}
	c.part = &asker{child: c, ended: make(chan error, 1), life: &life{}}
	h := r.host
	h.onLoop(func() { h.start(c) })
	<-began
	h.Stop("test")
	r.await("the end of the last run", func(rep supervisor.Report) bool {
		return rep.Kind == supervisor.KindPhase && rep.Phase == supervisor.Closing
	})
	_, _ = h.Snapshot() // the loop has done what belongs to that
	close(goOn)
	if out := r.wait(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(c.pid) + "/stat")
	if c.pid == 0 || err == nil && !strings.Contains(string(stat), ") Z ") {
		t.Errorf("the look, pid %d, lives on: %s", c.pid, stat)
	}
}
