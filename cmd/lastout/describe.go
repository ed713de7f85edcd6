package main

import (
	"fmt"

	"github.com/rs/zerolog"

	"lastout/process/signame"
	"lastout/supervisor"
	"lastout/supervisor/report"
)

// describe puts a report into a line for people, and says how much it matters. An empty line is not logged.
func describe(r supervisor.Report) (zerolog.Level, string) {
	switch r.Kind {
	case supervisor.KindState:
		return describeState(r)
	case supervisor.KindSignal:
		whom := r.Instance
		if r.Scope == supervisor.Rest {
			whom = "what " + r.Instance + " left behind"
		}
		return zerolog.InfoLevel, fmt.Sprintf("%s gets %s%s", whom, signame.Of(r.Signal), within(r))
	case supervisor.KindCommand:
		return zerolog.InfoLevel, fmt.Sprintf("%s is told to leave by its stop command%s", r.Instance, within(r))
	case supervisor.KindQuiesce:
		if r.Step == 0 {
			return zerolog.DebugLevel, "new connections to " + r.Instance + " are to be turned away" + within(r)
		}
		return zerolog.InfoLevel, "new connections to " + r.Instance + because(r)
	case supervisor.KindInvite:
		how := "its drain command"
		if r.Signal != 0 {
			how = signame.Of(r.Signal)
		}
		return zerolog.InfoLevel, fmt.Sprintf("%s is invited to finish by %s%s", r.Instance, how, within(r))
	case supervisor.KindCut:
		return zerolog.WarnLevel, describeCut(r, "cut off ("+r.Cause+")")
	case supervisor.KindUnanswered:
		return zerolog.WarnLevel, describeCut(r, "not answered by the end of its drain")
	case supervisor.KindKill:
		return zerolog.WarnLevel, r.Instance + " gets SIGKILL" + because(r)
	case supervisor.KindExit:
		return describeExit(r)
	case supervisor.KindGone:
		return zerolog.DebugLevel, r.Instance + " is gone with all its descendants"
	case supervisor.KindLost:
		return zerolog.ErrorLevel, r.Instance + " is lost: it outlived SIGKILL" + because(r)
	case supervisor.KindHook:
		return describeHook(r)
	case supervisor.KindRetry:
		return zerolog.WarnLevel, fmt.Sprintf("%s is started again in %s (attempt %d)%s",
			r.Instance, report.Duration(r.Bound), r.Attempt, because(r))
	case supervisor.KindFree:
		return zerolog.DebugLevel, describeFree(r)
	case supervisor.KindWaiting:
		return zerolog.InfoLevel, report.Waiting(r)
	case supervisor.KindPhase:
		return describePhase(r)
	case supervisor.KindLevel:
		return zerolog.WarnLevel, describeLevel(r)
	case supervisor.KindStrays:
		return zerolog.WarnLevel, fmt.Sprintf("%s to descendants of nobody that lives: %s",
			signame.Of(r.Signal), names(r.After))
	case supervisor.KindHealth:
		if r.Cause == "" {
			return zerolog.InfoLevel, r.Instance + " is well again"
		}
		return zerolog.WarnLevel, r.Instance + " is not well" + because(r)
	case supervisor.KindNote:
		if r.Instance != "" {
			return zerolog.WarnLevel, r.Instance + ": " + r.Cause
		}
		return zerolog.WarnLevel, r.Cause
	case supervisor.KindUpgrade:
		return zerolog.InfoLevel, r.Cause
	case supervisor.KindOutlook:
		return zerolog.InfoLevel, r.Instance + because(r)
	case supervisor.KindOperation:
		return describeOperation(r)
	case supervisor.KindReload:
		return zerolog.InfoLevel, fmt.Sprintf("the new configuration is in force: %s", report.Count(len(r.Nodes), "process"))
	case supervisor.KindDepart:
		if r.Cause == "drain" {
			return zerolog.DebugLevel, "drained in order from here on: " + names(r.After)
		}
		return zerolog.DebugLevel, "leave in order from here on (" + r.Cause + "): " + names(r.After)
	case supervisor.KindFinish:
		return zerolog.DebugLevel, fmt.Sprintf("exit code %d", r.Outcome.Code)
	}
	return zerolog.WarnLevel, fmt.Sprintf("unknown report %q", r.Kind)
}

// describeOperation says what becomes of what a user asked for.
func describeOperation(r supervisor.Report) (zerolog.Level, string) {
	what := fmt.Sprintf("operation %d (%s)", r.Op, r.Verb)
	switch r.Result {
	case supervisor.Accepted:
		if len(r.After) > 0 {
			what += ": " + names(r.After)
		}
		return zerolog.InfoLevel, what + because(r)
	case supervisor.Refused:
		return zerolog.WarnLevel, what + " is refused" + because(r)
	case supervisor.Completed:
		return zerolog.InfoLevel, what + " is done"
	case supervisor.Unsuccessful:
		return zerolog.WarnLevel, what + " failed" + because(r)
	}
	return zerolog.WarnLevel, fmt.Sprintf("%s: unknown result %q", what, r.Result)
}

