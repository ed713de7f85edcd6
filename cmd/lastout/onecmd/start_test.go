package onecmd

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// within is up to when after the exec a signal is sent.
const within = 20 * time.Millisecond

// TestNeverLost sends SIGTERM at moments that are spread from when the handler is in to 20 ms after: the command always
// gets it, and lastout always ends as it does.
func TestNeverLost(t *testing.T) {
	t.Run("subreaper", func(t *testing.T) { neverLost(t, world{}) })
	t.Run("pid1", func(t *testing.T) { neverLost(t, world{pid1: true, bare: true}.orSkip(t)) })
}

func neverLost(t *testing.T, w world) {
	times := howOften()
	var in []time.Duration
	for i := range times {
		cmd := w.command("init", "--", "sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for !handles(t, cmd.Process.Pid) {
		}
		in = append(in, time.Since(start))
		<-time.After(within * time.Duration(i) / time.Duration(times))
		demandEnd(t, &life{TB: t, Cmd: cmd}, 143)
	}
	slices.Sort(in)
	t.Logf("the handler is in %v after exec (median; %v at most)", in[times/2], in[times-1])
}

// TestNeverHangs sends SIGTERM from the very exec on. Before the handler is in, it ends lastout itself.
func TestNeverHangs(t *testing.T) {
	times := howOften()
	for i := range times {
		cmd := (world{}).command("init", "--", "sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-time.After(within * time.Duration(i) / time.Duration(times))
		demandEnd(t, &life{TB: t, Cmd: cmd}, 143, -15)
	}
}

func howOften() int {
	if testing.Short() {
		return 40
	}
	return 1000
}

func demandEnd(t *testing.T, l *life, codes ...int) {
	t.Helper()
	l.send(syscall.SIGTERM)
	if code := l.wait(); !slices.Contains(codes, code) {
		t.Fatalf("exit code %d, want one of %v", code, codes)
	}
}

// handles says that a process has our handler for SIGTERM. SIGTTOU tells: it is taken after SIGTERM, and never by Go.
func handles(t *testing.T, pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "SigCgt:\t")
	line, _, _ := strings.Cut(rest, "\n")
	mask, err := strconv.ParseUint(line, 16, 64)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return mask&maskOf([]syscall.Signal{syscall.SIGTTOU}) != 0
}
