package supervisor

import (
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// TestSnapshot looks at a tree on its way up, and on its way down.
func TestSnapshot(t *testing.T) {
	g, specs, o := parseTree(t, `db service
slow worker needs=db ready=probe:10s
api worker needs=db,slow instances=2
off worker disabled
none worker instances=0
last worker instances=0`)
	m := New(g, specs, o)
	db, slow := Inst{Proc: 0, N: 1}, Inst{Proc: 1, N: 1}
	m.Step(0, Begin{})
	m.Step(1*time.Second, Spawned{Inst: db, Run: 1, PID: 11})
	m.Step(2*time.Second, Spawned{Inst: slow, Run: 2, PID: 12})
	waits := []string{"slow"}
	empty := []EmptySnapshot{
		{Process: "off", Role: "worker", Disabled: true, Before: 4},
		{Process: "none", Role: "worker", Before: 4},
		{Process: "last", Role: "worker", Before: 4},
	}
	want := Snapshot{At: 5 * time.Second, Phase: Up, Empty: empty, Instances: []InstanceSnapshot{
		{Name: "db", Process: "db", Role: "service", State: Ready, Since: 1 * time.Second, Run: 1, PID: 11, Wanted: true},
		{
			Name: "slow", Process: "slow", Role: "worker", State: Running, Since: 2 * time.Second, Run: 2, PID: 12,
			Bound: 7 * time.Second, Wanted: true,
		},
		{Name: "api.1", Process: "api", Role: "worker", State: Waiting, WaitsFor: waits, Wanted: true},
		{Name: "api.2", Process: "api", Role: "worker", State: Waiting, WaitsFor: waits, Wanted: true},
	}}
	if diff := gocmp.Diff(want, m.Snapshot(5*time.Second)); diff != "" {
		t.Errorf("on the way up (-want +got):\n%s", diff)
	}

	m.Step(6*time.Second, Stop{Cause: "SIGTERM"})
	m.Step(7*time.Second, Exited{Inst: slow, Run: 2, Exit: Exit{Signal: syscall.SIGTERM}, Left: 1})
	want = Snapshot{At: 8 * time.Second, Phase: Walking, Ends: 36 * time.Second, Empty: empty, Instances: []InstanceSnapshot{
		{
			Name: "db", Process: "db", Role: "service", State: Ready, Since: 1 * time.Second, Run: 1, PID: 11,
			WaitsFor: waits,
		},
		{
			Name: "slow", Process: "slow", Role: "worker", State: Stopping, Since: 6 * time.Second, Run: 2,
			Exit: &Exit{Signal: syscall.SIGTERM}, Bound: 8 * time.Second,
		},
		{Name: "api.1", Process: "api", Role: "worker", State: Off, Since: 6 * time.Second},
		{Name: "api.2", Process: "api", Role: "worker", State: Off, Since: 6 * time.Second},
	}}
	if diff := gocmp.Diff(want, m.Snapshot(8*time.Second)); diff != "" {
		t.Errorf("on the way down (-want +got):\n%s", diff)
	}
}
