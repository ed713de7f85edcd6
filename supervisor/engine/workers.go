package engine

import (
	"sync"
	"time"
)

// workers counts goroutines. Unlike a sync.WaitGroup it may be waited for while others are begun, and for a bounded time.
// The zero value is ready for use.
type workers struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when there is none; nil: nobody waits
}

// Go runs f on a goroutine.
func (w *workers) Go(f func()) {
	w.mu.Lock()
	w.n++
	w.mu.Unlock()
	go func() {
		defer w.done()
		f()
	}()
}

func (w *workers) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n--
	if w.n == 0 && w.idle != nil {
		close(w.idle)
		w.idle = nil
	}
}

// over is closed when none is left.
func (w *workers) over() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.idle == nil {
		idle := make(chan struct{})
		if w.n == 0 {
			close(idle)
			return idle
		}
		w.idle = idle
	}
	return w.idle
}

// Wait waits until there is none.
func (w *workers) Wait() { <-w.over() }

// WaitFor waits for that, for bound at most, and tells whether it came to it.
func (w *workers) WaitFor(bound time.Duration) bool {
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-w.over():
		return true
	case <-timer.C:
		return false
	}
}
