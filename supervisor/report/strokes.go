package report

import "lastout/supervisor"

// stroke is how a stretch of an instance's life is drawn. Where several share a cell of text the later of the list wins,
// so that nothing that happened is too short to be seen.
type stroke uint8

const (
	strokeNone stroke = iota
	strokeServe
	strokeQuiesce
	strokeDrain
	strokeSettle
	strokeHook
	strokeRemains
	strokeLeave
	strokeKill
	strokeLost
	strokes
)

// Their signs in a text, the words of its legend (where two share a sign they share these), and the words, the class
// and the colours in a picture: by day, by night.
var (
	signs  = [strokes]string{" ", "·", "░", "░", "░", "▒", "▚", "█", "▓", " "}
	legend = [strokes]string{
		"", "waits for its turn", "drains", "drains", "drains", "hook", "descendants left behind", "leaves", "is killed", "",
	}
	words = [strokes]string{
		"", "serves", "turns new connections away", "drains, its workers still serve", "pushes its last bytes out", "hook",
		"descendants are left", "was told to leave, and finishes", "SIGKILL", "lost",
	}
	classes = [strokes]string{"", "serve", "quiesce", "drain", "settle", "hook", "remains", "leave", "kill", "lost"}
	day     = [strokes]string{
		"", "#d3e1ec", "#f7dd9a", "#ecb541", "#57b39f", "#a58bd6", "#e08bb0", "#2d72b4", "#d23a3a", "#8f2020",
	}
	night = [strokes]string{
		"", "#2a3a49", "#8a7434", "#d09a2d", "#3f9c88", "#8d72c6", "#bb648d", "#4d95dc", "#ea5a5a", "#a83434",
	}
)

// strokeOf says how a state is drawn.
func strokeOf(s supervisor.State) stroke {
	switch s {
	case supervisor.Starting, supervisor.Running, supervisor.InPostStart, supervisor.Ready, supervisor.Drained:
		return strokeServe
	case supervisor.Draining:
		return strokeDrain
	case supervisor.Settling:
		return strokeSettle
	case supervisor.InPreStart, supervisor.InPreStop, supervisor.InPostStop:
		return strokeHook
	case supervisor.Remains:
		return strokeRemains
	case supervisor.Stopping:
		return strokeLeave
	case supervisor.Killing:
		return strokeKill
	case supervisor.Off, supervisor.Waiting, supervisor.InBackoff, supervisor.Done, supervisor.Failed,
		supervisor.Stopped, supervisor.Lost:
		return strokeNone
	}
	return strokeNone
}

// stretch is the time in which an instance did one thing.
type stretch struct {
	stroke     stroke
	begin, end supervisor.Instant
	words      string
}

// stretches are what the instance did from the begin of the shutdown on, a drain taken apart.
func (x *Instance) stretches() []stretch {
	var all []stretch
	for _, span := range x.Phases {
		st := strokeOf(span.State)
		text := words[st]
		switch {
		case st == strokeNone:
			continue
		case st == strokeDrain:
			all = append(all, x.drainStretches(span)...)
			continue
		case st == strokeHook:
			text = string(span.State) + " hook"
		case span.State == supervisor.Drained:
			text = "is drained, and waits for its turn"
		}
		all = append(all, stretch{st, span.Begin, span.End, text})
	}
	return all
}

// drainStretches are the parts of a drain: its hook, the closing of the door, and what is in hand then.
func (x *Instance) drainStretches(span Span) []stretch {
	var all []stretch
	at := span.Begin
	add := func(st stroke, from, to supervisor.Instant, text string) {
		from, to = max(from, at), min(to, span.End)
		if from > at {
			all = append(all, stretch{strokeDrain, at, from, words[strokeDrain]})
		}
		if from <= to {
			all = append(all, stretch{st, from, to, text})
			at = to
		}
	}
	for _, h := range x.Hooks {
		if h.Kind == supervisor.PreDrain && h.Begin <= span.End {
			add(strokeDrain, h.Begin, h.End, "drains: its pre_drain hook")
		}
	}
	if q := x.Quiesce; q != nil {
		done := span.End
		if q.Done != nil {
			done = *q.Done
		}
		add(strokeQuiesce, q.At, done, words[strokeQuiesce])
	}
	if at < span.End || len(all) == 0 {
		all = append(all, stretch{strokeDrain, at, span.End, words[strokeDrain]})
	}
	return all
}

// usedStrokes says which are to be explained beside these instances.
func usedStrokes(instances []*Instance) (used [strokes]bool) {
	for _, x := range instances {
		for _, s := range x.stretches() {
			if s.stroke != strokeServe || s.end > s.begin {
				used[s.stroke] = true
			}
		}
		used[strokeLost] = used[strokeLost] || x.State == supervisor.Lost
	}
	return used
}

// sameSign says whether one of the strokes before it has the same sign in a text.
func (st stroke) sameSign(used [strokes]bool) bool {
	for before := range st {
		if used[before] && signs[before] == signs[st] {
			return true
		}
	}
	return false
}
