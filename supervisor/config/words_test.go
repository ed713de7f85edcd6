package config

import (
	"syscall"
	"testing"
	"time"
)

func TestParseSignal(t *testing.T) {
	for name, want := range map[string]syscall.Signal{
		"TERM": syscall.SIGTERM, "SIGTERM": syscall.SIGTERM, "QUIT": syscall.SIGQUIT, "SIGUSR1": syscall.SIGUSR1,
		"WINCH": syscall.SIGWINCH, "RTMIN": 34, "SIGRTMIN": 34, "RTMIN+0": 34, "SIGRTMIN+3": 37, "RTMIN+30": 64,
		"RTMAX": 64, "SIGRTMAX-1": 63, "RTMAX-30": 34, "TSTP": syscall.SIGTSTP, "KILL": syscall.SIGKILL,
	} {
		if got, err := parseSignal(name); got != want || err != nil {
			t.Errorf("%q is %d, %v, want %d", name, got, err, want)
		}
	}
	for _, name := range []string{
		"", "SIG", "term", "15", "0", "RTMIN+31", "RTMIN-1", "RTMAX+1", "RTMAX-31", "RTMIN+", "RTMIN+x", "RTMIN+-1",
		"SIGSIGTERM", "RTMIN+99999999999999999999",
	} {
		if got, err := parseSignal(name); err == nil {
			t.Errorf("%q is taken as %d", name, got)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"1ns": 1, "500ms": 500 * time.Millisecond, "1.5s": 1500 * time.Millisecond, "1m30s": 90 * time.Second,
		"8760h": maxDuration, "0s": 0, "0ms": 0,
	} {
		if got, err := parseDuration(s, true); got != want || err != nil {
			t.Errorf("%q is %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "0", "30", "1d", "-1s", "8760h1ns", "1s ", " 1s", "s", "1e3s", "9999999999h", "∞"} {
		if got, err := parseDuration(s, true); err == nil {
			t.Errorf("%q is taken as %v", s, got)
		}
	}
	if got, err := parseDuration("0s", false); err == nil {
		t.Errorf("a wait of %v is taken where it must be longer than 0", got)
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"1": 1, "4096": 4096, "4096B": 4096, "64KiB": 64 << 10, "10MiB": 10 << 20, "1GiB": 1 << 30, "1kB": 1000,
		"10MB": 10_000_000, "2GB": 2_000_000_000, "8589934591GiB": 8589934591 << 30,
		"64K": 64 << 10, "64M": 64 << 20, "2G": 2 << 30, "1T": 1 << 40, "1TiB": 1 << 40, "1TB": 1e12,
	} {
		if got, err := parseSize(s); got != want || err != nil {
			t.Errorf("%q is %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "0", "0MiB", "-1", "1.5MiB", "1 MiB", "64m", "64Mi", "1PiB", "MiB", "1mib", "8589934592GiB", "99999999999999999999",
	} {
		if got, err := parseSize(s); err == nil {
			t.Errorf("%q is taken as %v", s, got)
		}
	}
}

func TestClosest(t *testing.T) {
	known := []string{"command", "shell", "port", "env", "env_file", "depends_on", "on_exit", "log", "role"}
	for name, want := range map[string]string{
		"comand": "command", "Command": "command", "prot": "port", "depends-on": "depends_on", "dependson": "depends_on",
		"envs": "env", "envfile": "env_file", "rol": "role", "lgo": "log", "x": "", "zzz": "", "": "", "timeout": "",
	} {
		if got := Closest(name, known); got != want {
			t.Errorf("closest to %q is %q, want %q", name, got, want)
		}
	}
	if got := Closest("ab", []string{"ac", "ad", "aa"}); got != "aa" {
		t.Errorf("of equally near ones %q is taken, want the first in the alphabet", got)
	}
}

func TestVisible(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "plain ä": "plain ä", "a\nb\x1b[31m\x7f": `a\x0ab\x1b[31m\x7f`, "\u0085": `\x85`,
	} {
		if got := visible(s); got != want {
			t.Errorf("%q is shown as %q, want %q", s, got, want)
		}
	}
}
