// Command lastout launches gateways and workers from a TOML dependency graph, keeps them running, and on a signal takes
// the tree down so that no response is lost. `lastout help` tells more.
package main

import (
	"os"
	"runtime"

	"lastout/cmd/lastout/guardian"
	"lastout/cmd/lastout/onecmd"
)

// The main goroutine stays on the main thread: children are spawned there, because the parent-death signal follows the
// parent thread (prctl(2)), and an exec ends all threads but one.
func init() { runtime.LockOSThread() }

func main() { os.Exit(start(os.Args)) }

// start is main with its exit code. A `lastout init` that runs a command never comes here: onecmd did it. Until Boot's
// handlers are in, a signal would kill `run` or, for PID 1, be dropped by the kernel, so nothing comes before it. The
// other verbs keep the usual meaning of Ctrl-C.
func start(args []string) int {
	if code, known := onecmd.Answer(args, buildVersion); known {
		return code
	}
	p := &program{stdout: os.Stdout, stderr: os.Stderr}
	if len(args) > 1 {
		switch args[1] {
		case "run":
			p.takeSignals()
		case proofVerb:
			p.proof = os.NewFile(3, "proof")
			args = append(args[:1:1], args[2:]...)
		case "--version", "-v":
			args = []string{args[0], "version"}
		case "--help", "-h":
			args = []string{args[0], "help"}
		}
	}
	code := p.main(args)
	_ = p.guard.tell(guardian.Done())
	return code
}
