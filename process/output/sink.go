package output

import (
	"bytes"
	"io"
	"os"
	"sync"
	"time"
)

// Sink takes lines from many writers and writes them, in the order in which they came, from a goroutine of its own that
// lives only while there is something to write. It is safe for concurrent use.
//
// The zero value is not useful; NewSink and OpenFile make one.
type Sink struct {
	mu       sync.Mutex
	room     sync.Cond // for writers: there is room, or no more patience, or no more sink
	progress sync.Cond // for Flush and Close: something was written or dropped

	to      target
	buf     []byte // taken, and not yet in the hands of the writing goroutine; one line end comes first, see mend
	batch   []byte // in its hands and not yet written
	hands   []byte // the whole buffer of the batch
	running bool   // the writing goroutine lives
	reopen  bool   // it shall open its file anew
	midline bool   // the last byte that was written did not end a line
	mend    bool   // and what should have come next is lost: the next batch must begin with the line end
	mending bool   // the batch does, and it is not written yet

	taken, done uint64 // bytes ever taken into buf, and of those written or lost
	open        *Pipe  // whose line is unfinished in buf; nil: nobody's

	paused  bool // nothing is written
	resting bool // and the writing goroutine does not: it waits for the end of the pause, or for its target
	openFD  int  // of the pipe that may go on with the unfinished line once it is restored; 0: none

	closed bool // nothing more is taken
	left   bool // Close has given up: what was not written is dropped, and nothing more is written

	patience patience
	dropped  struct{ lines, bytes uint64 }
	trouble  trouble
}

// somebody is the owner of an unfinished line that nobody shall go on with: a line that lost a part, or one that came
// by Write.
var somebody = new(Pipe)

// NewSink returns a sink that writes to w. Where w is an *os.File its descriptor is written to directly: without the
// death by SIGPIPE that os.File has in store for descriptors 1 and 2, and without a change of O_NONBLOCK, which a
// terminal or a pipe shares with strangers. The sink does not close w, and w must stay open as long as the sink is.
func NewSink(w io.Writer) *Sink {
	if f, ok := w.(*os.File); ok {
		return newSink(newDescriptor(f))
	}
	return newSink(&stream{w})
}

func newSink(to target) *Sink {
	s := &Sink{to: to}
	s.room.L, s.progress.L = &s.mu, &s.mu
	return s
}

// Standard returns the sinks for our stdout and stderr. It is one and the same where both are the same file, terminal
// or pipe: a line of the log then never lands within a line of a child, and their order is kept.
func Standard() (stdout, stderr *Sink) {
	stdout = NewSink(os.Stdout)
	a, errA := os.Stdout.Stat()
	b, errB := os.Stderr.Stat()
	if errA == nil && errB == nil && os.SameFile(a, b) {
		return stdout, stdout
	}
	return stdout, NewSink(os.Stderr)
}

// OnError has f called with what goes wrong in writing: once for as long as it goes on, and the same again after a
// minute at the earliest. f runs on a goroutine of its own, so that it may well write to this very sink.
func (s *Sink) OnError(f func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble.say = f
}

// Write takes p, which should be whole lines, without waiting for it to be written. While the sink is behind it holds
// the writer back; what it cannot take any more it drops and counts, see Hurry. It never fails and keeps nothing of p.
func (s *Sink) Write(p []byte) (int, error) {
	s.take(nil, p)
	return len(p), nil
}

// take is Write for a pipe's lines, which are laid out on their way into the buffer; from is nil for Write itself.
func (s *Sink) take(from *Pipe, p []byte) {
	if len(p) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	owner := from
	if owner == nil {
		owner = somebody
	}
	if !s.admit() {
		s.drop(p)
		if s.open == owner {
			s.open = somebody
		}
		return
	}
	if s.buf == nil {
		s.buf = append(getWriteBuffer(), '\n')
	}
	before := len(s.buf)
	if s.open != nil && (s.open != owner || owner == somebody) {
		s.buf = append(s.buf, '\n')
	}
	if from == nil {
		s.buf = append(s.buf, p...)
	} else {
		s.buf = from.layout.append(s.buf, p)
	}
	s.taken += uint64(len(s.buf) - before)
	s.open = nil
	if s.buf[len(s.buf)-1] != '\n' {
		s.open = owner
	}
	s.start()
	s.passOn()
}

