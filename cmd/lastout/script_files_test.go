package main

// The commands of the scripts that look into files: what children and lastout wrote.

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

func seen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: seen FILE REGEXP [N]")
	}
	file, pattern, want := ts.MkAbs(args[0]), regexp.MustCompile("(?m)"+args[1]), 1
	if len(args) == 3 {
		want, _ = strconv.Atoi(args[2])
	}
	var text []byte
	err := watch(file, hangs, func() bool {
		text, _ = os.ReadFile(file)
		return len(pattern.FindAllIndex(text, -1)) >= want
	})
	if err != nil {
		ts.Fatalf("%s has no %d lines like %s: %v\n%s%s", args[0], want, args[1], err, text, errorsOf(ts))
	}
}

// errorsOf shows what the script's lastouts said.
func errorsOf(ts *testscript.TestScript) string {
	var b strings.Builder
	for name := range lives(ts) {
		fmt.Fprintf(&b, "-- %s.err --\n%s", name, ts.ReadFile(name+".err"))
	}
	return b.String()
}

// watch waits until ok, which is asked again after each change in the file's folder (inotify(7)).
func watch(file string, bound time.Duration, ok func() bool) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return err
	}
	notices := os.NewFile(uintptr(fd), "inotify")
	defer notices.Close()
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(file), unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		return err
	}
	if err := notices.SetReadDeadline(time.Now().Add(bound)); err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for !ok() {
		if _, err := notices.Read(buf); err != nil {
			return err
		}
	}
	return nil
}

// entry is one line of a child's record.
type entry struct {
	at   time.Duration
	text string
}

// entries reads a record: "NS NAME EVENT" lines, in the order of their clocks.
func entries(ts *testscript.TestScript, file string) []entry {
	var all []entry
	for line := range strings.Lines(ts.ReadFile(file)) {
		stamp, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		ns, err := strconv.ParseInt(stamp, 10, 64)
		ts.Check(err)
		all = append(all, entry{time.Duration(ns), text})
	}
	return all
}

func order(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: order FILE REGEXP...")
	}
	all := entries(ts, args[0])
	last := time.Duration(-1)
	for _, arg := range args[1:] {
		pattern := regexp.MustCompile("^(?:" + arg + ")$")
		found := false
		for _, e := range all {
			if !pattern.MatchString(e.text) {
				continue
			}
			if e.at < last {
				ts.Fatalf("%q is too early in %s:\n%s", e.text, args[0], ts.ReadFile(args[0]))
			}
			found = true
		}
		if !found {
			ts.Fatalf("no %s in %s:\n%s", arg, args[0], ts.ReadFile(args[0]))
		}
		for _, e := range all {
			if pattern.MatchString(e.text) {
				last = max(last, e.at)
			}
		}
	}
}

func span(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 5 {
		ts.Fatalf("usage: span FILE A B MIN MAX")
	}
	var at [2]time.Duration
	for i, arg := range args[1:3] {
		pattern := regexp.MustCompile("^(?:" + arg + ")$")
		for _, e := range entries(ts, args[0]) {
			if pattern.MatchString(e.text) {
				at[i] = e.at
				break
			}
		}
		if at[i] == 0 {
			ts.Fatalf("no %s in %s:\n%s", arg, args[0], ts.ReadFile(args[0]))
		}
	}
	took := at[1] - at[0]
	if took < duration(ts, args[3]) || took > duration(ts, args[4]) {
		ts.Fatalf("%v from %s to %s, want %s to %s:\n%s", took, args[1], args[2], args[3], args[4], ts.ReadFile(args[0]))
	}
}

func precede(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: precede FILE REGEXP...")
	}
	text := ts.ReadFile(args[0])
	last := -1
	for _, arg := range args[1:] {
		found := regexp.MustCompile("(?m)"+arg).FindAllStringIndex(text, -1)
		if len(found) == 0 || found[0][0] < last {
			ts.Fatalf("%s is missing or too early in %s:\n%s", arg, args[0], text)
		}
		last = found[len(found)-1][0]
	}
}
