package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// ill waits until a look at an instance has failed so often in a row.
func (r *rig) ill(instance string, times int) supervisor.Report {
	r.t.Helper()
	return r.await(fmt.Sprintf("%s is ill, %d", instance, times), func(rep supervisor.Report) bool {
		return rep.Kind == supervisor.KindHealth && rep.Instance == instance && rep.Cause != "" && rep.Step == times
	})
}

// A run that is ill as often as it may is stopped and started again; one that is well again in between is not.
func TestUnhealthyIsRestarted(t *testing.T) {
	r := newRig(t)
	looks := r.shell("test -e $DIR/well")
	e := r.add("api", ordering.Worker, `touch $DIR/well; echo "up as $$"; exec sleep 600`)
	e.Process.Instances[0].Health = config.Health{Exec: &looks, Interval: time.Millisecond, Timeout: patient}
	e.Spec.Health.Failures = 1 << 30
	e.Spec.Backoff = supervisor.Backoff{Min: time.Millisecond, Max: time.Millisecond}
	dog := r.add("dog", ordering.Worker, `echo "dog with $WATCHDOG_USEC"; exec sleep 600`).
		probed(config.Probe{Log: regexp.MustCompile("^dog with")}) // its time begins when it is ready
	dog.Process.Instances[0].Health = config.Health{Watchdog: 50 * time.Millisecond}
	dog.Spec.Health.Failures = 3
	dog.Spec.Restart, dog.Spec.OnExit = supervisor.RestartNever, supervisor.Ignore
	r.start()
	r.out.await("api | up as")
	r.out.await("dog | dog with 50000")
	dead := r.state("dog", supervisor.Failed)
	if want := "unhealthy: it did not send WATCHDOG=1 within 50ms"; dead.Cause != want {
		t.Errorf("the dog failed by %q, want %q", dead.Cause, want)
	}
	well := filepath.Join(r.dir, "well")
	if err := os.Remove(well); err != nil {
		t.Fatal(err)
	}
	r.ill("api", 2)
	if err := os.WriteFile(well, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.await("well again", func(rep supervisor.Report) bool {
		return rep.Kind == supervisor.KindHealth && rep.Instance == "api" && rep.Cause == ""
	})
	if s, _ := r.host.Snapshot(); s.Instances[0].Healthy == nil || s.Instances[0].Restarts != 0 {
		t.Errorf("it is well again, and shown as %+v", s.Instances[0])
	}
	if out := r.stop(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
}

// The failures that are allowed are counted, and its next life is looked at again.
func TestUnhealthyAgain(t *testing.T) {
	r := newRig(t)
	e := r.add("api", ordering.Worker, "echo up; exec sleep 600")
	e.Process.Instances[0].Health = config.Health{TCP: "127.0.0.1:1", Interval: time.Millisecond, Timeout: patient}
	e.Spec.Health.Failures = 2
	e.Spec.Backoff = supervisor.Backoff{Min: time.Millisecond, Max: time.Millisecond, Limit: 2}
	e.Spec.Restart, e.Spec.OnExit = supervisor.RestartOnFailure, supervisor.Shutdown
	r.start()
	out := r.wait()
	if out.Class != 1 || out.Trigger != "api" {
		t.Errorf("outcome %+v", out)
	}
	failed := r.state("api", supervisor.Failed)
	if !strings.HasPrefix(failed.Cause, "unhealthy, 2 times in a row: dial tcp 127.0.0.1:1") || !strings.HasSuffix(failed.Cause, "after 2 restarts") {
		t.Errorf("it failed by %q", failed.Cause)
	}
	if failed.Run < 3 {
		t.Errorf("it failed in run %d", failed.Run)
	}
}

// A program that barks at its watchdog in time lives; its own word that it has failed ends it at once.
func TestWatchdog(t *testing.T) {
	r := newRig(t)
	e := r.add("dog", ordering.Worker, "")
	e.Process.Instances[0].Command = r.helper("watchdog")
	e.Process.Instances[0].Health = config.Health{Watchdog: time.Hour}
	e.Spec.Health.Failures = 3
	e.Spec.Restart, e.Spec.OnExit = supervisor.RestartNever, supervisor.Ignore
	r.start()
	if failed := r.state("dog", supervisor.Failed); failed.Cause != "unhealthy: it sent WATCHDOG=trigger" {
		t.Errorf("it failed by %q", failed.Cause)
	}
	r.stop()
}
