package report

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"lastout/supervisor"
)

const ms = time.Millisecond

// story collects reports as a machine would give them.
type story struct {
	at      supervisor.Instant
	reports []supervisor.Report
}

func (s *story) say(r supervisor.Report) {
	r.At = s.at
	s.reports = append(s.reports, r)
}

func (s *story) after(d time.Duration) *story { s.at += d; return s }

func (s *story) phase(p supervisor.Phase, cause string, bound time.Duration) {
	s.say(supervisor.Report{Kind: supervisor.KindPhase, Phase: p, Cause: cause, Bound: bound})
}

func (s *story) free(process, step string, after ...string) {
	s.say(supervisor.Report{
		Kind: supervisor.KindFree, Process: process, Cause: step, After: after, Bound: 2500 * ms,
	})
}

func (s *story) state(instance string, from, to supervisor.State) {
	process, _, _ := strings.Cut(instance, ".")
	s.say(supervisor.Report{Kind: supervisor.KindState, Process: process, Instance: instance, From: from, State: to})
}

func (s *story) tell(instance string, sig syscall.Signal, bound time.Duration) {
	process, _, _ := strings.Cut(instance, ".")
	s.say(supervisor.Report{
		Kind: supervisor.KindSignal, Process: process, Instance: instance, Signal: sig, Step: 1, Bound: bound,
	})
	s.state(instance, supervisor.Ready, supervisor.Stopping)
}

func (s *story) exit(instance string, e supervisor.Exit, asked bool, left int) {
	process, _, _ := strings.Cut(instance, ".")
	s.say(supervisor.Report{
		Kind: supervisor.KindExit, Process: process, Instance: instance, Exit: &e, Asked: asked, Left: left,
	})
}

func (s *story) gone(instance string, from, to supervisor.State) {
	process, _, _ := strings.Cut(instance, ".")
	s.say(supervisor.Report{Kind: supervisor.KindGone, Process: process, Instance: instance})
	s.state(instance, from, to)
}

// leaves tells an instance, and lets it leave well after the given time.
func (s *story) leaves(instance string, took time.Duration) {
	s.tell(instance, syscall.SIGTERM, 10*time.Second)
	s.after(took).exit(instance, supervisor.Exit{}, true, 0)
	s.gone(instance, supervisor.Stopping, supervisor.Stopped)
}

func (s *story) kill(instance, why string) {
	process, _, _ := strings.Cut(instance, ".")
	s.say(supervisor.Report{Kind: supervisor.KindKill, Process: process, Instance: instance, Cause: why, Bound: 5e9})
	s.state(instance, supervisor.Stopping, supervisor.Killing)
}

func (s *story) finish(o supervisor.Outcome) {
	s.phase(supervisor.Finished, "", 0)
	s.say(supervisor.Report{Kind: supervisor.KindFinish, Outcome: &o})
}

// orderly is two workers and a draining gateway over a store, each of which leaves when told.
func orderly() []supervisor.Report {
	s := &story{at: 7 * time.Second}
	s.state("api.1", supervisor.Running, supervisor.Ready) // of the time before: passed over
	s.after(time.Second).phase(supervisor.Announcing, "SIGTERM", 25*time.Second)
	s.state("cron", supervisor.InBackoff, supervisor.Stopped)
	s.phase(supervisor.Walking, "", 0)
	s.free("edge", "drain")
	s.state("edge", supervisor.Ready, supervisor.Draining)
	s.say(supervisor.Report{Kind: supervisor.KindHook, Process: "edge", Instance: "edge", Hook: supervisor.PreDrain})
	s.after(200 * ms).say(supervisor.Report{
		Kind: supervisor.KindHook, Process: "edge", Instance: "edge", Hook: supervisor.PreDrain, Step: 1,
	})
	s.state("edge", supervisor.Draining, supervisor.Drained)
	s.free("api", "leave", "edge")
	s.tell("api.2", syscall.SIGTERM, 10*time.Second)
	s.leaves("api.1", 310*ms)
	s.after(90*ms).exit("api.2", supervisor.Exit{}, true, 0)
	s.gone("api.2", supervisor.Stopping, supervisor.Stopped)
	s.free("db", "leave", "api")
	s.free("edge", "leave", "api")
	s.tell("edge", syscall.SIGQUIT, 10*time.Second)
	s.leaves("db", 20*ms)
	s.after(1040*ms).exit("edge", supervisor.Exit{}, true, 0)
	s.gone("edge", supervisor.Stopping, supervisor.Stopped)
	s.phase(supervisor.Closing, "", 0)
	s.after(1 * ms).finish(supervisor.Outcome{Cause: "SIGTERM"})
	return s.reports
}

