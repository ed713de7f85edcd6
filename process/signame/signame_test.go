package signame

import (
	"slices"
	"syscall"
	"testing"
)

func TestNames(t *testing.T) {
	for s := syscall.Signal(1); s <= RTMax; s++ {
		name := Of(s)
		if got, ok := Parse(name); ok != Known(s) || ok && got != s {
			t.Errorf("%d is called %q, which is read as %d, %v", int(s), name, int(got), ok)
		}
	}
	for s, want := range map[syscall.Signal]string{
		15: "SIGTERM", 37: "SIGRTMIN+3", 34: "SIGRTMIN", 64: "SIGRTMIN+30", 32: "signal 32", 99: "signal 99",
	} {
		if got := Of(s); got != want {
			t.Errorf("%d is called %q, want %q", int(s), got, want)
		}
	}
	if names := Standard(); len(names) != 31 || !slices.IsSorted(names) || !slices.Contains(names, "TERM") {
		t.Errorf("the standard signals are %q", names)
	}
}

func TestParse(t *testing.T) {
	for name, want := range map[string]syscall.Signal{
		"TERM": 15, "SIGTERM": 15, "SIGUSR1": 10, "RTMIN": 34, "RTMIN+0": 34, "RTMIN+3": 37, "SIGRTMIN+30": 64,
		"RTMAX": 64, "SIGRTMAX-27": 37, "RTMAX-30": 34, "KILL": 9, "CHLD": 17, "SIGCLD": 17, "POLL": 29, "IOT": 6,
	} {
		if got, ok := Parse(name); !ok || got != want {
			t.Errorf("Parse(%q) = %d, %v", name, int(got), ok)
		}
	}
	for _, name := range []string{
		"", "SIG", "TERMM", "term", "0", "15", "RTMIN+31", "RTMIN-1", "RTMAX+1", "RTMAX-31", "RTMIN+", "RTMIN+-1",
		"RTMIN++1", "RTMIN+300", "RTMIN+99999999999999999999", "SIGSIGTERM",
	} {
		if got, ok := Parse(name); ok {
			t.Errorf("Parse(%q) = %d", name, int(got))
		}
	}
}