// admit waits for room, first come, first served, and tells whether there is some; if not, the lines are to be dropped.
// A writer may go on when the buffer is below the mark, however much it brings: room then is the same for everybody.
func (s *Sink) admit() bool {
	queue := s.patience.waiting > 0
	for !s.closed && !s.paused && !s.patience.over() && (queue || !s.hasRoom()) {
		s.patience.hold(s.impatient)
		s.room.Wait()
		s.patience.release()
		queue = false
	}
	return (s.paused || s.hasRoom()) && !s.closed
}

func (s *Sink) hasRoom() bool { return len(s.buf) < highWater }

// passOn wakes the next in the queue of writers. Whoever made room, or was woken and left some, calls it.
func (s *Sink) passOn() {
	if s.patience.waiting > 0 && s.hasRoom() {
		s.room.Signal()
	}
}

// impatient is what the timer of the patience calls.
func (s *Sink) impatient() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.patience.spent() {
		s.room.Broadcast()
	}
}

// Hurry says that from now on writers may be held back for bound in all and no more: after that, lines for which there
// is no room are dropped at once, and counted. What counts is the time during which somebody is held back, so a sink
// that takes what it gets loses nothing, whenever it comes. Called again, the shorter patience holds.
func (s *Sink) Hurry(bound time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.patience.limit(bound, s.impatient)
	if s.patience.over() {
		s.room.Broadcast()
	}
}

// Flush waits, for bound at most, until all that was taken before is written or, where that failed, dropped. It tells
// whether it came to that.
func (s *Sink) Flush(bound time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	upTo := s.taken
	return s.await(bound, func() bool { return s.done >= upTo })
}

// Close takes nothing more, not even from writers that are held back, waits for bound at most until the rest is
// written, and drops and counts what is not. A file is closed. It tells whether all was written or had failed before;
// otherwise the writing goroutine may hang in its system call until the process ends, and nobody else does.
func (s *Sink) Close(bound time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.room.Broadcast()
		s.start() // close(2) may hang too
	}
	s.await(bound, func() bool { return !s.running || s.left })
	if s.done < s.taken && !s.left {
		s.left = true
		s.dropBatch()
		if s.buf != nil {
			s.drop(s.buf[1:])
		}
		s.buf, s.done = nil, s.taken
		s.progress.Broadcast()
	}
	return !s.left
}

// await waits for ok, with mu held, for bound at most.
func (s *Sink) await(bound time.Duration, ok func() bool) bool {
	if ok() || bound <= 0 {
		return ok()
	}
	late := false
	timer := time.AfterFunc(bound, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		late = true
		s.progress.Broadcast()
	})
	defer timer.Stop()
	for !ok() && !late {
		s.progress.Wait()
	}
	return ok()
}

// Reopen has a file sink open its path anew, as after a rotation by somebody else; until that succeeds the old file is
// written on. For other sinks it means nothing. It does not wait.
func (s *Sink) Reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.to.(*file); ok && !s.closed {
		s.reopen = true
		s.start()
	}
}

// Dropped tells how much was lost so far: because there was no room in a hurry, because writing failed, or because it
// came after Close. Lines are counted by their ends; bytes are those of the writers, without prefixes, as long as
// they had not been taken.
func (s *Sink) Dropped() (lines, bytes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped.lines, s.dropped.bytes
}

// Taken tells how many bytes were taken to be written, prefixes included.
func (s *Sink) Taken() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

var newline = []byte{'\n'}

func (s *Sink) drop(p []byte) {
	s.dropped.lines += uint64(bytes.Count(p, newline))
	s.dropped.bytes += uint64(len(p))
}
