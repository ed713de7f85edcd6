package sockdiag

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func message(kind, flags uint16, seq uint32, body []byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(16+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = append(binary.NativeEndian.AppendUint32(b, 0), body...)
	return append(b, make([]byte, align(len(b))-len(b))...)
}

func number(n int32) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(n)) }

func TestMessages(t *testing.T) {
	one, done := message(byFamily, unix.NLM_F_MULTI, 5, []byte("one")), message(unix.NLMSG_DONE, 0, 5, number(0))
	refused := number(-int32(unix.EACCES))
	for _, c := range []struct {
		name              string
		b                 []byte
		seen              int
		done, interrupted bool
		err               error
	}{
		{"whole", slices.Concat(one, one, done), 2, true, false, nil},
		{"to be continued", slices.Concat(one, one), 2, false, false, nil},
		{"of an earlier dump", slices.Concat(
			message(byFamily, 0, 4, []byte("old")), message(unix.NLMSG_DONE, 0, 4, number(0)), one,
		), 1, false, false, nil},
		{"interrupted", slices.Concat(message(byFamily, unix.NLM_F_DUMP_INTR, 5, []byte("one")), done), 1, true, true, nil},
		{"interrupted at its end", slices.Concat(
			one, message(unix.NLMSG_DONE, unix.NLM_F_DUMP_INTR, 5, number(0)),
		), 1, true, true, nil},
		{"cut off", slices.Concat(one, one[:len(one)-4]), 1, false, true, nil},
		{"of no length", make([]byte, 16), 0, false, true, nil},
		{"refused", message(unix.NLMSG_ERROR, 0, 5, refused), 0, true, false, unix.EACCES},
		{"failed at its end", slices.Concat(one, message(unix.NLMSG_DONE, 0, 5, refused)), 1, true, false, unix.EACCES},
		{"nothing", nil, 0, false, false, nil},
	} {
		seen := 0
		done, interrupted, err := (&Diag{seq: 5}).messages(c.b, func([]byte) { seen++ })
		if seen != c.seen || done != c.done || interrupted != c.interrupted || !errors.Is(err, c.err) {
			t.Errorf("%s: %d seen, done %v, interrupted %v, %v", c.name, seen, done, interrupted, err)
		}
	}
}

func TestRepeat(t *testing.T) {
	calls := 0
	if err := Repeat(func() error {
		if calls++; calls < 3 {
			return ErrInterrupted
		}
		return nil
	}); err != nil || calls != 3 {
		t.Errorf("after %d dumps: %v", calls, err)
	}
	calls = 0
	err := Repeat(func() error { calls++; return ErrInterrupted })
	if !errors.Is(err, ErrInterrupted) || calls != repeats {
		t.Errorf("after %d dumps that were all interrupted: %v", calls, err)
	}
	calls = 0
	if err := Repeat(func() error { calls++; return syscall.EACCES }); err != syscall.EACCES || calls != 1 {
		t.Errorf("after %d dumps that were refused: %v", calls, err)
	}
}

// run is what the kernel does with a filter (inet_diag_bc_run): jumps are relative to what is left of it.
func run(t *testing.T, code []byte, port uint16) bool {
	left := len(code)
	for left > 0 {
		op := code[len(code)-left:]
		yes, no := int(op[1]), int(binary.NativeEndian.Uint16(op[2:]))
		operand := func() uint16 { return binary.NativeEndian.Uint16(op[6:]) }
		hit := false
		switch op[0] {
		case opJump:
		case opPortAtLeast:
			hit = port >= operand()
		case opPortAtMost:
			hit = port <= operand()
		default:
			t.Fatalf("an operation %d", op[0])
		}
		if hit {
			left -= yes
		} else {
			left -= no
		}
	}
	return left == 0
}

// accepted is how the kernel checks a filter before it takes it (inet_diag_bc_audit).
func accepted(code []byte) bool {
	reachable := func(left int) bool { // valid_cc: some chain of yes-jumps leads there
		for n := len(code); n >= 0; {
			if n == left {
				return true
			}
			if n == 0 || n < left {
				return false
			}
			n -= int(code[len(code)-n+1])
		}
		return false
	}
	for left := len(code); left > 0; {
		op := code[len(code)-left:]
		yes, no, least := int(op[1]), int(binary.NativeEndian.Uint16(op[2:])), 4
		if op[0] != opJump {
			least = 8
		}
		if left < least || no < 4 || no > left+4 || no%4 != 0 || no < left && !reachable(left-no) ||
			yes < least && op[0] != opJump || yes < 4 || yes > left+4 || yes%4 != 0 {
			return false
		}
		left -= yes
	}
	return true
}

func TestBytecode(t *testing.T) {
	for round := range 40 {
		random := rand.New(rand.NewPCG(1, uint64(round)))
		wanted := make(map[uint16]bool)
		var ports []uint16
		for range 1 + random.IntN(40) {
			p := uint16(random.IntN(1 << 16))
			for range 1 + random.IntN(3) {
				ports, wanted[p] = append(ports, p), true
				p++
			}
		}
		if round == 0 {
			ports, wanted = []uint16{0, 65535, 65535}, map[uint16]bool{0: true, 65535: true}
		}
		ranges, exact := portRanges(ports)
		code := bytecode(ranges)
		if !exact || !accepted(code) {
			t.Fatalf("round %d: exact %v, accepted %v: %v", round, exact, accepted(code), ranges)
		}
		for p := range 1 << 16 {
			if got := run(t, code, uint16(p)); got != wanted[uint16(p)] {
				t.Fatalf("round %d: port %d passes: %v; %v", round, p, got, ranges)
			}
		}
	}
}

// TestManyPorts has more ports than a filter has room for.
func TestManyPorts(t *testing.T) {
	var ports []uint16
	for p := uint16(1000); p < 1000+4*maxRanges; p += 2 {
		ports = append(ports, p)
	}
	ranges, exact := portRanges(ports)
	if len(ranges) != 1 || exact || ranges[0] != (portRange{1000, 1000 + 4*maxRanges - 2}) {
		t.Errorf("exact %v: %v", exact, ranges)
	}
	ranges, exact = portRanges(ports[:maxRanges])
	if code := bytecode(ranges); len(ranges) != maxRanges || !exact || len(code) > 65000 || !accepted(code) {
		t.Errorf("%d ranges, exact %v, %d bytes", len(ranges), exact, len(code))
	}
}

func FuzzParse(f *testing.F) {
	f.Add(make([]byte, sizeMessage), make([]byte, sizeUnixMessage))
	f.Add(
		append(make([]byte, sizeMessage), 8, 0, 2, 0, 1, 2, 3, 4, 3, 0),
		append(make([]byte, sizeUnixMessage), 5, 0, 0, 0, 0),
	)
	f.Fuzz(func(_ *testing.T, tcp, ux []byte) {
		var s Sample
		if s.parse(tcp) {
			Classify(&s)
			s.Connection()
		}
		var u UnixSample
		if u.parse(ux) {
			u.Class()
		}
		_, _, _ = (&Diag{}).messages(tcp, func(b []byte) { s.parse(b) })
	})
}
