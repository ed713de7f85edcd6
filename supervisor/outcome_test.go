package supervisor

import (
	"syscall"
	"testing"
	"time"

	"lastout/ordering"
)

// TestOutcome holds the exit codes: the highest class that applies, and the code of whoever triggered the shutdown.
func TestOutcome(t *testing.T) {
	ended := func(e Exit) *instance { return &instance{life: life{exit: &e, freed: true}} }
	crash, fine := ended(Exit{Code: 7}), ended(Exit{})
	killed := ended(Exit{Signal: syscall.SIGSEGV})
	stopped := &instance{life: life{exit: &Exit{Signal: syscall.SIGTERM}, fault: "not ready within 1s"}}
	unstarted := &instance{life: life{fault: "cannot start: exec x: no such file"}}

	type facts struct {
		needed, lost, survived, unstarted, failed, allOver, forced, classOnly bool
		trigger                                                               *instance
	}
	for name, c := range map[string]struct {
		facts facts
		code  int
		class int
	}{
		"all left by themselves":          {facts{}, 0, 0},
		"failed earlier, then stopped":    {facts{failed: true}, 0, 0},
		"all ended, one had failed":       {facts{failed: true, allOver: true}, 1, 1},
		"all ended well":                  {facts{allOver: true}, 0, 0},
		"a start failed":                  {facts{failed: true, unstarted: true}, 1, 1},
		"somebody needed SIGKILL":         {facts{needed: true}, 3, 3},
		"SIGKILL above a failed start":    {facts{needed: true, unstarted: true, failed: true}, 3, 3},
		"lost":                            {facts{lost: true, needed: true}, 4, 4},
		"survived":                        {facts{survived: true}, 4, 4},
		"forced above all":                {facts{forced: true, lost: true, needed: true, unstarted: true}, 5, 5},
		"trigger's code":                  {facts{trigger: crash, failed: true}, 7, 1},
		"trigger's 0 above SIGKILL":       {facts{trigger: fine, needed: true}, 0, 3},
		"trigger's signal":                {facts{trigger: killed, failed: true}, 139, 1},
		"trigger's failure, class only":   {facts{trigger: crash, failed: true, classOnly: true}, 1, 1},
		"trigger's code, lost":            {facts{trigger: crash, failed: true, lost: true}, 7, 4},
		"trigger, forced":                 {facts{trigger: crash, failed: true, forced: true}, 5, 5},
		"trigger, class only":             {facts{trigger: crash, needed: true, classOnly: true}, 3, 3},
		"trigger stopped by us":           {facts{trigger: stopped, failed: true, unstarted: true}, 1, 1},
		"trigger that could not start":    {facts{trigger: unstarted, failed: true, unstarted: true}, 1, 1},
		"trigger could not start, killed": {facts{trigger: unstarted, needed: true, unstarted: true}, 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			f := c.facts
			i := &instance{
				name: "x", needed: f.needed, lost: f.lost, wasLost: f.lost, state: Stopped, failed: f.failed,
				unstarted: f.unstarted,
			}
			m := &Machine{insts: []*instance{i}, opts: Options{ClassOnly: f.classOnly}}
			m.shutdown.allOver, m.shutdown.trigger = f.allOver, f.trigger
			if f.survived {
				m.shutdown.survived = []string{"pid 7"}
			}
			if f.forced {
				m.level = Forced
			}
			if o := m.judge(); o.Code != c.code || o.Class != c.class {
				t.Errorf("code %d, class %d; want %d, %d", o.Code, o.Class, c.code, c.class)
			}
		})
	}
}