func describeState(r supervisor.Report) (zerolog.Level, string) {
	switch r.State {
	case supervisor.Ready:
		return zerolog.InfoLevel, r.Instance + " is ready" + because(r)
	case supervisor.Draining:
		return zerolog.InfoLevel, r.Instance + " drains" + within(r)
	case supervisor.Drained:
		return zerolog.InfoLevel, r.Instance + " is drained" + because(r)
	case supervisor.Settling:
		return zerolog.InfoLevel, r.Instance + " settles" + within(r)
	case supervisor.Remains:
		return zerolog.InfoLevel, r.Instance + " ended and left descendants behind; they leave at its turn"
	case supervisor.Done:
		return zerolog.InfoLevel, r.Instance + " is done" + because(r)
	case supervisor.Failed:
		return zerolog.ErrorLevel, r.Instance + " failed" + because(r)
	case supervisor.Stopped:
		if r.From.Alive() || r.From == supervisor.InPostStop {
			return zerolog.InfoLevel, r.Instance + " has left"
		}
		return zerolog.DebugLevel, r.Instance + " is not started any more"
	case supervisor.Lost:
		return zerolog.DebugLevel, r.Instance + " counts as gone"
	case supervisor.Off, supervisor.Waiting, supervisor.InPreStart, supervisor.Starting, supervisor.Running,
		supervisor.InPostStart, supervisor.InPreStop, supervisor.Stopping, supervisor.Killing, supervisor.InPostStop,
		supervisor.InBackoff:
		return zerolog.DebugLevel, fmt.Sprintf("%s: %s -> %s%s", r.Instance, r.From, r.State, because(r))
	}
	return zerolog.WarnLevel, fmt.Sprintf("%s: unknown state %q", r.Instance, r.State)
}

func describeCut(r supervisor.Report, what string) string {
	list := make([]string, len(r.Connections))
	for i, c := range r.Connections {
		list[i] = c.Peer
	}
	return fmt.Sprintf("%s of %s %s: %s", report.Count(len(list), "connection"), r.Instance, what, names(list))
}

func describeExit(r supervisor.Report) (zerolog.Level, string) {
	text := r.Instance + " ended"
	level := zerolog.DebugLevel
	if r.Exit != nil {
		text += ": " + report.ExitText(*r.Exit)
		if r.Exit.Core {
			text += " (core dumped)"
		}
		switch {
		case !r.Asked && !r.Exit.OK():
			level = zerolog.WarnLevel
		case !r.Exit.OK():
			level = zerolog.InfoLevel
		}
	}
	if r.Left > 0 {
		level = max(level, zerolog.InfoLevel)
		text += fmt.Sprintf("; %s of it still live", report.Count(r.Left, "descendant"))
	}
	return level, text
}

func describeHook(r supervisor.Report) (zerolog.Level, string) {
	name := fmt.Sprintf("hook %s", r.Hook)
	if r.Instance != "" {
		name += " of " + r.Instance
	}
	switch {
	case r.Step == 0:
		return zerolog.DebugLevel, name + " begins" + within(r)
	case r.Cause != "":
		return zerolog.WarnLevel, name + " failed: " + r.Cause
	}
	return zerolog.DebugLevel, name + " is over"
}

func describeFree(r supervisor.Report) string {
	text := r.Process + " may " + r.Cause + " now"
	if len(r.After) > 0 {
		text += ", after " + names(r.After)
	}
	return text + within(r)
}

func describePhase(r supervisor.Report) (zerolog.Level, string) {
	switch r.Phase {
	case supervisor.Announcing:
		return zerolog.InfoLevel, fmt.Sprintf("shutting down (%s)%s", r.Cause, within(r))
	case supervisor.Up, supervisor.Walking, supervisor.Closing, supervisor.Finished:
		return zerolog.DebugLevel, "phase " + string(r.Phase)
	}
	return zerolog.WarnLevel, fmt.Sprintf("unknown phase %q", r.Phase)
}

func describeLevel(r supervisor.Report) string {
	switch r.Level {
	case supervisor.Urgent:
		return r.Cause + " again: no more delays; workers and gateways are killed in order, services still get their signal"
	case supervisor.Forced:
		return r.Cause + " once more: everybody is killed at once"
	case supervisor.Orderly:
	}
	return r.Cause
}

// within is the bound of the wait that begins, for the end of a line.
func within(r supervisor.Report) string {
	if r.Bound <= 0 || r.Bound == supervisor.Forever {
		return ""
	}
	return ", " + report.Duration(r.Bound) + " at most"
}

// because is the cause, led in by a colon.
func because(r supervisor.Report) string {
	if r.Cause == "" {
		return ""
	}
	return ": " + r.Cause
}

// names lists names, at most eight of them.
func names(all []string) string { return report.Names(all) }
