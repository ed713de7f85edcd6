// Package recent keeps the last of what was said, within a bound, for whoever asks later or follows.
//
// A Log is a ring of pieces, each with the time it came. It owns no buffer before the first piece, grows with what
// comes, and forgets the oldest pieces beyond its bound. Who reads holds a position of his own and nothing else: however
// slowly he reads, and however many read, nobody waits for him and nothing is kept for him. What was forgotten before he
// came to it he is told of as a gap.
//
// A Hub wakes those who follow any of its logs. While nobody does, adding wakes nobody and costs a copy.
package recent

import (
	"bytes"
	"encoding/binary"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Hub wakes those who follow some logs. The zero value is ready for use.
type Hub struct {
	followed atomic.Bool // somebody has asked for changed since the last wake
	mu       sync.Mutex
	changed  chan struct{}
	closed   bool
}

// Changed returns a channel that is closed at the next Add to any log of the hub, or by Close. It must be asked for
// before the logs are read, or what comes in between is missed.
func (h *Hub) Changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.changed == nil {
		h.changed = make(chan struct{})
		if h.closed {
			close(h.changed)
		}
	}
	h.followed.Store(!h.closed)
	return h.changed
}

// Close says that nothing more will come. Whoever waits is woken, and so is whoever asks from now on.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	h.followed.Store(false)
	if h.changed != nil {
		close(h.changed)
	}
}

// Closed says whether Close was called.
func (h *Hub) Closed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

func (h *Hub) wake() {
	if !h.followed.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.changed != nil && !h.closed {
		close(h.changed)
		h.changed = nil
	}
	h.followed.Store(false)
}

// Log is the last of what one speaker said. It is safe for concurrent use.
type Log struct {
	hub   *Hub `image:"-"` // see Rejoin
	bound int

	mu         sync.Mutex `image:"-"`
	ring       []byte
	base       uint64 // the position that stands at the begin of the ring
	start, end uint64 // of what is kept: positions, which only rise
}

// header is what stands before each piece in the ring: when it came, and how long it is.
const header = 8 + 4

// least is the smallest buffer of a log that has something in it.
const least = 1 << 10

// NewLog makes a log that keeps so many bytes, 1 KiB at least.
func NewLog(hub *Hub, bound int) *Log { return &Log{hub: hub, bound: max(bound, least)} }

// Add keeps text, of which nothing is held on to. What is longer than a part of the bound is kept in several pieces, so
// that of a huge one the end remains.
func (l *Log) Add(at time.Time, text []byte) {
	if len(text) == 0 {
		return
	}
	l.mu.Lock()
	if most := 4 * l.bound; len(text) > most { // its begin would be forgotten at once
		text = text[len(text)-most:]
	}
	for len(text) > 0 {
		n := cut(text, l.bound/4)
		l.keep(at, text[:n])
		text = text[n:]
	}
	l.mu.Unlock()
	l.hub.wake()
}

// cut is how much of text one piece may take: whole lines, if there are any.
func cut(text []byte, most int) int {
	if len(text) <= most {
		return len(text)
	}
	if n := bytes.LastIndexByte(text[:most], '\n') + 1; n > 0 {
		return n
	}
	return most
}

func (l *Log) keep(at time.Time, text []byte) {
	need := header + len(text)
	for l.end-l.start > 0 && int(l.end-l.start)+need > l.bound {
		l.start += header + uint64(l.lengthAt(l.start))
	}
	l.grow(int(l.end-l.start) + need)
	var head [header]byte
	binary.LittleEndian.PutUint64(head[:8], uint64(at.UnixNano()))
	binary.LittleEndian.PutUint32(head[8:], uint32(len(text)))
	l.write(head[:])
	l.write(text)
}

// grow makes room for so many bytes in all.
func (l *Log) grow(size int) {
	if size <= len(l.ring) {
		return
	}
	larger := max(least, len(l.ring))
	for larger < size {
		larger *= 2
	}
	ring := make([]byte, min(larger, l.bound))
	l.copyOut(ring[:l.end-l.start], l.start)
	l.ring, l.base = ring, l.start
}

