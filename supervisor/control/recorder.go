package control

import (
	"encoding/json"
	"fmt"
	"time"

	"lastout/process/recent"
	"lastout/supervisor"
)

// Recorder keeps the last reports and counts all of them. It is what the server knows beside the snapshot.
type Recorder struct {
	hub    recent.Hub `image:"-"`
	log    *recent.Log
	counts counts
}

// The events that are kept: some for the tree and some for each instance, so that the begin and the end of one is whole.
const (
	keptEvents   = 64 << 10
	keptEach     = 512
	keptAtMost   = 2 << 20
	longestEvent = keptEvents / 4 // what is longer would be kept in pieces
)

// NewRecorder makes one for so many instances.
func NewRecorder(instances int) *Recorder {
	r := &Recorder{counts: newCounts()}
	r.log = recent.NewLog(&r.hub, min(keptEvents+instances*keptEach, keptAtMost))
	return r
}

// Rejoin makes a recorder that was kept for a successor ready to go on.
func (r *Recorder) Rejoin() { r.log.Rejoin(&r.hub) }

// Report takes a report. It is called on the loop, in order, and does not wait.
func (r *Recorder) Report(report supervisor.Report) {
	r.counts.add(&report)
	text, err := json.Marshal(report)
	if len(text) >= longestEvent && len(report.Connections) > 0 {
		report.Cause = fmt.Sprintf("%s (%d connections: the journal has them)", report.Cause, len(report.Connections))
		report.Connections = nil
		text, err = json.Marshal(report)
	}
	if err != nil || len(text) >= longestEvent {
		text, _ = json.Marshal(supervisor.Report{
			At: report.At, Kind: supervisor.KindNote, Cause: fmt.Sprintf("a report of kind %q is too long to be kept", report.Kind),
		})
	}
	r.log.Add(time.Now(), append(text, '\n'))
}

// Close says that no more reports will come.
func (r *Recorder) Close() { r.hub.Close() }
