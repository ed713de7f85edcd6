package supervisor

import (
	"cmp"
	"fmt"
	"strings"
)

// eventText is an event as the trace shows it.
func eventText(m *Machine, name string, ev Event) string {
	switch ev := ev.(type) {
	case Adopt:
		text := "adopt"
		for _, a := range ev.Runs {
			text += fmt.Sprintf(" %s#%d pid=%d", m.InstanceName(a.Inst), a.Run, a.PID)
		}
		if ev.Code != 0 {
			text += fmt.Sprintf(" code=%d", ev.Code)
		}
		return text
	case Stop:
		return name + " " + ev.Cause
	case Hurry:
		return name + " " + ev.Cause
	case Interrupt:
		return name + " " + ev.Cause
	case Spawned:
		return fmt.Sprintf("spawned %s#%d pid=%d", m.InstanceName(ev.Inst), ev.Run, ev.PID)
	case SpawnFailed:
		return fmt.Sprintf("failed %s#%d %s", m.InstanceName(ev.Inst), ev.Run, ev.Reason)
	case BecameReady:
		return fmt.Sprintf("ready %s#%d", m.InstanceName(ev.Inst), ev.Run)
	case Exited:
		return fmt.Sprintf("exited %s#%d %v left=%d", m.InstanceName(ev.Inst), ev.Run, ev.Exit, ev.Left)
	case Gone:
		return fmt.Sprintf("gone %s#%d", m.InstanceName(ev.Inst), ev.Run)
	case HookEnded:
		return fmt.Sprintf("hook #%d %s", ev.Run, cmp.Or(ev.Failed, "ok"))
	case Surveyed:
		return fmt.Sprintf("surveyed %v", ev.Silent)
	case HealthFailed:
		return fmt.Sprintf("ill %s#%d %s", m.InstanceName(ev.Inst), ev.Run, ev.Why)
	case HealthWorks:
		return fmt.Sprintf("well %s#%d", m.InstanceName(ev.Inst), ev.Run)
	case Quiesced:
		return fmt.Sprintf("quiesced %s#%d %s", m.InstanceName(ev.Inst), ev.Run, ev.How)
	case BecameDrained:
		return fmt.Sprintf("drained %s#%d %s", m.InstanceName(ev.Inst), ev.Run, ev.Why)
	case Settled:
		return fmt.Sprintf("settled %s#%d", m.InstanceName(ev.Inst), ev.Run)
	case Cut:
		return fmt.Sprintf("cut %s#%d %s", m.InstanceName(ev.Inst), ev.Run, ev.Connections[0].Peer)
	case Unanswered:
		return fmt.Sprintf("unanswered %s#%d %s", m.InstanceName(ev.Inst), ev.Run, ev.Connections[0].Peer)
	case Lingered:
		return fmt.Sprintf("lingered %s", strings.Join(ev.Left, " "))
	case Swept:
		return fmt.Sprintf("swept %s", strings.Join(ev.Left, " "))
	case Reload:
		return fmt.Sprintf("reload %d", ev.Op)
	case Operate:
		return fmt.Sprintf("op %d %s %s", ev.Op, ev.Verb, strings.Join(ev.Names, " "))
	case Begin, Tick:
		return name
	}
	panic(fmt.Sprintf("unknown event %T", ev))
}