func (l *Log) write(p []byte) {
	at := int((l.end - l.base) % uint64(len(l.ring)))
	n := copy(l.ring[at:], p)
	copy(l.ring, p[n:])
	l.end += uint64(len(p))
}

// copyOut fills p with what stands from a position on.
func (l *Log) copyOut(p []byte, from uint64) {
	if len(p) == 0 {
		return
	}
	at := int((from - l.base) % uint64(len(l.ring)))
	n := copy(p, l.ring[at:])
	copy(p[n:], l.ring)
}

func (l *Log) lengthAt(position uint64) int {
	var b [4]byte
	l.copyOut(b[:], position+8)
	return int(binary.LittleEndian.Uint32(b[:]))
}

// Piece is what came at one time.
type Piece struct {
	At   time.Time
	Text []byte
}

// Position is a place in a log. The zero value is before all that there is.
type Position uint64

// End is the position behind all that there is.
func (l *Log) End() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Position(l.end)
}

// Read returns what is kept from a position on, and the position behind it. Gap says that what stood at from is
// forgotten; for the zero position that is no gap.
func (l *Log) Read(from Position) (pieces []Piece, next Position, gap bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := uint64(from)
	if at < l.start {
		gap = at > 0
		at = l.start
	}
	for at < l.end {
		var head [header]byte
		l.copyOut(head[:], at)
		text := make([]byte, binary.LittleEndian.Uint32(head[8:]))
		l.copyOut(text, at+header)
		at += header + uint64(len(text))
		pieces = append(pieces, Piece{At: time.Unix(0, int64(binary.LittleEndian.Uint64(head[:8]))), Text: text})
	}
	return pieces, Position(at), gap
}

// limit has the log keep less.
func (l *Log) limit(bound int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bound = max(bound, least)
	for int(l.end-l.start) > l.bound {
		l.start += header + uint64(l.lengthAt(l.start))
	}
	if len(l.ring) > l.bound {
		ring := make([]byte, l.bound)
		l.copyOut(ring[:l.end-l.start], l.start)
		l.ring, l.base = ring, l.start
	}
}

// Bounds are those of a shelf: so much in all, but for each speaker no less and no more than so much.
type Bounds struct{ All, Least, Most int }

// Shelf holds the logs of several speakers, by name. The zero value is not useful; NewShelf makes one.
type Shelf struct {
	Hub     Hub `image:"-"` // of all its logs
	bounds  Bounds
	bound   int        // of each log by now: the more there are, the less each keeps
	mu      sync.Mutex `image:"-"`
	logs    map[string]*Log
	version atomic.Uint64
}

// NewShelf makes an empty one, for so many speakers at first.
func NewShelf(b Bounds, speakers int) *Shelf {
	return &Shelf{bounds: b, bound: b.each(speakers), logs: map[string]*Log{}}
}

func (b Bounds) each(speakers int) int { return min(max(b.All/max(speakers, 1), b.Least), b.Most) }

// Of is the log of a speaker, made at its first use.
func (s *Shelf) Of(name string) *Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs[name]
	if l == nil {
		if bound := s.bounds.each(len(s.logs) + 1); bound < s.bound {
			s.bound = bound
			for _, other := range s.logs {
				other.limit(bound)
			}
		}
		l = NewLog(&s.Hub, s.bound)
		s.logs[name] = l
		s.version.Add(1)
	}
	return l
}

// Logs is what there is by now.
func (s *Shelf) Logs() map[string]*Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.logs)
}

// Rejoin gives a log that was kept for a successor its hub.
func (l *Log) Rejoin(hub *Hub) { l.hub = hub }

// Rejoin does that for a shelf.
func (s *Shelf) Rejoin() {
	for _, l := range s.logs {
		l.Rejoin(&s.Hub)
	}
}

// Version changes when a speaker is added.
func (s *Shelf) Version() uint64 { return s.version.Load() }