// drains is a gateway that is quiesced and invited, and leaves no sooner than it must, so that connections are cut off.
func drains() []supervisor.Report {
	s := &story{}
	edge := func(r supervisor.Report) {
		r.Process, r.Instance = "edge", "edge"
		s.say(r)
	}
	s.phase(supervisor.Announcing, "SIGTERM", 25*time.Second)
	s.phase(supervisor.Walking, "", 0)
	s.free("edge", "drain")
	s.state("edge", supervisor.Ready, supervisor.Draining)
	edge(supervisor.Report{Kind: supervisor.KindQuiesce, Bound: 1250 * ms})
	s.after(20 * ms)
	edge(supervisor.Report{Kind: supervisor.KindQuiesce, Step: 1, Cause: "SYN filter on 2 listeners"})
	edge(supervisor.Report{Kind: supervisor.KindInvite, Signal: syscall.SIGQUIT, Bound: 3 * time.Second})
	s.after(3*time.Second).state("edge", supervisor.Draining, supervisor.Drained)
	edge(supervisor.Report{Kind: supervisor.KindUnanswered, Connections: []supervisor.Connection{
		{Peer: "192.0.2.1:40112", Port: 443, Age: 80 * time.Second, In: 512, Last: 1500 * ms},
	}})
	s.free("api", "leave", "edge")
	s.leaves("api", 300*ms)
	s.free("edge", "leave", "api")
	s.state("edge", supervisor.Drained, supervisor.Settling)
	s.after(time.Second).tell("edge", syscall.SIGTERM, time.Second)
	s.after(time.Second).kill("edge", "still there 1s after it was told")
	edge(supervisor.Report{
		Kind: supervisor.KindCut, State: supervisor.Killing, Step: 1, Cause: "SIGKILL",
		Connections: slices.Repeat([]supervisor.Connection{
			{Peer: "192.0.2.1:40112", Port: 443, Age: 90 * time.Second, In: 512, Out: 70_000, Last: 1500 * ms},
		}, 22),
	})
	s.exit("edge", supervisor.Exit{Signal: syscall.SIGKILL}, true, 0)
	s.gone("edge", supervisor.Killing, supervisor.Stopped)
	s.phase(supervisor.Closing, "", 0)
	s.finish(supervisor.Outcome{Code: 3, Class: 3, Cause: "SIGTERM", Killed: []string{"edge"}})
	return s.reports
}

