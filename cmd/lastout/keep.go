package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lastout/ordering"
	"lastout/process/output"
	"lastout/supervisor"
	"lastout/supervisor/config"
	"lastout/supervisor/journal"
	"lastout/supervisor/report"
)

// diskPatience is for how long, in all, a disk that hangs may hold a shutdown back for the journal's sake.
const diskPatience = time.Second

// journalFile is a journal on its way to the disk: through a sink, so that the loop does not wait for the disk.
type journalFile struct {
	path   string
	file   io.Closer
	sink   *output.Sink
	writer *journal.Writer
}

func openJournal(path string) (*journalFile, error) {
	f, err := create(path, "the journal")
	if err != nil {
		return nil, err
	}
	return &journalFile{path: path, file: f, sink: output.NewSink(f)}, nil
}

// will is what whoever goes on with the journal must know.
func (j *journalFile) will() willedJournal {
	w := willedJournal{Path: j.path}
	switch f := j.file.(type) {
	case *keptFile:
		w.Unasked = true
	case *os.File:
		w.Device, w.Inode = whichFile(f)
	}
	return w
}

// whichFile is the identity of a file.
func whichFile(f *os.File) (device, inode uint64) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return uint64(st.Dev), st.Ino
}

// reopenJournal goes on with a journal whose writer was killed. A line that was cut off is taken away.
func reopenJournal(w willedJournal) (*journalFile, error) {
	f, err := os.OpenFile(w.Path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if device, inode := whichFile(f); !w.Unasked && (device != w.Device || inode != w.Inode) {
		f.Close()
		return nil, errors.New("another file is there now")
	}
	size, err := wholeLines(f)
	if err == nil && w.Unasked {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	j := &journalFile{path: w.Path, file: f}
	if w.Unasked {
		kept := &keptFile{path: w.Path, f: f, size: size, limit: max(keptSize, 2*size)}
		j.file, j.sink = kept, output.NewSink(io.Writer(kept))
		j.sink.Hurry(0)
	} else {
		j.sink = output.NewSink(f)
	}
	j.writer = journal.Continue(j.sink)
	return j, nil
}

// wholeLines cuts a file behind its last newline, has it written to from there, and tells its size. What is no plain
// file is left as it is.
func wholeLines(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0, err
	}
	size := info.Size()
	const piece = 64 << 10
	for buf := make([]byte, piece); size > 0; {
		from := max(0, size-piece)
		n, err := f.ReadAt(buf[:size-from], from)
		if err != nil {
			return 0, err
		}
		if at := bytes.LastIndexByte(buf[:n], '\n'); at >= 0 {
			size = from + int64(at) + 1
			break
		}
		size = from
	}
	if err := f.Truncate(size); err != nil {
		return 0, err
	}
	return f.Seek(size, io.SeekStart)
}

// headerOf is all that a later check needs to know. Its instant 0, on CLOCK_MONOTONIC, is the engine's.
func headerOf(cfg *config.Config, began time.Time, monotonic int64) journal.Header {
	return journal.Header{
		Name: cfg.Name, Nodes: journal.Records(cfg.Nodes, cfg.Specs), Options: cfg.Options,
		Bound: supervisor.MakePlan(cfg.Graph, cfg.Specs, cfg.Options).Bound, Monotonic: monotonic,
		Wall: began.Format(time.RFC3339Nano),
	}
}

// treeOf is what a report has to know of the tree beside the journal's lines.
func treeOf(h journal.Header) report.Tree {
	t := report.TreeOf(h.Name, h.Nodes)
	if wall, err := time.Parse(time.RFC3339Nano, h.Wall); err == nil {
		t.Wall = wall
	}
	return t
}

// begin writes the header.
func (j *journalFile) begin(h journal.Header) error {
	var err error
	j.writer, err = journal.NewWriter(j.sink, h)
	return err
}

// report adds a line. A line that cannot be encoded cannot happen; what the disk does is counted by the sink.
func (j *journalFile) report(r supervisor.Report) {
	if j.writer != nil {
		_ = j.writer.Report(r)
	}
}

// hurry says that a shutdown began: from now on a disk that hangs is waited for only so long.
func (j *journalFile) hurry() { j.sink.Hurry(diskPatience) }

// close ends the journal, and says whether it is whole.
func (j *journalFile) close() error {
	whole := j.sink.Close(diskPatience)
	if lines, _ := j.sink.Dropped(); lines > 0 || !whole {
		return fmt.Errorf("the journal %s is not whole: %s lost", j.path, report.Count(int(lines), "line"))
	}
	return j.file.Close()
}

// writeReport writes the report of the shutdown for programs.
func writeReport(path string, s *report.Shutdown) error {
	f, err := create(path, "the report")
	if err != nil {
		return err
	}
	err = errors.Join(answerJSON(f, s), f.Close())
	if err != nil {
		return fmt.Errorf("cannot write the report %s: %w", path, err)
	}
	return nil
}

// droppedText says which wait was left out of the order, and why.
func droppedText(g *ordering.Graph, d ordering.DroppedWait) string {
	step := func(s ordering.Step) string {
		if s.Kind == ordering.Drain {
			return "the drain of " + g.Node(s.ID).Name
		}
		return g.Node(s.ID).Name
	}
	return fmt.Sprintf("%s does not wait for %s: that would be circular", step(d.Step), step(d.For))
}
