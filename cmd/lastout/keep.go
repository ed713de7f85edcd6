package main

import (
	"errors"
	"fmt"
	"io"
	"time"

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
	t := report.Tree{Name: h.Name, Roles: make(map[string]string, len(h.Nodes))}
	if wall, err := time.Parse(time.RFC3339Nano, h.Wall); err == nil {
		t.Wall = wall
	}
	for _, n := range h.Nodes {
		t.Roles[n.Name] = n.Role
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
