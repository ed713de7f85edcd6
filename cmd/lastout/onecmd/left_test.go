package onecmd

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestWaitsForEverybody has the command leave somebody behind in another session, who says goodbye when he is told: that
// is read before lastout has ended.
func TestWaitsForEverybody(t *testing.T) {
	polite := "setsid " + self() + " -helper polite & read x; exit 3"
	inBothWorlds(t, func(t *testing.T, w world) {
		for _, args := range [][]string{{"init"}, {"tini", "-s"}, {"dumb-init"}} {
			l, in := w.startWithInput(t, append(args, "sh", "-c", polite)...)
			l.says("there")
			in.Close()
			l.says("bye")
			l.endsWith(3)
			l.over()
			if said := l.said(); said != "" {
				t.Errorf("%s says %q", args[0], said)
			}
		}
	})
}

// deaf is a shell that leaves somebody behind who hears no SIGTERM, and another of his.
const deaf = `setsid sh -c 'trap "" TERM; sleep 1000 & echo there; wait' & read x; exit 4`

// TestKillsTheDeaf kills whoever is left when the time is up, and says whom.
func TestKillsTheDeaf(t *testing.T) {
	inAllWorlds(t, func(t *testing.T, w world) {
		l, in := w.startWithInput(t, "init", "--grace", "800ms", "--", "sh", "-c", deaf)
		l.says("there")
		in.Close()
		l.endsWith(4)
		l.over()
		if !strings.Contains(l.said(), "lastout init: kills ") {
			t.Errorf("it says %q", l.said())
		}
	})
}

// TestKillsUnheard does so where nobody reads what it says, and there is no room for more.
func TestKillsUnheard(t *testing.T) {
	inBothWorlds(t, func(t *testing.T, w world) {
		l, in := w.startSaying(t, fullPipe(t), "", "init", "--grace", "2200ms", "-v", "--", "sh", "-c", deaf)
		l.says("there")
		in.Close()
		l.endsWith(4)
		l.over()
	})
}

// fullPipe is the end of a pipe that takes no more.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	fd := int(w.Fd())
	err = syscall.SetNonblock(fd, true)
	for err == nil {
		_, err = syscall.Write(fd, make([]byte, 4096))
	}
	if err != syscall.EAGAIN {
		t.Fatal(err)
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestToldAgain shortens a wait that would be very long, when a second signal comes.
func TestToldAgain(t *testing.T) {
	inAllWorlds(t, func(t *testing.T, w world) {
		l, in := w.startWithInput(t, "init", "--grace", "24h", "-v", "--", "sh", "-c", deaf)
		l.says("there")
		in.Close()
		l.untilSaid("exited with code 4")
		l.send(syscall.SIGTERM)
		l.endsWith(4)
		l.over()
	})
}

// TestSingleChildWaitsForNobody ends with the command, whoever is left.
func TestSingleChildWaitsForNobody(t *testing.T) {
	for _, args := range [][]string{{"init", "--single-child"}, {"dumb-init", "-c"}, {"tini"}} {
		l, in := (world{}).startWithInput(t, append(args, "sh", "-c", self()+" -helper print & read x; exit 5")...)
		pid := l.number()
		in.Close()
		l.endsWith(5)
		for _, s := range []syscall.Signal{1, 2, 3} { // he was not told, and hears these
			if err := syscall.Kill(pid, s); err != nil {
				t.Fatal(err)
			}
			l.says(fmt.Sprint(int(s)))
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		l.over()
	}
}

// TestOrphans has the command orphan many, who end at once: each is reaped, and told of where that is wanted.
func TestOrphans(t *testing.T) {
	for _, n := range []int{100, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inBothWorlds(t, func(t *testing.T, w world) {
				script := fmt.Sprintf("i=0; while [ $i -lt %d ]; do (true &); i=$((i+1)); done", n)
				for _, args := range [][]string{{"init", "-w"}, {"tini", "-s", "-w"}, {"dumb-init", "-v"}} {
					code, _, errs := w.run(t, append(args, "--", "sh", "-c", script)...)
					told := regexp.MustCompile(`(?m)^.*: reaped zombie process with pid=\d+$|^\[dumb-init\] reaped \d+$`)
					if got := len(told.FindAllString(errs, -1)); code != 0 || got != n {
						t.Errorf("%s: code %d; %d were reaped, want %d", args[0], code, got, n)
					}
				}
			})
		})
	}
}

// TestOrphansThatLive has many orphans end at one moment.
func TestOrphansThatLive(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 100
	}
	inBothWorlds(t, func(t *testing.T, w world) {
		// They read from the pipe whose other end is the shell's alone; the shell closes it and waits for nobody.
		script := fmt.Sprintf(`mkfifo p; exec 4<>p; i=0; while [ $i -lt %d ]; do (read x <p 4>&- &); i=$((i+1)); done; echo all; read x`, n)
		l, in := w.startWithInputIn(t, t.TempDir(), "init", "-w", "--", "sh", "-c", script)
		l.says("all")
		in.Close()
		l.endsWith(1) // that of read at the end of its input
		if got := strings.Count(l.said(), "reaped zombie"); got != n {
			t.Errorf("%d were reaped, want %d", got, n)
		}
	})
}

// TestAlwaysEnds kills a shell whose child outlives it for a moment, as the command ends at about that moment: it always
// ends, with the command's code.
func TestAlwaysEnds(t *testing.T) {
	times := 1000
	if testing.Short() {
		times = 40
	}
	const lanes = 4
	inBothWorlds(t, func(t *testing.T, w world) {
		for lane := range lanes {
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				for range times / lanes {
					code, _, errs := w.run(t, "init", "--", "sh", "-c", `sh -c "sleep 0.01 & kill -9 \$\$"; sleep 0.0087`)
					if code != 0 {
						t.Fatalf("exit code %d\n%s", code, errs)
					}
				}
			})
		}
	})
}

// TestDeadline is until when those who are left may stay.
func TestDeadline(t *testing.T) {
	start := time.Now()
	at := func(d time.Duration) time.Time { return start.Add(d) }
	for _, c := range []struct {
		name         string
		grace        time.Duration
		asked, ended time.Duration // 0: not asked
		want         time.Duration
	}{
		{"nobody asked", 10 * time.Second, 0, time.Hour, time.Hour + 9500*time.Millisecond},
		{"the command took a part", 10 * time.Second, time.Second, 3 * time.Second, 10500 * time.Millisecond},
		{"the command took all", 10 * time.Second, time.Second, 10 * time.Second, 11 * time.Second},
		{"it ended long after", 10 * time.Second, time.Second, time.Hour, time.Hour + time.Second},
		{"a long grace", 100 * time.Second, time.Second, 2 * time.Second, 96 * time.Second},
		{"a short grace", 600 * time.Millisecond, time.Second, 2 * time.Second, 2300 * time.Millisecond},
	} {
		k := &keeper{options: &options{grace: c.grace}}
		if c.asked != 0 {
			k.asked = at(c.asked)
		}
		k.left.since = at(c.ended)
		if got := k.deadline().Sub(start); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
