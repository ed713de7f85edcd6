package control

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastout/process/recent"
)

// logs answers with what instances have written last, and with what they write.
func (s *Server) logs(w http.ResponseWriter, req *http.Request) error {
	query := req.URL.Query()
	l := logReader{shelf: s.System.Output(), readers: map[string]*reader{}, all: len(query["name"]) == 0}
	if since := query.Get("since"); since != "" {
		var err error
		if l.since, err = time.Parse(time.RFC3339Nano, since); err != nil {
			return problemf(http.StatusBadRequest, "since: %q is no time (RFC 3339)", since)
		}
	}
	if err := l.choose(s, req); err != nil {
		return err
	}
	f, err := s.follow(w, req)
	if err != nil {
		return err
	}
	defer f.leave()
	for first := true; ; first = false {
		changed, last := l.shelf.Hub.Changed(), l.shelf.Hub.Closed() || f.ending()
		lines := l.read()
		if first {
			lines = tailEach(lines, query.Get("tail"))
		}
		last = last || query.Get("follow") != "true"
		if last {
			lines = append(lines, l.unfinished()...)
		}
		if (len(lines) > 0 || first) && f.send(encodeLines(lines)) != nil {
			return nil
		}
		if last || !f.wait(changed) {
			return nil
		}
	}
}

// logReader reads the logs of some instances.
type logReader struct {
	shelf   *recent.Shelf
	version uint64 // of the shelf, when it was looked at last
	all     bool
	since   time.Time
	readers map[string]*reader
}

// reader is where the reading of one log has come to.
type reader struct {
	log  *recent.Log
	at   recent.Position
	part Line // a line that has no end yet
}

// choose opens the logs of the instances that are named.
func (l *logReader) choose(s *Server, req *http.Request) error {
	if l.all {
		return nil
	}
	snapshot, err := s.snapshot(req.Context())
	if err != nil {
		return err
	}
	chosen, err := choose(snapshot, req.URL.Query()["name"])
	if err != nil {
		return err
	}
	seen := l.shelf.Logs()
	for name := range chosen {
		if log := seen[name]; log != nil {
			l.readers[name] = &reader{log: log}
		}
	}
	if len(l.readers) == 0 && len(chosen) > 0 {
		return problemf(http.StatusConflict, "nothing that %s write is seen here (nothing was written yet, or log.stdout is inherit or null)",
			strings.Join(slices.Sorted(maps.Keys(chosen)), ", "))
	}
	return nil
}

// read gives what is new, in the order in which it came.
func (l *logReader) read() []Line {
	if version := l.shelf.Version(); l.all && version != l.version {
		l.version = version
		for name, log := range l.shelf.Logs() {
			if l.readers[name] == nil {
				l.readers[name] = &reader{log: log}
			}
		}
	}
	var lines []Line
	for _, name := range slices.Sorted(maps.Keys(l.readers)) {
		lines = append(lines, l.readers[name].read(name)...)
	}
	slices.SortStableFunc(lines, func(a, b Line) int { return a.At.Compare(b.At) })
	if !l.since.IsZero() {
		lines = slices.DeleteFunc(lines, func(x Line) bool { return x.At.Before(l.since) })
	}
	return lines
}

// read gives the lines that have an end.
func (r *reader) read(name string) []Line {
	pieces, next, gap := r.log.Read(r.at)
	r.at = next
	if gap {
		r.part = Line{Gap: true}
	}
	var lines []Line
	for _, p := range pieces {
		for text := range bytes.Lines(p.Text) {
			body, whole := bytes.CutSuffix(text, []byte("\n"))
			if r.part.Text == "" {
				r.part.At = p.At
			}
			r.part.Instance = name
			r.part.Text += string(body)
			if whole {
				r.part.Text = strings.TrimSuffix(r.part.Text, "\r")
				lines = append(lines, r.part)
				r.part = Line{}
			}
		}
	}
	return lines
}

// unfinished gives the lines that have no end.
func (l *logReader) unfinished() []Line {
	var lines []Line
	for _, name := range slices.Sorted(maps.Keys(l.readers)) {
		if r := l.readers[name]; r.part.Text != "" {
			lines = append(lines, r.part)
		}
	}
	return lines
}

// tailEach keeps so many lines of each instance; nothing said: all.
func tailEach(lines []Line, tail string) []Line {
	n, err := strconv.Atoi(tail)
	if err != nil {
		return lines
	}
	left := map[string]int{}
	kept := lines[:0:0]
	for i := len(lines) - 1; i >= 0; i-- {
		if left[lines[i].Instance]++; left[lines[i].Instance] <= n {
			kept = append(kept, lines[i])
		}
	}
	slices.Reverse(kept)
	return kept
}

func encodeLines(lines []Line) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, line := range lines {
		_ = enc.Encode(line) // a struct of strings and times: it cannot fail
	}
	return b.Bytes()
}
