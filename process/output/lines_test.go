package output

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// text draws what children write: lines of all lengths, some far too long, in UTF-8 or not at all, the last one
// unfinished at times. Each byte tells whose it is.
func text(t *rapid.T, letter byte, shortest int) []byte {
	var b []byte
	for range rapid.IntRange(0, 12).Draw(t, "lines") {
		length := rapid.OneOf(rapid.IntRange(shortest, 200), rapid.IntRange(maxLine-3, maxLine+3),
			rapid.IntRange(2*maxLine-3, 5*maxLine)).Draw(t, "length")
		b = append(append(b, bytes.Repeat([]byte{letter}, length)...), '\n')
	}
	if rapid.Bool().Draw(t, "unfinished") && len(b) > 0 {
		b = b[:len(b)-1]
	}
	return b
}

// cut draws how b comes in parts.
func cut(t *rapid.T, b []byte, largest int) [][]byte {
	var parts [][]byte
	for len(b) > 0 {
		n := min(rapid.IntRange(1, largest).Draw(t, "part"), len(b))
		parts, b = append(parts, b[:n]), b[n:]
	}
	return parts
}

// TestReadBoundaries has the same come out however the bytes come in, and whether the pipe was parked in between.
func TestReadBoundaries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := text(t, 'x', 0)
		for i := range data { // two of three are the inner bytes of a character
			if data[i] != '\n' && i%3 != 0 {
				data[i] = 0x80 + byte(i%0x40)
			}
		}
		var m memory
		p := &Pipe{to: NewSink(&m), layout: layout{prefix: []byte("a | ")}}
		for _, part := range cut(t, data, readSize) {
			p.borrow()
			p.n = copy(p.buf[maxLine:], part)
			p.take()
			if rapid.Bool().Draw(t, "parked") {
				p.release()
			}
		}
		p.last()
		p.release()
		if !p.to.Close(never) {
			t.Fatal("not closed")
		}
		if got, want := m.String(), prefixed(data); got != want {
			t.Fatalf("%d bytes came out, want %d", len(got), len(want))
		}
	})
}

// prefixed is the plain way to lay lines out.
func prefixed(data []byte) string {
	var b strings.Builder
	for line := range bytes.Lines(data) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		for len(line) > maxLine {
			n := maxLine
			for back := range 4 {
				if line[maxLine-back]&0xc0 != 0x80 {
					n = maxLine - back
					break
				}
			}
			fmt.Fprintf(&b, "a | %s\n", line[:n])
			line = line[n:]
		}
		fmt.Fprintf(&b, "a | %s\n", line)
	}
	return b.String()
}

// TestNoMixture has two children and a log write to one sink all at once: each line that comes out is of one of them,
// all that each wrote is there, in order, and a line that is not too long is in one piece.
func TestNoMixture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.Bool().Draw(t, "prefix")
		var m memory
		s := NewSink(&m)
		sent := make([][]byte, 3)
		var all sync.WaitGroup
		for k := range sent {
			letter := byte('a' + k)
			sent[k] = text(t, letter, 1)
			o := PipeOptions{To: s}
			if prefix {
				o.Prefix = []byte{letter, '|'}
			}
			parts := cut(t, sent[k], 20000)
			all.Go(func() { speak(s, o, k == 2, parts) })
		}
		all.Wait()
		if !s.Close(never) {
			t.Fatal("not closed")
		}
		got := make([][]byte, len(sent))
		for line := range strings.Lines(m.String()) {
			letter := line[:1]
			k := strings.Index("abc", letter)
			if prefix && k != 2 {
				line = strings.TrimPrefix(line, letter+"|")
			}
			if k < 0 || strings.Trim(strings.TrimSuffix(line, "\n"), letter) != "" {
				t.Fatalf("a mixed line: %.40q", line)
			}
			got[k] = append(got[k], line...)
		}
		for k := range sent {
			wantLines(t, got[k], sent[k])
		}
	})
}

// speak writes parts into a pipe of its own, or, as our log does, lines right into the sink.
func speak(s *Sink, o PipeOptions, direct bool, parts [][]byte) {
	if direct {
		for line := range bytes.Lines(bytes.Join(parts, nil)) {
			_, _ = s.Write(append(bytes.TrimSuffix(line, []byte("\n")), '\n'))
		}
		return
	}
	p, w, err := NewPipe(o)
	if err != nil {
		panic(err)
	}
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			panic(err)
		}
	}
	_ = w.Close()
	<-p.Done()
}

// wantLines compares lines, of which long ones may have been broken up.
func wantLines(t *rapid.T, got, want []byte) {
	pieces := bytes.Split(bytes.TrimSuffix(got, newline), newline)
	for line := range bytes.SplitSeq(bytes.TrimSuffix(want, newline), newline) {
		for first := true; first || len(line) > 0; first = false {
			if len(pieces) == 0 {
				t.Fatal("lines are missing")
			}
			piece := pieces[0]
			pieces = pieces[1:]
			if len(line) <= maxLine && len(piece) != len(line) || len(piece) > len(line) {
				t.Fatalf("a piece of %d bytes of a line with %d left", len(piece), len(line))
			}
			line = line[len(piece):]
			if len(line) > 0 && len(piece) < maxLine {
				t.Fatalf("broken up after %d bytes", len(piece))
			}
		}
	}
	if len(pieces) > 0 {
		t.Fatalf("%d lines too many", len(pieces))
	}
}

// FuzzLayout has any bytes go through any parts of reads, and come out as the plain way has it.
func FuzzLayout(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n\x00\xffthree"), uint16(3))
	f.Add(bytes.Repeat([]byte("é"), maxLine), uint16(maxLine-1))
	f.Fuzz(func(t *testing.T, data []byte, step uint16) {
		var out bytes.Buffer
		p := &Pipe{to: NewSink(io.Writer(&out)), layout: layout{prefix: []byte("a | ")}}
		for rest := data; len(rest) > 0; {
			p.borrow()
			p.n = copy(p.buf[maxLine:], rest[:min(len(rest), int(step)+1)])
			rest = rest[p.n:]
			p.take()
		}
		p.last()
		p.release()
		if !p.to.Close(never) || out.String() != prefixed(data) {
			t.Errorf("got %q, want %q", out.String(), prefixed(data))
		}
	})
}
