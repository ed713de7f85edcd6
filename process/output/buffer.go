package output

import "sync"

const (
	// readSize is what one read(2) takes at most: the capacity of a pipe as the kernel makes it (pipe(7)).
	readSize = 64 << 10

	// maxLine bounds what is kept of a line without an end, and in prefix mode the length of a line.
	maxLine = 16 << 10

	// highWater is the fill of a sink's buffer from which on it holds its writers back.
	highWater = 128 << 10

	// maxPooled keeps buffers that one huge write has blown up out of the pool.
	maxPooled = 512 << 10
)

// readBuffer has the unfinished line of the read before in front of what is read next, so that a line is always in one
// piece and the read is never cut short by it: a read that leaves a few bytes in the pipe's last page keeps that page.
type readBuffer [maxLine + readSize]byte

// The pools make silence free: a child that says nothing and a sink with nothing to write own no buffer.
var (
	readBuffers  = sync.Pool{New: func() any { return new(readBuffer) }}
	writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, highWater+2*readSize); return &b }}
)

func getWriteBuffer() []byte {
	return (*writeBuffers.Get().(*[]byte))[:0]
}

func putWriteBuffer(b []byte) {
	if cap(b) > 0 && cap(b) <= maxPooled {
		writeBuffers.Put(&b)
	}
}
