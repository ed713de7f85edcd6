package guardian

import (
	"os"
	"syscall"
)

// left is the guardian whose master died; nil: this is something else.
var left *stage

// init is the whole life of a guardian, but for a rescue. See the package's documentation for why it is not called by
// main.
func init() {
	if text, told := syscall.Getenv(leftVariable); told {
		_ = syscall.Unsetenv(leftVariable)
		left = takeUp(text)
		return
	}
	text, told := syscall.Getenv(stageVariable)
	if !told {
		return
	}
	_ = syscall.Unsetenv(stageVariable)
	o, ok := parseOrder(text)
	if !ok || len(os.Args) < 2 {
		return
	}
	left = watch(o)
	rename("lastout")
	left.announce()
	if left.binary != "" {
		left.succeed()
	}
}
