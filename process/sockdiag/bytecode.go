package sockdiag

import (
	"encoding/binary"
	"slices"
)

// Operations of the kernel's little filter language (INET_DIAG_REQ_BYTECODE in linux/inet_diag.h). An operation is
// four bytes, {code u8, yes u8, no u16}; yes and no say how many bytes to go on. Who ends exactly at the end of the
// program is shown, who jumps four bytes past it is not.
const (
	opJump        = 1 // INET_DIAG_BC_JMP, which always takes no
	opPortAtLeast = 2 // INET_DIAG_BC_S_GE, followed by an operation that carries the port in no
	opPortAtMost  = 3 // INET_DIAG_BC_S_LE
)

// maxRanges is what jumps of 16 bits and an attribute of 64 KiB have room for.
const maxRanges = 3000

// portRange is a run of local ports, both ends included.
type portRange struct{ low, high uint16 }

// portRanges sorts ports and joins neighbours, so that the filter is as short as it can be. Where there are too
// many for one filter the narrowest gaps are let in, and exact is false: what comes must be looked at again.
func portRanges(ports []uint16) (ranges []portRange, exact bool) {
	sorted := slices.Clone(ports)
	slices.Sort(sorted)
	for _, p := range slices.Compact(sorted) {
		if n := len(ranges); n > 0 && ranges[n-1].high+1 == p {
			ranges[n-1].high = p
			continue
		}
		ranges = append(ranges, portRange{p, p})
	}
	if len(ranges) <= maxRanges {
		return ranges, true
	}
	return []portRange{{ranges[0].low, ranges[len(ranges)-1].high}}, false
}

// bytecode writes the program that lets pass whoever's local port lies in one of the ranges. A range takes 16 bytes
// and a jump to the end; both of its misses go behind that jump. The last range has no jump, so its misses end four
// bytes past the program, which is the refusal.
func bytecode(ranges []portRange) []byte {
	const alternative, jump = 16, 4
	total := len(ranges)*(alternative+jump) - jump
	code := make([]byte, 0, max(total, 0))
	op := func(kind, yes uint8, no int) {
		code = append(code, kind, yes)
		code = binary.NativeEndian.AppendUint16(code, uint16(no))
	}
	for i, r := range ranges {
		op(opPortAtLeast, 8, 20)
		op(0, 0, int(r.low))
		op(opPortAtMost, 8, 12)
		op(0, 0, int(r.high))
		if i < len(ranges)-1 {
			op(opJump, 4, total-len(code))
		}
	}
	return code
}
