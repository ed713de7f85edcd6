package report

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"lastout/supervisor"
)

// signalNames are those of signal(7) on Linux that people meet; others are shown by number.
var signalNames = map[syscall.Signal]string{
	syscall.SIGHUP: "SIGHUP", syscall.SIGINT: "SIGINT", syscall.SIGQUIT: "SIGQUIT", syscall.SIGILL: "SIGILL",
	syscall.SIGTRAP: "SIGTRAP", syscall.SIGABRT: "SIGABRT", syscall.SIGBUS: "SIGBUS", syscall.SIGFPE: "SIGFPE",
	syscall.SIGKILL: "SIGKILL", syscall.SIGUSR1: "SIGUSR1", syscall.SIGSEGV: "SIGSEGV", syscall.SIGUSR2: "SIGUSR2",
	syscall.SIGPIPE: "SIGPIPE", syscall.SIGALRM: "SIGALRM", syscall.SIGTERM: "SIGTERM", syscall.SIGCHLD: "SIGCHLD",
	syscall.SIGCONT: "SIGCONT", syscall.SIGSTOP: "SIGSTOP", syscall.SIGTSTP: "SIGTSTP", syscall.SIGTTIN: "SIGTTIN",
	syscall.SIGTTOU: "SIGTTOU", syscall.SIGURG: "SIGURG", syscall.SIGXCPU: "SIGXCPU", syscall.SIGXFSZ: "SIGXFSZ",
	syscall.SIGVTALRM: "SIGVTALRM", syscall.SIGPROF: "SIGPROF", syscall.SIGWINCH: "SIGWINCH", syscall.SIGIO: "SIGIO",
	syscall.SIGPWR: "SIGPWR", syscall.SIGSYS: "SIGSYS", 16: "SIGSTKFLT",
}

// The real-time signals as the C library counts them: it keeps the first two of the kernel's for itself.
const (
	rtMin syscall.Signal = 34
	rtMax syscall.Signal = 64
)

// SignalName is a signal's name as people write it: SIGTERM, SIGRTMIN+3.
func SignalName(s syscall.Signal) string {
	switch name := signalNames[s]; {
	case name != "":
		return name
	case s == rtMin:
		return "SIGRTMIN"
	case s > rtMin && s <= rtMax:
		return fmt.Sprintf("SIGRTMIN+%d", s-rtMin)
	}
	return "signal " + strconv.Itoa(int(s))
}

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
func ExitText(code int, signal syscall.Signal) string {
	if signal != 0 {
		return SignalName(signal)
	}
	return "exit " + strconv.Itoa(code)
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
	text := ExitText(x.Exit.Code, x.Exit.Signal)
	switch {
	case !x.Exit.Asked && x.Turn == nil:
		return text + ", by itself before its turn"
	case !x.Exit.Asked:
		return text + ", by itself"
	case x.Exit.Left > 0:
		return fmt.Sprintf("%s, %s after it", text, plural(x.Exit.Left, "descendant"))
	}
	return text
}

// asked lists the ways an instance was told to leave: "TERM, rest TERM, KILL".
func (x *Instance) asked() string {
	var words []string
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

// plural is "1 process", "3 processes": a count and its noun.
func plural(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "s"):
		return strconv.Itoa(n) + " " + noun + "es"
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
