//go:build amd64 || arm64

package bare

import "lastout/process/signame"

// What we were started with, as entry_*.s saw it: Go's runtime changes it before any line of Go runs. It unblocks
// signals, gives most that are ignored a handler, and raises the soft limit of open files. The entry is there if the
// program was linked to begin with it (-E lastout_entry, see the Makefile).
var (
	entered uint32
	atEntry struct {
		mask    uint64
		files   [2]uint64 // struct rlimit
		actions [signame.RTMax + 1]action
	}
)

// early has the signals of PID 1 caught, until Go's runtime or Catch does it: the kernel drops those that nobody catches.
// Those that stop and continue are let be: Go's runtime leaves them alone, and their default stops no PID 1.
//
//lint:ignore U1000 the entry writes and reads it
var early action

// Entered says that Start knows what we were started with.
func Entered() bool { return entered != 0 }
