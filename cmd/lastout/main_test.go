package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run this very test binary as `lastout`, so with the race detector where the test has it, by
// the names in whose place it may be called, and as `child`.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lastout": main, "tini": main, "dumb-init": main, "child": child})
}
