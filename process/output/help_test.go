package output

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pending tells how many bytes wait in a pipe.
func pending(t testing.TB, p *Pipe) (n int) {
	t.Helper()
	var err error
	if e := p.raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	return n
}

// waitParked waits until a pipe has read what was written to it.
func waitParked(t testing.TB, p *Pipe) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		if pending(t, p) == 0 {
			return
		}
	}
	t.Fatal("a pipe is not read")
}
