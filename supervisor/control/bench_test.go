package control

import (
	"testing"

	"lastout/supervisor"
)

// BenchmarkReport is what each report of the machine costs the loop.
func BenchmarkReport(b *testing.B) {
	r := NewRecorder(100)
	report := supervisor.Report{
		At: 1203894, Kind: supervisor.KindState, Process: "api", Instance: "api.1", Run: 3, PID: 4711,
		From: supervisor.Starting, State: supervisor.Running, Bound: 60e9,
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Report(report)
	}
}
