package output

import (
	"os"
	"time"
)

// pause is a halt of a pipe's goroutine.
type pause struct {
	stopped chan struct{} // closed when it has come to rest
	resume  chan struct{} // closed when it shall go on
}

// Pause has the pipe read nothing more until Resume, and hand nothing on. It waits until that is so, for bound at most,
// and tells whether it is; one whose sink is behind may take longer, unless that is paused too. What is written
// meanwhile stays in the pipe.
func (p *Pipe) Pause(bound time.Duration) bool {
	halt := &pause{stopped: make(chan struct{}), resume: make(chan struct{})}
	p.halt.Store(halt)
	_ = p.end.SetReadDeadline(past)
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-halt.stopped:
		return true
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

// Resume ends a Pause.
func (p *Pipe) Resume() {
	halt := p.halt.Swap(nil)
	if halt == nil {
		return
	}
	if !p.finished.Load() {
		_ = p.end.SetReadDeadline(time.Time{})
		if p.finished.Load() { // it was finished just now
			_ = p.end.SetReadDeadline(past)
		}
	}
	close(halt.resume)
}

// rested waits while the pipe is paused.
func (p *Pipe) rested() {
	if halt := p.halt.Load(); halt != nil {
		p.release()
		close(halt.stopped)
		<-halt.resume
	}
}

var past = time.Unix(1, 0)

// KeptPipe is what a paused pipe is to whoever takes it over.
type KeptPipe struct {
	FD       int    // the read end
	Line     []byte // read, and not handed on: a line has no end yet
	Midline  bool   // what was handed on last did not end a line
	Matching bool   // the match was not found yet

	Prefix     []byte
	Timestamps bool
}

// Keep tells what a paused pipe is. It is false for one that is over.
func (p *Pipe) Keep() (KeptPipe, bool) {
	select {
	case <-p.done:
		return KeptPipe{}, false
	default:
	}
	k := KeptPipe{
		Line: p.kept, Midline: p.layout.midline, Matching: p.match != nil,
		Prefix: p.layout.prefix, Timestamps: p.layout.stamps,
	}
	if err := p.raw.Control(func(fd uintptr) { k.FD = int(fd) }); err != nil {
		return KeptPipe{}, false
	}
	return k, true
}

// To is the sink of a pipe; nil: none.
func (p *Pipe) To() *Sink { return p.to }

// RestorePipe goes on with a pipe that was kept. Prefix and stamps are as they were; all else is in the options. It owns
// the descriptor.
func RestorePipe(o PipeOptions, k KeptPipe) (*Pipe, error) {
	o.Prefix, o.Timestamps = k.Prefix, k.Timestamps
	p, err := pipeOf(o, os.NewFile(uintptr(k.FD), "|output"))
	if err != nil {
		return nil, err
	}
	p.kept, p.part, p.layout.midline = k.Line, len(k.Line), k.Midline
	if !k.Matching {
		p.match, p.onMatch = nil, nil
	}
	if p.to != nil {
		p.to.adopt(p, k.FD)
	}
	go p.run()
	return p, nil
}

// Pause has the sink write nothing more until Resume. It waits until that is so, for bound at most, and tells whether
// it is; a file system or a terminal that hangs may hold it up. Meanwhile the sink takes what comes, however much it
// is, and holds nobody back.
func (s *Sink) Pause(bound time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = true
	s.room.Broadcast()
	return s.await(bound, func() bool { return !s.running || s.resting })
}

// Resume ends a Pause.
func (s *Sink) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = false
	s.progress.Broadcast()
	if s.buf != nil || s.reopen {
		s.start()
	}
}

// rest waits, with mu held, while the sink is paused.
func (s *Sink) rest() {
	for s.paused {
		s.resting = true
		s.progress.Broadcast()
		s.progress.Wait()
	}
	s.resting = false
}

// awaitTarget has the writing goroutine wait for its target, which may take for ever: to a pause that is as good as a rest.
func (s *Sink) awaitTarget() {
	s.resting = true
	s.progress.Broadcast()
	s.mu.Unlock()
	s.to.wait()
	s.mu.Lock()
	s.resting = false
}

// KeptSink is what a paused sink is to whoever takes it over.
type KeptSink struct {
	Pending       []byte // taken, and not written
	Midline, Mend bool
	Taken, Done   uint64
	DroppedLines  uint64
	DroppedBytes  uint64
	OpenFD        int // of the pipe whose line is unfinished; 0: none
	Somebody      bool
	Reopen        bool
	File          *KeptFile // nil: a descriptor of somebody else
}

// KeptFile is the file of a sink that has one.
type KeptFile struct {
	FD                   int // -1: it could not be opened
	Regular              bool
	Size, Limit          int64
	Midline, Torn, Stale bool
}

// Keep tells what a paused sink is.
func (s *Sink) Keep() KeptSink {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := KeptSink{
		Midline: s.midline, Mend: s.mend || s.mending, Taken: s.taken, Done: s.done, Reopen: s.reopen,
		DroppedLines: s.dropped.lines, DroppedBytes: s.dropped.bytes,
	}
	batch := s.batch
	if s.mending {
		batch = batch[1:]
		k.Taken--
	}
	k.Pending = append(k.Pending, batch...)
	if s.buf != nil {
		k.Pending = append(k.Pending, s.buf[1:]...)
	}
	switch s.open {
	case nil:
	case somebody:
		k.Somebody = true
	default:
		_ = s.open.raw.Control(func(fd uintptr) { k.OpenFD = int(fd) })
		k.Somebody = k.OpenFD == 0 // that pipe is over
	}
	if f, ok := s.to.(*file); ok {
		k.File = &KeptFile{
			FD: f.fd, Regular: f.regular, Size: f.size, Limit: f.limit, Midline: f.midline, Torn: f.torn, Stale: f.stale,
		}
	}
	return k
}

// Restore has a new sink go on where another one was, before anybody writes to it.
func (s *Sink) Restore(k KeptSink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.midline, s.mend, s.taken, s.done, s.reopen = k.Midline, k.Mend, k.Taken, k.Done, k.Reopen
	s.dropped.lines, s.dropped.bytes = k.DroppedLines, k.DroppedBytes
	s.openFD = k.OpenFD
	if k.Somebody || k.OpenFD != 0 {
		s.open = somebody
	}
	if len(k.Pending) > 0 {
		s.buf = append(append(getWriteBuffer(), '\n'), k.Pending...)
	}
	if s.buf != nil || s.reopen {
		s.start()
	}
}

// adopt lets a pipe that came back go on with its unfinished line, if nobody else has come between.
func (s *Sink) adopt(p *Pipe, fd int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.openFD == fd && s.open == somebody && fd != 0 {
		s.open, s.openFD = p, 0
	}
}

// RestoreFile is OpenFile for a file that another one had open. It owns the descriptor.
func RestoreFile(o FileOptions, k KeptSink) *Sink {
	f := &file{FileOptions: o, fd: -1}
	if k.File != nil {
		f.fd, f.regular, f.size, f.limit = k.File.FD, k.File.Regular, k.File.Size, k.File.Limit
		f.midline, f.torn, f.stale = k.File.Midline, k.File.Torn, k.File.Stale
	}
	s := newSink(f)
	s.Restore(k)
	return s
}
