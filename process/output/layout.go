package output

import (
	"bytes"
	"slices"
	"time"
	"unicode/utf8"
)

// stampFormat is what stands before a line with Timestamps: sorts as text, is the same width all day long.
const stampFormat = "2006-01-02T15:04:05.000Z07:00 "

// layout is how the lines of one pipe look in the sink.
type layout struct {
	prefix  []byte // none: lines as they are, whatever their length
	stamps  bool
	midline bool // as they are: the next byte goes on with a line
}

// append adds data to dst: whole lines, and with a prefix also the pieces of one that is too long, or the last one.
func (l *layout) append(dst, data []byte) []byte {
	if len(l.prefix) == 0 && !l.stamps {
		return append(dst, data...)
	}
	var space [len(stampFormat) + 8]byte
	stamp := space[:0]
	if l.stamps {
		stamp = time.Now().AppendFormat(stamp, stampFormat)
	}
	lines := bytes.Count(data, newline) + 1 + len(data)/(maxLine-utf8.UTFMax)
	dst = slices.Grow(dst, len(data)+lines*(len(l.prefix)+len(stamp)+1))
	if len(l.prefix) == 0 {
		return l.stamped(dst, data, stamp)
	}
	return l.prefixed(dst, data, stamp)
}

// prefixed breaks long lines up and ends the last one: each line that comes out is one of this pipe, and bounded.
func (l *layout) prefixed(dst, data, stamp []byte) []byte {
	for len(data) > 0 {
		line, rest := data, []byte(nil)
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			line, rest = data[:i], data[i+1:]
		}
		for len(line) > maxLine {
			n := breakAt(line)
			dst = append(append(append(append(dst, l.prefix...), stamp...), line[:n]...), '\n')
			line = line[n:]
		}
		dst = append(append(append(append(dst, l.prefix...), stamp...), line...), '\n')
		data = rest
	}
	return dst
}

// stamped puts the stamp before each line that begins in data.
func (l *layout) stamped(dst, data, stamp []byte) []byte {
	for len(data) > 0 {
		n := bytes.IndexByte(data, '\n') + 1
		if !l.midline {
			dst = append(dst, stamp...)
		}
		l.midline = n == 0
		if n == 0 {
			n = len(data)
		}
		dst = append(dst, data[:n]...)
		data = data[n:]
	}
	return dst
}

// split tells how much of data, which begins with a line whose first seen bytes have no end, is to go out now. The
// rest, the begin of a line, is kept: maxLine bytes at most.
func (l *layout) split(data []byte, seen int) int {
	n := 0
	if i := bytes.LastIndexByte(data[seen:], '\n'); i >= 0 {
		n = seen + i + 1
	}
	if len(data)-n <= maxLine {
		return n
	}
	if len(l.prefix) == 0 {
		return len(data)
	}
	for len(data)-n > maxLine {
		n += breakAt(data[n:])
	}
	return n
}

// breakAt returns where to break a line longer than maxLine up: between two characters, if it is UTF-8.
func breakAt(line []byte) int {
	for n := maxLine; n > maxLine-utf8.UTFMax; n-- {
		if utf8.RuneStart(line[n]) {
			return n
		}
	}
	return maxLine
}
