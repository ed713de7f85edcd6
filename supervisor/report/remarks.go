package report

import (
	"fmt"

	"lastout/supervisor"
)

// remark is a line about what a table and a drawing have no room for. Its tone is good, forced or bad, or none.
type remark struct{ tone, text string }

// forced says who needed force, and why.
func (s *Shutdown) forced() []remark {
	const most = 10
	var all []remark
	for i := range s.Instances {
		x := &s.Instances[i]
		r := remark{"forced", x.Name + " was killed"}
		switch {
		case x.State == supervisor.Lost:
			r = remark{"bad", x.Name + " is lost: it outlived SIGKILL"}
		case x.Killed == nil:
			continue
		}
		if x.Killed != nil && x.Killed.Cause != "" {
			r.text += ": " + x.Killed.Cause
		}
		all = append(all, r)
	}
	if more := len(all) - most; more > 0 {
		all = append(all[:most], remark{"forced", fmt.Sprintf("and %d more", more)})
	}
	return all
}

// cutOff names the connections that were cut off, or may have been, and what they were.
func (s *Shutdown) cutOff() []remark {
	const most = 20
	var all []remark
	for i := range s.Instances {
		x := &s.Instances[i]
		for _, c := range x.Unanswered {
			all = append(all, remark{"bad", "not answered by the end of its drain, " + x.Name + ": " + connection(c)})
		}
		for _, cut := range x.Cut {
			by := fmt.Sprintf("cut off at %s, %s (%s): ", Duration(cut.At-s.Begin), x.Name, cut.Cause)
			for _, c := range cut.Connections {
				all = append(all, remark{"bad", by + connection(c)})
			}
		}
	}
	if more := len(all) - most; more > 0 {
		all = append(all[:most], remark{"bad", fmt.Sprintf("and %s more", Count(more, "connection"))})
	}
	return all
}

// connection is one that was cut off, in a line.
func connection(c supervisor.Connection) string {
	return fmt.Sprintf("%s to port %d, %s old, %d bytes in, %d out, last active %s before", c.Peer, c.Port,
		Duration(c.Age), c.In, c.Out, Duration(c.Last))
}

// remarks say how the hooks went, what was left behind, and whatever else was noted.
func (s *Shutdown) remarks() []remark {
	var all []remark
	say := func(tone, format string, args ...any) { all = append(all, remark{tone, fmt.Sprintf(format, args...)}) }
	for _, h := range s.Hooks {
		if h.Failed != "" {
			say("forced", "hook %s took %s: %s", h.Kind, Duration(h.End-h.Begin), h.Failed)
		} else {
			say("", "hook %s took %s", h.Kind, Duration(h.End-h.Begin))
		}
	}
	for i := range s.Instances {
		for _, h := range s.Instances[i].Hooks {
			if h.Failed != "" {
				say("forced", "hook %s of %s: %s", h.Kind, s.Instances[i].Name, h.Failed)
			}
		}
	}
	if len(s.Resting) > 0 {
		say("", "not running when it began: %s", enumerate(s.Resting))
	}
	if len(s.Strays) > 0 {
		say("", "left behind by nobody's life, and told to leave: %s", enumerate(s.Strays))
	}
	if s.Outcome != nil && len(s.Outcome.Survived) > 0 {
		say("bad", "survived: %s", enumerate(s.Outcome.Survived))
	}
	if s.Outcome != nil && len(s.Outcome.Failed) > 0 {
		say("forced", "failed: %s", enumerate(s.Outcome.Failed))
	}
	for _, n := range s.Notes {
		say("", "%s", n)
	}
	return all
}
