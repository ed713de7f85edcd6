//go:build amd64 || arm64

package onecmd

import (
	"syscall"

	"lastout/process/signame"
)

// unignore gives signals that whatever started the tests ignores their default action: every command would inherit it.
func unignore() {
	for s := syscall.Signal(1); s <= signame.RTMax; s++ {
		var old action
		swapAction(s, nil, &old)
		if old.handler == ignore {
			swapAction(s, &action{}, nil)
		}
	}
}
