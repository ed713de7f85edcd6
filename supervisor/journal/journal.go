package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// Version is the version of the journal's format that this package writes and reads.
const Version = 1

// maxLine bounds a line of a journal that is read, so that a file that is no journal cannot fill the memory.
const maxLine = 16 << 20

// Header is the first line of a journal: all that is needed to check the rest without the configuration.
type Header struct {
	Version   int                `json:"version"`
	Name      string             `json:"name"`      // of the tree
	Nodes     []NodeRecord       `json:"nodes"`     // the declared processes, in the order of their IDs
	Options   supervisor.Options `json:"options"`   // as given to the machine
	Bound     time.Duration      `json:"bound"`     // how long a shutdown may take at most; supervisor.Forever: no bound
	Monotonic int64              `json:"monotonic"` // CLOCK_MONOTONIC at instant 0, in nanoseconds
	Wall      string             `json:"wall"`      // the time of day at instant 0, RFC 3339, for people
}

// NodeRecord is one declared process, as far as it matters to the order.
type NodeRecord = supervisor.Declared

// Records makes the header's nodes of what the machine was given.
func Records(nodes []ordering.Node, specs []supervisor.Spec) []NodeRecord {
	records := make([]NodeRecord, len(nodes))
	for i, n := range nodes {
		records[i] = NodeRecord{
			Name: n.Name, Role: n.Role.String(), DependsOn: n.DependsOn, Fronts: n.Fronts, Outlives: n.Outlives,
			Instances: specs[i].Instances, Optional: specs[i].Optional,
		}
	}
	return records
}

// Writer keeps reports as lines of JSON. Each line goes out with one Write, so that a crash cuts at most the last one.
type Writer struct {
	w   io.Writer
	buf bytes.Buffer
	err error
}

// NewWriter begins a journal with its header.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	h.Version = Version
	jw := &Writer{w: w}
	if err := jw.line(h); err != nil {
		return nil, err
	}
	return jw, nil
}

// Continue goes on with a journal whose header stands already.
func Continue(w io.Writer) *Writer { return &Writer{w: w} }

// Report adds a line. After the first failure it writes nothing more and returns that failure again: a journal with a
// hole in it would be worse than one that ends early.
func (w *Writer) Report(r supervisor.Report) error { return w.line(r) }

func (w *Writer) line(v any) error {
	if w.err != nil {
		return w.err
	}
	w.buf.Reset()
	enc := json.NewEncoder(&w.buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("cannot encode journal line: %w", err)
	}
	if _, err := w.w.Write(w.buf.Bytes()); err != nil {
		w.err = fmt.Errorf("cannot write journal: %w", err)
	}
	return w.err
}

// Journal is what was read.
type Journal struct {
	Header  Header
	Entries []Entry
	Cut     int // the number of the last line where it was cut off in the middle, and so is not among Entries; else 0
}

// Entry is one report, and where it stands.
type Entry struct {
	Line   int
	Report supervisor.Report
}

// SyntaxError is a line that is none of a journal.
type SyntaxError struct {
	Line int
	Err  error
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap gives the reason.
func (e *SyntaxError) Unwrap() error { return e.Err }

// Read reads a journal. A last line without its newline was cut off by a crash or is still being written: it is left
// out, and Cut tells its number. Any other line that is not a report is a *SyntaxError.
func Read(r io.Reader) (*Journal, error) {
	j := new(Journal)
	cut, err := scan(r, &j.Header, func(line int, r supervisor.Report) {
		j.Entries = append(j.Entries, Entry{Line: line, Report: r})
	})
	if err != nil {
		return nil, err
	}
	j.Cut = cut
	return j, nil
}

// scan reads a journal as Read does, and keeps nothing of it but the header.
func scan(r io.Reader, h *Header, entry func(line int, r supervisor.Report)) (cut int, err error) {
	lines := newLineReader(r)
	first, whole, err := lines.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if len(first) == 0 || !whole {
		return 0, &SyntaxError{Line: 1, Err: errors.New("not a journal: no header")}
	}
	if err := readHeader(first, h); err != nil {
		return 0, &SyntaxError{Line: 1, Err: err}
	}
	for {
		text, whole, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return 0, nil
		case err != nil:
			return 0, err
		case !whole:
			return lines.n, nil
		}
		var report supervisor.Report
		if err := readReport(text, &report); err != nil {
			return 0, &SyntaxError{Line: lines.n, Err: err}
		}
		entry(lines.n, report)
	}
}

func readHeader(text []byte, h *Header) error {
	if err := json.Unmarshal(text, h); err != nil {
		return fmt.Errorf("not a journal: %w", err)
	}
	switch {
	case h.Version == 0:
		return errors.New("not a journal: no version")
	case h.Version != Version:
		return fmt.Errorf("a journal of version %d: written by another lastout, this one reads version %d", h.Version, Version)
	}
	return checkNodes(h.Nodes)
}

// checkNodes refuses what the order could not be worked out from.
func checkNodes(nodes []NodeRecord) error {
	known := make(map[string]bool, len(nodes))
	for _, n := range nodes {
		if known[n.Name] {
			return fmt.Errorf("process %q stands twice in the header", n.Name)
		}
		known[n.Name] = true
		if _, ok := ordering.ParseRole(n.Role); !ok {
			return fmt.Errorf("process %q has the unknown role %q", n.Name, n.Role)
		}
	}
	for _, n := range nodes {
		for _, list := range [][]string{n.DependsOn, n.Fronts, n.Outlives} {
			for _, other := range list {
				if !known[other] {
					return fmt.Errorf("process %q names the unknown process %q", n.Name, other)
				}
			}
		}
	}
	return nil
}

func readReport(text []byte, r *supervisor.Report) error {
	if err := json.Unmarshal(text, r); err != nil {
		return fmt.Errorf("not a report: %w", err)
	}
	switch {
	case r.Kind == "":
		return errors.New("not a report: no kind")
	case r.Kind == supervisor.KindState && !known(r.State):
		return fmt.Errorf("unknown state %q", r.State)
	case r.Kind == supervisor.KindReload:
		return checkNodes(r.Nodes)
	case r.Kind == supervisor.KindFinish && r.Outcome == nil:
		return errors.New("a finish without its outcome")
	}
	return nil
}

// lineReader hands out the lines of a journal, numbered from 1.
type lineReader struct {
	r *bufio.Reader
	n int
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{r: bufio.NewReaderSize(r, 64<<10)} }

// next returns the next line without its newline, valid until the next call or longer, and whether it was whole.
// At the end it is io.EOF.
func (l *lineReader) next() ([]byte, bool, error) {
	l.n++
	var long []byte
	for {
		part, err := l.r.ReadSlice('\n')
		if len(long)+len(part) > maxLine {
			return nil, false, &SyntaxError{Line: l.n, Err: errors.New("not a journal: a line of more than 16 MiB")}
		}
		switch {
		case err == nil && long == nil:
			return part[:len(part)-1], true, nil
		case err == nil:
			long = append(long, part...)
			return long[:len(long)-1], true, nil
		case errors.Is(err, bufio.ErrBufferFull):
			long = append(long, part...)
		case errors.Is(err, io.EOF) && len(long)+len(part) > 0:
			return append(long, part...), false, nil
		case errors.Is(err, io.EOF):
			return nil, false, io.EOF
		default:
			return nil, false, fmt.Errorf("cannot read journal: %w", err)
		}
	}
}
