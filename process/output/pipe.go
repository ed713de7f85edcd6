package output

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lastout/process/recent"
)

// PipeOptions say what becomes of what a child writes.
type PipeOptions struct {
	To         *Sink          // nil: nowhere, only Match looks at it
	Recent     *recent.Log    // keeps the last of it as it came, without prefix; nil: nobody does
	Prefix     []byte         // put before each line; empty: the bytes go out as they are
	Timestamps bool           // put before each line, after the prefix
	Match      *regexp.Regexp // looked for in each line, finished or not, until it is found once
	OnMatch    func()         // then called, on the pipe's goroutine, which waits for it
	Outlive    bool           // the child can write for some time yet when there is no reader any more
}

// Pipe carries the output of one run to a sink. While the child is silent it is a parked goroutine and no buffer.
type Pipe struct {
	to      *Sink
	recent  *recent.Log
	layout  layout
	match   *regexp.Regexp
	onMatch func()

	end  *os.File // the read end
	raw  syscall.RawConn
	turn func(fd uintptr) bool // p.read, made once
	done chan struct{}

	halt     atomic.Pointer[pause] // nil: it is not paused
	finished atomic.Bool           // Finish was called

	buf  *readBuffer // nil while parked
	part int         // length of the unfinished line, which ends at maxLine in buf
	kept []byte      // or is here while parked
	n    int         // what the last read brought, from maxLine on in buf
}

// NewPipe makes a pipe and reads from it until all write ends are closed or Finish is called. It returns the write end,
// close-on-exec and blocking as a child expects it; the caller gives it to the child and closes it.
func NewPipe(o PipeOptions) (*Pipe, *os.File, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	// Only the read end is ours alone, and may be made non-blocking.
	if err := unix.SetNonblock(fds[0], true); err != nil {
		_ = unix.Close(fds[0])
		_ = unix.Close(fds[1])
		return nil, nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	if o.Outlive {
		fds[1] = readableToo(fds[1])
	}
	r, w := os.NewFile(uintptr(fds[0]), "|output"), os.NewFile(uintptr(fds[1]), "|output")
	p, err := pipeOf(o, r)
	if err != nil {
		_ = w.Close()
		return nil, nil, err
	}
	go p.run()
	return p, w, nil
}

// readableToo opens a write end anew, for reading and writing, and closes it. Who has such an end is a reader himself: no
// SIGPIPE ends him when all others have gone (pipe(7)), and what he writes waits in the pipe, until that is full. Where
// /proc is missing the end stays what it was.
func readableToo(fd int) int {
	both, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fd
	}
	_ = unix.Close(fd)
	return both
}

// ReopenPipe reads from a pipe whose reader has gone. It owns the read end, which does not block.
func ReopenPipe(o PipeOptions, r *os.File) (*Pipe, error) {
	p, err := pipeOf(o, r)
	if err == nil {
		go p.run()
	}
	return p, err
}

// pipeOf makes the pipe of a read end, which it owns. Its goroutine is not begun.
func pipeOf(o PipeOptions, r *os.File) (*Pipe, error) {
	raw, err := r.SyscallConn()
	if err == nil {
		err = r.SetReadDeadline(time.Time{}) // fails where epoll did not take it
	}
	if err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("cannot wait for a pipe: %w", err)
	}
	p := &Pipe{
		to: o.To, recent: o.Recent, layout: layout{prefix: bytes.Clone(o.Prefix), stamps: o.Timestamps},
		match: o.Match, onMatch: o.OnMatch,
		end: r, raw: raw, done: make(chan struct{}),
	}
	p.turn = p.read
	return p, nil
}

// Done is closed when everything was handed to the sink and the pipe is closed.
func (p *Pipe) Done() <-chan struct{} { return p.done }

// Finish says that the run is gone: what is in the pipe now is read, without waiting for whoever else still holds the
// write end, and handed on, the last line also without its end; then the pipe is closed. Finish waits for that for
// bound at most and tells whether it is over; a sink that is behind may hold it up, and it goes on all the same.
func (p *Pipe) Finish(bound time.Duration) bool {
	p.finished.Store(true)
	_ = p.end.SetReadDeadline(past) // gets the goroutine out of the netpoller; fails once it is over
	select {
	case <-p.done:
		return true
	default:
	}
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

func (p *Pipe) run() {
	defer close(p.done)
	for {
		p.rested()
		if err := p.raw.Read(p.turn); err != nil {
			if p.halt.Load() != nil {
				continue
			}
			p.rest()
			break
		}
		if p.n <= 0 {
			break
		}
		p.take()
	}
	p.last()
	p.release()
	_ = p.end.Close()
}

// read is one turn in the netpoller: it reads what there is, or gives the buffer back and has itself parked.
func (p *Pipe) read(fd uintptr) bool {
	p.borrow()
	var err error
	p.n, err = ignoringEINTR(func() (int, error) { return unix.Read(int(fd), p.buf[maxLine:]) })
	if err == unix.EAGAIN {
		p.release()
		return false
	}
	return true
}

// rest reads what was in the pipe when Finish came, and no more, for somebody else may go on writing for ever.
func (p *Pipe) rest() {
	_ = p.raw.Control(func(fd uintptr) {
		left, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		for err == nil && left > 0 {
			p.borrow()
			p.n, err = ignoringEINTR(func() (int, error) {
				return unix.Read(int(fd), p.buf[maxLine:][:min(left, readSize)])
			})
			if err != nil || p.n <= 0 {
				return
			}
			left -= p.n
			p.take()
		}
	})
}

// take hands on the whole lines of what was read and moves the begin of the next one before the place of the next read.
func (p *Pipe) take() {
	data := p.buf[maxLine-p.part : maxLine+p.n]
	n := p.layout.split(data, p.part)
	if p.match != nil {
		p.find(data)
	}
	p.hand(data[:n])
	p.part = copy(p.buf[maxLine-(len(data)-n):], data[n:])
}

// last hands on the line that has no end.
func (p *Pipe) last() {
	switch {
	case p.buf != nil:
		p.hand(p.buf[maxLine-p.part : maxLine])
	default:
		p.hand(p.kept)
	}
	p.part, p.kept = 0, nil
}

// hand gives lines to the sink, which may hold them up, and before that to whoever wants to see them soon.
func (p *Pipe) hand(lines []byte) {
	if p.recent != nil {
		p.recent.Add(time.Now(), lines)
	}
	if p.to != nil {
		p.to.take(p, lines)
	}
}

// find looks for the match, before the lines go to a sink that may hold them up, and is rid of it once it is found.
func (p *Pipe) find(data []byte) {
	for line := range bytes.Lines(data) {
		if p.match.Match(bytes.TrimRight(line, "\r\n")) {
			p.match = nil
			p.onMatch()
			p.onMatch = nil
			return
		}
	}
}

// borrow takes a buffer, with the begin of the line that was kept.
func (p *Pipe) borrow() {
	if p.buf == nil {
		p.buf = readBuffers.Get().(*readBuffer)
		copy(p.buf[maxLine-p.part:], p.kept)
	}
}

// release gives it back; what little there is of a line is kept.
func (p *Pipe) release() {
	if p.buf == nil {
		return
	}
	p.kept = append(p.kept[:0], p.buf[maxLine-p.part:maxLine]...)
	if p.part == 0 {
		p.kept = nil
	}
	readBuffers.Put(p.buf)
	p.buf = nil
}