// actionText is an action as the trace shows it; reports are set off by a dash.
func actionText(m *Machine, a Action) string {
	of := func(i Inst, r Run) string { return fmt.Sprintf("%s#%d", m.InstanceName(i), r) }
	switch a := a.(type) {
	case Spawn:
		return "spawn " + of(a.Inst, a.Run)
	case Cancel:
		return "cancel " + of(a.Inst, a.Run)
	case Probe:
		return "probe " + of(a.Inst, a.Run)
	case StopProbe:
		return "stop-probe " + of(a.Inst, a.Run)
	case CheckHealth:
		return "check-health " + of(a.Inst, a.Run)
	case StopHealth:
		return "stop-health " + of(a.Inst, a.Run)
	case Signal:
		scope := "leader"
		if a.Scope == Rest {
			scope = "rest"
		}
		return fmt.Sprintf("signal %s %d %s", of(a.Inst, a.Run), int(a.Signal), scope)
	case StopCommand:
		return fmt.Sprintf("stop-command %s step=%d hook=%d", of(a.Inst, a.Run), a.Step, a.Hook)
	case Kill:
		return "kill " + of(a.Inst, a.Run)
	case Forget:
		return "forget " + of(a.Inst, a.Run)
	case RunHook:
		name := "tree"
		if a.Inst.N > 0 {
			name = of(a.Inst, a.For)
		}
		text := fmt.Sprintf("run-hook %s %s hook=%d reason=%q", name, a.Kind, a.Hook, a.Told.Reason)
		if a.Told.PID != 0 {
			text += fmt.Sprintf(" pid=%d", a.Told.PID)
		}
		if a.Told.Exit != nil {
			text += fmt.Sprintf(" exit=%q", a.Told.Exit.String())
		}
		return text
	case StopHook:
		return fmt.Sprintf("stop-hook %d", a.Hook)
	case Survey:
		return fmt.Sprintf("survey %v", a.Runs)
	case Quiesce:
		return "quiesce " + of(a.Inst, a.Run)
	case Unquiesce:
		return "unquiesce " + of(a.Inst, a.Run)
	case Reloaded:
		return fmt.Sprintf("reloaded %d", a.Op)
	case Send:
		return fmt.Sprintf("send %s %d", of(a.Inst, a.Run), int(a.Signal))
	case DrainCommand:
		return fmt.Sprintf("drain-command %s hook=%d", of(a.Inst, a.Run), a.Hook)
	case Watch:
		return "watch " + of(a.Inst, a.Run)
	case Settle:
		return "settle " + of(a.Inst, a.Run)
	case StopWatch:
		return "stop-watch " + of(a.Inst, a.Run)
	case Linger:
		return "linger"
	case Sweep:
		return fmt.Sprintf("sweep %d", int(a.Signal))
	case Say:
		return "- " + reportText(a.Report)
	case Finish:
		return fmt.Sprintf("finish %+v", a.Outcome)
	}
	panic(fmt.Sprintf("unknown action %T", a))
}

// reportText shows every field that is set.
func reportText(r Report) string {
	var b strings.Builder
	b.WriteString(string(r.Kind))
	add := func(set bool, format string, args ...any) {
		if set {
			fmt.Fprintf(&b, " "+format, args...)
		}
	}
	add(r.Op != 0, "%d", r.Op)
	add(r.Verb != "", "%s", r.Verb)
	add(r.Result != "", "%s", r.Result)
	add(r.Instance == "" && r.Process != "", "process=%s", r.Process)
	add(r.Instance != "", "%s#%d", r.Instance, r.Run)
	add(r.State != "", "%s->%s", r.From, r.State)
	add(r.Phase != "", "%s", r.Phase)
	add(r.Level != 0, "%v", r.Level)
	add(r.PID != 0, "pid=%d", r.PID)
	add(r.Signal != 0, "signal=%d", int(r.Signal))
	add(r.Scope != 0, "rest")
	add(r.Hook != "", "%s", r.Hook)
	add(r.HookRun != 0, "hook=%d", r.HookRun)
	add(r.Step != 0, "step=%d", r.Step)
	add(r.Exit != nil, "exit=%q", fmt.Sprint(r.Exit))
	add(r.Asked, "asked")
	add(r.Left != 0, "left=%d", r.Left)
	add(r.Attempt != 0, "attempt=%d", r.Attempt)
	add(len(r.After) > 0, "after=%s", strings.Join(r.After, ","))
	if r.Bound == Forever {
		add(true, "bound=forever")
	} else {
		add(r.Bound != 0, "bound=%v", r.Bound)
	}
	add(r.Cause != "", "cause=%q", r.Cause)
	for _, c := range r.Connections {
		add(true, "%s:%d in=%d out=%d", c.Peer, c.Port, c.In, c.Out)
	}
	for _, n := range r.Nodes {
		add(true, "%s=%d", n.Name, n.Instances)
	}
	add(r.Outcome != nil, "code=%d", code(r.Outcome))
	return b.String()
}

func code(o *Outcome) int {
	if o == nil {
		return 0
	}
	return o.Code
}