func TestDelay(t *testing.T) {
	usual := Backoff{Min: 100 * time.Millisecond, Max: 30 * time.Second}
	for _, c := range []struct {
		b       Backoff
		attempt int
		least   time.Duration
		most    time.Duration
	}{
		{usual, 1, 100 * time.Millisecond, 125 * time.Millisecond},
		{usual, 2, 200 * time.Millisecond, 250 * time.Millisecond},
		{usual, 5, 1600 * time.Millisecond, 2 * time.Second},
		{usual, 9, 25600 * time.Millisecond, 30 * time.Second},
		{usual, 10, 30 * time.Second, 30 * time.Second},
		{usual, 1 << 40, 30 * time.Second, 30 * time.Second},
		{Backoff{Min: 3 * time.Second, Max: 3 * time.Second}, 4, 3 * time.Second, 3 * time.Second},
		{Backoff{Min: 5 * time.Second, Max: 3 * time.Second}, 1, 3 * time.Second, 3 * time.Second},
		{Backoff{Min: 1, Max: Forever}, 200, Forever, Forever},
		{Backoff{Max: time.Second}, 1 << 40, 0, 0},
	} {
		drawn := make(map[time.Duration]bool)
		for seed := range uint64(500) {
			d := Delay(c.b, c.attempt, seed)
			if d < c.least || d > c.most {
				t.Errorf("Delay(%v, %d, %d) = %v, want %v to %v", c.b, c.attempt, seed, d, c.least, c.most)
			}
			if d != Delay(c.b, c.attempt, seed) {
				t.Errorf("Delay(%v, %d, %d) differs from itself", c.b, c.attempt, seed)
			}
			drawn[d] = true
		}
		if c.least < c.most && len(drawn) < 100 {
			t.Errorf("attempt %d: only %d different delays in 500", c.attempt, len(drawn))
		}
	}
}

func TestNextWait(t *testing.T) {
	var said []time.Duration
	for at := time.Duration(0); at < 45*time.Second; {
		at = nextWait(at)
		said = append(said, at/time.Second)
	}
	want := []time.Duration{1, 2, 4, 8, 10, 20, 30, 40, 50}
	if len(said) != len(want) {
		t.Fatalf("said at %v, want %v", said, want)
	}
	for n := range want {
		if said[n] != want[n] {
			t.Errorf("said at %v, want %v", said, want)
		}
	}
}

// TestCheckSees holds that Check is not blind: each kept fact, bent, is found.
func TestCheckSees(t *testing.T) {
	for name, bend := range map[string]func(m *Machine){
		"count of the present": func(m *Machine) { m.present++ },
		"count of the living":  func(m *Machine) { m.alive-- },
		"count of the ready":   func(m *Machine) { m.procs[0].ready = 0 },
		"count of the leaving": func(m *Machine) { m.procs[0].going++ },
		"count of the stopped": func(m *Machine) { m.procs[0].stopped++ },
		"a part nobody works on": func(m *Machine) {
			m.insts[0].parts = append(m.insts[0].parts, &part{op: &operation{}, inst: m.insts[0]})
		},
		"needs":                 func(m *Machine) { m.procs[1].unmet++ },
		"bound missing":         func(m *Machine) { m.insts[1].state = Stopping },
		"deadline not kept":     func(m *Machine) { m.insts[0].deadline = 5 },
		"run of the living":     func(m *Machine) { m.insts[0].run = 0 },
		"hook that nobody has":  func(m *Machine) { m.hooks[9] = &hook{run: 9} },
		"departure of nobody":   func(m *Machine) { m.insts[1].course = goes },
		"phase without a wait":  func(m *Machine) { m.phase = Closing },
		"state of a shutdown":   func(m *Machine) { m.insts[1].state = Remains },
		"work left undone":      func(m *Machine) { m.touch(m.procs[0]) },
		"dependents not served": func(m *Machine) { m.procs[0].satisfied = false },
	} {
		t.Run(name, func(t *testing.T) {
			g, err := ordering.New([]ordering.Node{
				{Name: "db", Role: ordering.Service}, {Name: "api", DependsOn: []string{"db"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			m := New(g, []Spec{
				{Name: "db", Role: ordering.Service, Enabled: true, Instances: 1}, {Name: "api", Enabled: true, Instances: 1},
			}, Options{})
			m.Step(0, Begin{})
			m.Step(1, Spawned{Inst: Inst{N: 1}, Run: 1, PID: 7})
			m.Step(2, Spawned{Inst: Inst{Proc: 1, N: 1}, Run: 2, PID: 8})
			if err := m.Check(); err != nil {
				t.Fatal(err)
			}
			bend(m)
			if m.Check() == nil {
				t.Error("Check sees nothing")
			}
		})
	}
}
