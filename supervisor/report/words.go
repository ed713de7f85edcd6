package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"lastout/process/signame"
	"lastout/supervisor"
)

// Duration shows a duration with the precision that people want of it: 12ms, 3.10s, 31.0s, 2m05s. Forever is "for ever".
func Duration(d time.Duration) string {
	switch {
	case d == supervisor.Forever:
		return "for ever"
	case d < 0:
		return "-" + Duration(-d)
	case d < time.Millisecond:
		return "0ms"
	case d < 999500*time.Microsecond:
		return fmt.Sprintf("%dms", d.Round(time.Millisecond).Milliseconds())
	case d < 9995*time.Millisecond:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < 59950*time.Millisecond:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// ExitText says how a process ended: "exit 0", "SIGKILL".
func ExitText(e supervisor.Exit) string {
	switch {
	case e.OOM != "":
		return "killed by the kernel: out of memory (" + e.OOM + ")"
	case e.Unknown:
		return e.String()
	case e.Signal != 0:
		return signame.Of(e.Signal)
	}
	return "exit " + strconv.Itoa(e.Code)
}

// how says in a few words how an instance left.
func (x *Instance) how() string {
	switch {
	case x.State == supervisor.Lost:
		return "lost"
	case x.Killed != nil:
		return "killed"
	case x.Left == nil:
		return "still " + string(x.State)
	case x.Exit == nil:
		return string(x.State)
	}
	text := ExitText(supervisor.Exit{Code: x.Exit.Code, Signal: x.Exit.Signal, OOM: x.Exit.OOM, Unknown: x.Exit.Unknown})
	switch {
	case !x.Exit.Asked && x.Turn == nil:
		return text + ", by itself before its turn"
	case !x.Exit.Asked:
		return text + ", by itself"
	case x.Exit.Left > 0:
		return fmt.Sprintf("%s, %s after it", text, Count(x.Exit.Left, "descendant"))
	}
	return text
}

// asked lists the ways an instance was asked to finish and told to leave: "invited by QUIT, TERM, rest TERM, KILL".
func (x *Instance) asked() string {
	var words []string
	if x.Invited != nil {
		words = append(words, "invited by "+strings.TrimPrefix(x.Invited.Name, "SIG"))
	}
	for _, a := range x.Asked {
		word := strings.TrimPrefix(a.Name, "SIG")
		if a.Rest {
			word = "rest " + word
		}
		words = append(words, word)
	}
	if x.Killed != nil {
		words = append(words, "KILL")
	}
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, ", ")
}

// Count is "1 process", "3 processes": a number and its noun.
func Count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "s"):
		return strconv.Itoa(n) + " " + noun + "es"
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// title says in a line how it went.
func (s *Shutdown) title() string {
	if len(s.Phases) == 0 {
		return "There was no shutdown"
	}
	text := s.verdict(painter{})
	if s.Outcome != nil {
		text, _, _ = strings.Cut(text, "; exit ")
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// tone is how well it went, as a class of the drawing.
func (s *Shutdown) tone() string {
	switch {
	case s.Outcome == nil, s.Outcome.Class == 1, s.Outcome.Class > 3:
		return "bad"
	case s.Outcome.Class == 3, len(s.Outcome.Failed) > 0:
		return "forced"
	}
	return "fine"
}

// Whence says what was taken down, when and why.
func (s *Shutdown) Whence() string {
	var parts []string
	if s.Name != "" {
		parts = append(parts, s.Name)
	}
	if t, err := time.Parse(time.RFC3339Nano, s.Wall); err == nil {
		parts = append(parts, t.Format("2006-01-02 15:04:05 -07:00"))
	}
	if s.Cause != "" {
		parts = append(parts, s.Cause)
	}
	return strings.Join(parts, " · ")
}

// subtitle says that, how long it took and how it ended.
func (s *Shutdown) subtitle() string {
	took := "took " + Duration(s.Took)
	if s.Bound > 0 {
		took += " of at most " + Duration(s.Bound)
	}
	parts := append([]string{s.Whence()}, took, Count(len(s.Instances), "instance"))
	if s.Outcome != nil {
		parts = append(parts, fmt.Sprintf("exit code %d", s.Outcome.Code))
	}
	return strings.Join(parts, " · ")
}
