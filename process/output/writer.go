package output

import (
	"bytes"
	"time"
)

// start brings the writing goroutine up where there is work and none lives. With mu held.
func (s *Sink) start() {
	if !s.running {
		s.running = true
		go s.run()
	}
}

// run writes until there is nothing left to write, so that a silent sink costs nothing.
func (s *Sink) run() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.rest(); s.swap(); s.rest() {
		s.write()
		putWriteBuffer(s.hands)
		s.hands = nil
	}
	if s.closed {
		s.mu.Unlock()
		s.to.close()
		s.mu.Lock()
	}
	s.running = false
	s.progress.Broadcast()
}

// swap takes over what has come in and lets the writers go on with another buffer.
func (s *Sink) swap() bool {
	if s.left || s.buf == nil && !s.reopen {
		return false
	}
	if s.buf == nil {
		return true
	}
	s.hands, s.buf = s.buf, nil
	s.batch = s.hands[1:]
	if s.mend {
		s.batch, s.mend, s.mending = s.hands, false, true
		s.taken++
	}
	s.passOn()
	return true
}

// write brings the batch out, with mu held on entry and on return, and given up while the target is at work.
func (s *Sink) write() {
	for {
		s.rest()
		if s.left {
			return
		}
		batch, reopen := s.batch, s.reopen
		s.reopen = false
		s.mu.Unlock()
		if reopen {
			s.to.reopen()
		}
		n, err := s.to.write(batch)
		s.mu.Lock()
		if s.left {
			s.undrop(batch[:n])
			return
		}
		s.wrote(n)
		if err != errAgain {
			s.finish(err)
			return
		}
		if s.awaitTarget(); s.left {
			return
		}
	}
}

// wrote notes that n bytes of the batch are out.
func (s *Sink) wrote(n int) {
	if n > 0 {
		s.midline = s.batch[n-1] != '\n'
		s.batch, s.mending = s.batch[n:], false
		s.done += uint64(n)
	}
}

// finish ends a batch: what is still in it failed.
func (s *Sink) finish(err error) {
	s.trouble.note(err)
	if len(s.batch) > 0 {
		s.mend = s.midline
		s.dropBatch()
		s.done += uint64(len(s.batch))
		s.batch, s.mending = nil, false
	}
	s.progress.Broadcast()
}

// dropBatch counts what is left of the batch as dropped.
func (s *Sink) dropBatch() {
	if s.mending {
		s.drop(s.batch[1:])
	} else {
		s.drop(s.batch)
	}
}

// undrop is for what got out after all while Close gave up: it had been counted as dropped.
func (s *Sink) undrop(out []byte) {
	if s.mending && len(out) > 0 {
		out = out[1:]
	}
	s.dropped.lines -= uint64(bytes.Count(out, newline))
	s.dropped.bytes -= uint64(len(out))
}

// trouble says what goes wrong, and not all the time.
type trouble struct {
	say    func(error)
	now    error     // what goes wrong at present
	last   string    // what was said last
	lastAt time.Time // and when
}

// note takes the result of a batch.
func (t *trouble) note(err error) {
	same := err != nil && t.now != nil && err.Error() == t.now.Error()
	t.now = err
	if err == nil || same || t.say == nil {
		return
	}
	if err.Error() == t.last && time.Since(t.lastAt) < time.Minute {
		return
	}
	t.last, t.lastAt = err.Error(), time.Now()
	go t.say(err)
}