// stubborn is a worker that ignores its signal, one that died before its turn, and a gateway that waits for both.
func stubborn() []supervisor.Report {
	s := &story{}
	s.phase(supervisor.Announcing, "SIGTERM", supervisor.Forever)
	s.say(supervisor.Report{Kind: supervisor.KindHook, Hook: supervisor.BeforeShutdown})
	s.after(40 * ms).say(supervisor.Report{
		Kind: supervisor.KindHook, Hook: supervisor.BeforeShutdown, Step: 1, Cause: "exit 1",
	})
	s.phase(supervisor.Walking, "", 0)
	s.free("api", "leave")
	s.tell("api", syscall.SIGTERM, 2*time.Second)
	s.after(time.Second).exit("mail", supervisor.Exit{Signal: syscall.SIGSEGV}, false, 0)
	s.gone("mail", supervisor.Ready, supervisor.Failed)
	s.after(time.Second).kill("api", "did not leave within 2s of SIGTERM")
	s.after(10*ms).exit("api", supervisor.Exit{Signal: syscall.SIGKILL}, true, 0)
	s.gone("api", supervisor.Killing, supervisor.Stopped)
	s.free("mail", "leave", "api")
	s.free("edge", "leave", "api")
	s.leaves("edge", 700*ms)
	s.phase(supervisor.Closing, "", 0)
	s.finish(supervisor.Outcome{
		Code: 3, Class: 3, Cause: "SIGTERM", Killed: []string{"api"}, Failed: []string{"mail"},
	})
	return s.reports
}

// unkillable is a tree of which something stays.
func unkillable() []supervisor.Report {
	s := &story{}
	s.phase(supervisor.Announcing, "web ended", 30*time.Second)
	s.phase(supervisor.Walking, "", 0)
	s.free("api", "leave")
	s.tell("api", syscall.SIGTERM, time.Second)
	s.after(time.Second).kill("api", "did not leave within 1s of SIGTERM")
	s.after(5 * time.Second).say(supervisor.Report{Kind: supervisor.KindLost, Process: "api", Instance: "api"})
	s.state("api", supervisor.Killing, supervisor.Lost)
	s.phase(supervisor.Closing, "", 0)
	s.say(supervisor.Report{Kind: supervisor.KindStrays, After: []string{"pid 4711 (dd), of api"}, Signal: syscall.SIGTERM})
	s.after(time.Second).finish(supervisor.Outcome{
		Code: 9, Class: 4, Cause: "web ended", Trigger: "web", Lost: []string{"api"},
		Survived: []string{"pid 4711 (dd), of api"},
	})
	return s.reports
}

// crowd is a thousand copies, one of which must be killed, and a daemonised child of another.
func crowd() []supervisor.Report {
	s := &story{}
	s.phase(supervisor.Announcing, "SIGINT", 30*time.Second)
	s.phase(supervisor.Walking, "", 0)
	s.free("api", "leave")
	for i := range 1000 {
		s.tell(fmt.Sprintf("api.%d", i+1), syscall.SIGTERM, time.Second)
	}
	for i := range 999 {
		name := fmt.Sprintf("api.%d", i+1)
		left := 0
		if i == 500 {
			left = 1
		}
		s.after(ms/2).exit(name, supervisor.Exit{}, true, left)
		s.gone(name, supervisor.Stopping, supervisor.Stopped)
	}
	s.after(600*ms).kill("api.1000", "did not leave within 1s of SIGTERM")
	s.after(10*ms).exit("api.1000", supervisor.Exit{Signal: syscall.SIGKILL}, true, 0)
	s.gone("api.1000", supervisor.Killing, supervisor.Stopped)
	s.free("edge", "leave", "api")
	s.leaves("edge", 100*ms)
	s.finish(supervisor.Outcome{Code: 3, Class: 3, Cause: "SIGINT", Killed: []string{"api.1000"}})
	return s.reports
}

var stories = map[string]func() []supervisor.Report{
	"orderly": orderly, "drains": drains, "stubborn": stubborn, "unkillable": unkillable, "crowd": crowd,
	"nobody": func() []supervisor.Report {
		s := &story{}
		s.phase(supervisor.Announcing, "SIGTERM", 30*time.Second)
		s.state("api", supervisor.Waiting, supervisor.Stopped)
		s.finish(supervisor.Outcome{Cause: "SIGTERM"})
		return s.reports
	},
	"unfinished": func() []supervisor.Report { return orderly()[:14] },
	"never_began": func() []supervisor.Report {
		s := &story{}
		s.state("api", supervisor.Running, supervisor.Ready)
		return s.reports
	},
}
