package process

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Spawner runs functions one after another on one thread: that which serves it.
type Spawner struct {
	mu    sync.Mutex
	queue []func()
	wake  chan struct{}
}

// NewSpawner returns a Spawner that nobody serves yet; what it is given waits.
func NewSpawner() *Spawner {
	return &Spawner{wake: make(chan struct{}, 1)}
}

// Do queues f and returns at once. The caller bounds the queue: it holds at most one function per thing to start.
func (s *Spawner) Do(f func()) {
	s.mu.Lock()
	s.queue = append(s.queue, f)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // it is awake, or will be
	}
}

// Serve runs what Do queues until stop is closed. It keeps its goroutine on its thread, whose signal mask it empties,
// for a child inherits the mask of the thread that forks it.
func (s *Spawner) Serve(stop <-chan struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var none, before unix.Sigset_t
	if unix.PthreadSigmask(unix.SIG_SETMASK, &none, &before) == nil {
		defer func() { _ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil) }()
	}
	for {
		select {
		case <-stop:
			return
		case <-s.wake:
		}
		for f := s.next(); f != nil; f = s.next() {
			select {
			case <-stop:
				return
			default:
				f()
			}
		}
	}
}

func (s *Spawner) next() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		s.queue = nil
		return nil
	}
	f := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	return f
}
