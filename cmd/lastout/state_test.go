package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"lastout/supervisor"
	"lastout/supervisor/journal"
)

// TestKeptJournalStaysSmall has a tree crash for months and then shut down: the file stays below its bound, is a whole
// journal at every moment, and can be checked to its end.
func TestKeptJournalStaysSmall(t *testing.T) {
	root := t.TempDir()
	j, err := openKept(root, "shop", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	const limit = 8 << 10
	j.file.(*keptFile).limit = limit
	err = j.begin(journal.Header{Name: "shop", Nodes: []journal.NodeRecord{{Name: "api", Role: "worker", Instances: 1}}, Bound: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	at, run := supervisor.Instant(0), supervisor.Run(0)
	say := func(r supervisor.Report) {
		at += time.Second
		r.At, r.Run = at, run
		if r.Kind != supervisor.KindPhase && r.Kind != supervisor.KindFinish {
			r.Process, r.Instance = "api", "api"
		}
		j.report(r)
	}
	state := func(from, to supervisor.State, pid int) {
		say(supervisor.Report{Kind: supervisor.KindState, From: from, State: to, PID: pid})
	}
	leave := func() {
		say(supervisor.Report{Kind: supervisor.KindExit, Exit: &supervisor.Exit{Code: 1}})
		say(supervisor.Report{Kind: supervisor.KindGone})
	}
	for range 1000 {
		run++
		state(supervisor.Waiting, supervisor.Starting, 0)
		state(supervisor.Starting, supervisor.Ready, 4711)
		leave()
		state(supervisor.Ready, supervisor.InBackoff, 0)
		if !j.sink.Flush(time.Minute) { // each goes to the disk by itself, as over months
			t.Fatal("the journal is not written")
		}
		if info, err := os.Stat(j.path); err != nil || info.Size() > limit+1024 {
			t.Fatalf("after %d runs the journal has %v bytes (%v)", run, info.Size(), err)
		}
	}
	run++
	state(supervisor.InBackoff, supervisor.Starting, 0)
	state(supervisor.Starting, supervisor.Ready, 4711)
	say(supervisor.Report{Kind: supervisor.KindPhase, Phase: supervisor.Announcing})
	say(supervisor.Report{Kind: supervisor.KindSignal, Signal: 15})
	leave()
	state(supervisor.Stopping, supervisor.Stopped, 0)
	say(supervisor.Report{Kind: supervisor.KindFinish, Outcome: &supervisor.Outcome{}})
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(root, "shop", "*"))
	if len(files) != 1 || files[0] != j.path {
		t.Fatalf("left are %v", files)
	}
	read, err := readFile(j.path)
	if err != nil {
		t.Fatal(err)
	}
	if !read.shutdown() || !finished(read.Journal) {
		t.Error("the shutdown is missing")
	}
	for _, v := range journal.Verify(read.Journal) {
		t.Error(v)
	}
}

// TestKeptRunsAreFew prunes what is old, and never what is still being written.
func TestKeptRunsAreFew(t *testing.T) {
	root := t.TempDir()
	begin := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	live, err := openKept(root, "shop", begin)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 * keptRuns {
		j, err := openKept(root, "shop", begin.Add(time.Duration(n+1)*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if err := j.close(); err != nil {
			t.Fatal(err)
		}
	}
	stranger := filepath.Join(root, "shop", "notes.txt")
	if err := os.WriteFile(stranger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	names, err := kept(filepath.Join(root, "shop"))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != keptRuns+1 || names[0] != filepath.Base(live.path) {
		t.Errorf("with one that is written still, kept are %q", names)
	}
	if err := live.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openKept(root, "shop", begin.Add(1000*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if names, _ = kept(filepath.Join(root, "shop")); len(names) != keptRuns {
		t.Errorf("kept are %q", names)
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Error("a file that is no journal is gone")
	}
}

func TestStateDir(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	own := filepath.Join(home, ".local", "state", "lastout")
	if os.Geteuid() == 0 {
		own = "/var/lib/lastout"
	}
	for _, c := range []struct{ flag, xdg, want string }{
		{"there", "/state", "there"},
		{"", "/state", "/state/lastout"},
		{"", "", own},
		{"", "relative", own}, // is to be ignored, says the specification
	} {
		t.Setenv("XDG_STATE_HOME", c.xdg)
		if got, err := stateDir(c.flag); err != nil || got != c.want {
			t.Errorf("--state %q, XDG_STATE_HOME=%q: %q (%v), want %q", c.flag, c.xdg, got, err, c.want)
		}
	}
}
