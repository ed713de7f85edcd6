package output

import (
	"bytes"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const never = time.Minute // a bound that a test does not reach

// memory is a writer that keeps what it gets.
type memory struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (m *memory) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.b.Write(p)
}

func (m *memory) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.b.String()
}

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
	eventually(t, "the pipe is read", func() bool { return pending(t, p) == 0 })
}

// eventually waits for what no channel tells.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(never); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain until " + what)
		}
	}
}
