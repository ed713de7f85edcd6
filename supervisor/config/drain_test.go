package config

import (
	"syscall"
	"testing"
	"time"

	"lastout/supervisor"
)

// TestDrain is what becomes of drain tables.
func TestDrain(t *testing.T) {
	c := loadGood(t, `
[process.edge]
role = "gateway"
command = ["./edge"]
depends_on = ["api"]
drain = {}

[process.tuned]
role = "gateway"
command = ["./tuned"]
depends_on = ["api"]
port = 9000

[process.tuned.drain]
command = { command = ["./away", "{port}"], timeout = "3s" }
until = "connections"
quiet = "2s"
timeout = "20s"
settle = "0s"
quiesce = "none"
preconnects = "keep"
ports = [80, 443]

[process.asked]
role = "gateway"
command = ["./asked"]
depends_on = ["api"]
drain = { signal = "TTOU", until = "probe", probe = { shell = "./idle {port}", timeout = "3s" }, quiesce = "sentinel" }

[process.api]
command = ["./api"]
drain = { signal = "SIGTSTP" }

[process.plain]
command = ["./plain"]
`, LoadOptions{})
	_, edge := find(t, c, "edge")
	same(t, "edge", supervisor.Drain{
		Quiesce: true, Until: supervisor.UntilQuiet, Timeout: 10 * time.Second, Settle: time.Second,
	}, edge.Drain)
	_, tuned := find(t, c, "tuned")
	same(t, "tuned", supervisor.Drain{
		Invite: supervisor.Invite{Command: 3 * time.Second}, Until: supervisor.UntilConnections, Timeout: 20 * time.Second,
	}, tuned.Drain)
	_, asked := find(t, c, "asked")
	same(t, "asked", supervisor.Drain{
		Quiesce: true, Invite: supervisor.Invite{Signal: syscall.SIGTTOU}, Until: supervisor.UntilProbe,
		Timeout: 10 * time.Second, Settle: time.Second,
	}, asked.Drain)
	_, api := find(t, c, "api")
	same(t, "a worker turns nobody away and settles not", supervisor.Drain{
		Invite: supervisor.Invite{Signal: syscall.SIGTSTP}, Until: supervisor.UntilExit, Timeout: 10 * time.Second,
	}, api.Drain)
	_, plain := find(t, c, "plain")
	same(t, "who has no drain table is not drained", supervisor.Drain{}, plain.Drain)
}

// TestDrainOfInstances is what the engine is told of the same.
func TestDrainOfInstances(t *testing.T) {
	c := loadGood(t, `
[process.edge]
role = "gateway"
command = ["./edge"]
depends_on = ["api"]
drain = {}

[process.tuned]
role = "gateway"
command = ["./tuned"]
depends_on = ["api"]
port = 9000
instances = 2

[process.tuned.drain]
command = { command = ["./away", "{port}"] }
until = "probe"
probe = { shell = "./idle {port}", timeout = "3s" }
quiet = "2s"
quiesce = "minttl"
preconnects = "keep"
ports = [80, 443]

[process.api]
command = ["./api"]
drain = {}

[process.plain]
command = ["./plain"]
`, LoadOptions{})
	drain := func(name string, n int) Drain {
		p, _ := find(t, c, name)
		return p.Instances[n-1].Drain
	}
	same(t, "edge", Drain{Quiet: 500 * time.Millisecond, Quiesce: "auto"}, drain("edge", 1))
	got := drain("tuned", 2)
	same(t, "command", []string{"./away", "9001"}, got.Command.Argv)
	same(t, "probe", []string{"/bin/sh", "-c", "./idle {port}"}, got.Probe.Argv)
	got.Command, got.Probe = nil, nil
	same(t, "tuned.2", Drain{
		ProbeTimeout: 3 * time.Second, Quiet: 2 * time.Second, Quiesce: "minttl", KeepPreconnects: true, Ports: []int{80, 443},
	}, got)
	same(t, "a worker's spare connections are its gateway's", Drain{
		Quiet: 500 * time.Millisecond, Quiesce: "none", KeepPreconnects: true,
	}, drain("api", 1))
	same(t, "plain", Drain{}, drain("plain", 1))
}

// TestWhoDrains demands that a gateway drains, and one for which nothing is written only if it listens.
func TestWhoDrains(t *testing.T) {
	for written, listens := range map[string]bool{
		"": true, "drain = {}": false, `drain = { quiesce = "none" }`: false, `drain = { signal = "QUIT" }`: false,
		`hooks.pre_drain = { command = ["./a"] }`: false,
	} {
		c := loadGood(t, "[process.a]\nrole = \"gateway\"\ncommand = [\"./a\"]\n"+written, LoadOptions{})
		if !c.Graph.Drains(0) {
			t.Errorf("with %q it does not drain", written)
		}
		drain := supervisor.Drain{
			Quiesce: true, Listens: listens, Until: supervisor.UntilQuiet, Timeout: 10 * time.Second, Settle: time.Second,
		}
		if listens {
			same(t, "the drain of a gateway with nothing written", drain, c.Specs[0].Drain)
		}
		if got := c.Specs[0].Drain.Listens; got != listens {
			t.Errorf("with %q it drains only if it listens: %v, want %v", written, got, listens)
		}
	}
}

// TestLinger is told apart from the machine's options: it is for who is PID 1.
func TestLinger(t *testing.T) {
	for written, want := range map[string]time.Duration{
		"": 2 * time.Second, `shutdown.linger = "0s"`: 0, `shutdown.linger = "500ms"`: 500 * time.Millisecond,
	} {
		c := loadGood(t, written+"\n[process.a]\ncommand = [\"./a\"]\n", LoadOptions{})
		same(t, "linger with "+written, want, c.Linger)
		same(t, "option with "+written, time.Duration(0), c.Options.Linger)
	}
}
