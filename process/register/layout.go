package register

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// format is that of the file. One of another format is not read.
const format = 1

// magic begins every file.
const magic = "lastout register\n\x00\x00\x00\x00\x00\x00\x00"

// The layout. Numbers are in the order of bytes of the machine, for the file is of no use on another one.
const (
	page      = 4096
	rowSize   = 256
	maxName   = rowSize - rowName
	maxRows   = 1 << 16
	rowsBegin = page
	plans     = rowsBegin + maxRows*rowSize
	rowsStep  = page / rowSize // how many rows are allocated at a time, at least

	// maxPlan bounds a plan that is read.
	maxPlan = 256 << 20
)

// The places in the header.
const (
	atFormat  = 24 // uint32
	atRowSize = 28 // uint32
	atPID     = 32 // uint32
	atStart   = 40 // uint64
	atRows    = 48 // uint64, atomic: how many have room
	atHighest = 56 // uint64, atomic: the highest number of a run
	atLife    = 64 // uint64, atomic: the highest of the supervisor's own numbers
	atEnds    = 72 // uint64, atomic: when the shutdown that is under way is over, by CLOCK_MONOTONIC; 0: none is
	atPlan    = 80 // uint64, atomic: which of the two that follow is in force, from 1; 0: none is
	atPlans   = 88 // two of: place, length, checksum, each uint64
	planSize  = 24
	atBoot    = 136 // text, ended by a zero
	maxBoot   = 64
	atSpace   = 200 // likewise
	maxSpace  = 64
	headerEnd = 264
)

// The places in a row.
const (
	rowState = 0  // uint32, atomic
	rowPID   = 4  // uint32
	rowStart = 8  // uint64
	rowRun   = 16 // uint64
	rowLife  = 24 // uint64
	rowFlags = 32 // uint32
	rowLen   = 36 // uint32, of the name
	rowPipes = 40 // two of uint64
	rowName  = 56
)

// The states of a row.
const (
	rowFree   = 0
	rowLive   = 1
	rowExited = 2 // the main process is reaped, and others of its tree live
)

// The flags of a row.
const (
	flagHook    = 1
	flagGrouped = 2
)

var order = binary.NativeEndian

func word32(b []byte, at int) *uint32 { return (*uint32)(unsafe.Pointer(&b[at])) }
func word64(b []byte, at int) *uint64 { return (*uint64)(unsafe.Pointer(&b[at])) }

// write writes a row, which is free, and makes it live with the last store.
func (r *Row) write(b []byte) {
	order.PutUint32(b[rowPID:], uint32(r.PID))
	order.PutUint64(b[rowStart:], r.Start)
	order.PutUint64(b[rowRun:], r.Run)
	order.PutUint64(b[rowLife:], r.Life)
	flags := uint32(0)
	if r.Hook {
		flags |= flagHook
	}
	if r.Grouped {
		flags |= flagGrouped
	}
	order.PutUint32(b[rowFlags:], flags)
	for n, inode := range r.Pipes {
		order.PutUint64(b[rowPipes+8*n:], inode)
	}
	name := r.Name[:min(len(r.Name), maxName)]
	order.PutUint32(b[rowLen:], uint32(len(name)))
	copy(b[rowName:], name)
	atomic.StoreUint32(word32(b, rowState), rowLive)
}

// readRow reads a row that nobody writes any more; false: it is free, or none.
func readRow(b []byte) (Row, bool) {
	state, length := order.Uint32(b[rowState:]), order.Uint32(b[rowLen:])
	if state != rowLive && state != rowExited || length > maxName {
		return Row{}, false
	}
	flags := order.Uint32(b[rowFlags:])
	r := Row{
		Run: order.Uint64(b[rowRun:]), Life: order.Uint64(b[rowLife:]),
		PID: int(int32(order.Uint32(b[rowPID:]))), Start: order.Uint64(b[rowStart:]),
		Pipes: [2]uint64{order.Uint64(b[rowPipes:]), order.Uint64(b[rowPipes+8:])},
		Name:  string(b[rowName : rowName+length]),
		Hook:  flags&flagHook != 0, Grouped: flags&flagGrouped != 0, Exited: state == rowExited,
	}
	return r, r.PID > 0 && r.Run > 0
}
