package register

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"
)

// Left is what a register tells when its owner is dead.
type Left struct {
	Owner
	Highest uint64 // the highest number of a run that was given out
	Life    uint64 // and of the supervisor's own ones, as far as they were on record
	Ends    time.Duration
	Rows    []Row
	Plan    []byte
}

// errNone says that a file is no register.
var errNone = errors.New("it is no register")

// Read reads what is there, of a register that nobody writes any more. Everything in it may be wrong; what is wrong is
// an error, for nobody may be killed on the word of a damaged file.
func Read(f *os.File) (*Left, error) {
	header := make([]byte, page)
	if _, err := f.ReadAt(header, 0); errors.Is(err, io.EOF) {
		return nil, errNone
	} else if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(header, []byte(magic)) {
		return nil, errNone
	}
	if got, size := order.Uint32(header[atFormat:]), order.Uint32(header[atRowSize:]); got != format || size != rowSize {
		return nil, fmt.Errorf("its format is %d (rows of %d bytes), and this build reads %d (%d)", got, size, format, rowSize)
	}
	left := &Left{
		Owner: Owner{
			PID: int(int32(order.Uint32(header[atPID:]))), Start: order.Uint64(header[atStart:]),
			Boot: text(header[atBoot:][:maxBoot]), Space: text(header[atSpace:][:maxSpace]),
		},
		Highest: order.Uint64(header[atHighest:]), Life: order.Uint64(header[atLife:]),
		Ends: time.Duration(order.Uint64(header[atEnds:])),
	}
	if left.PID <= 0 || left.Boot == "" {
		return nil, errors.New("it does not say whose it is")
	}
	if err := left.readRows(f, order.Uint64(header[atRows:])); err != nil {
		return nil, err
	}
	return left, left.readPlan(f, header)
}

func (l *Left) readRows(f *os.File, count uint64) error {
	if count > maxRows {
		return fmt.Errorf("%d rows are more than there can be", count)
	}
	rows := make([]byte, count*rowSize)
	if _, err := f.ReadAt(rows, rowsBegin); err != nil {
		return fmt.Errorf("its rows are cut off: %w", err)
	}
	known := map[uint64]bool{}
	for n := range int(count) {
		row, ok := readRow(rows[n*rowSize:][:rowSize])
		if !ok {
			continue
		}
		if row.Run > l.Highest || known[row.Run] {
			return fmt.Errorf("run %d of %d stands in it, or stands twice", row.Run, l.Highest)
		}
		known[row.Run] = true
		l.Rows = append(l.Rows, row)
	}
	return nil
}

func (l *Left) readPlan(f *os.File, header []byte) error {
	which := order.Uint64(header[atPlan:])
	if which == 0 {
		return nil // it died before it had started anybody
	}
	if which > 2 {
		return fmt.Errorf("there is no plan %d", which)
	}
	b := header[atPlans+int(which-1)*planSize:]
	place, size, sum := order.Uint64(b), order.Uint64(b[8:]), order.Uint64(b[16:])
	if place < plans || size > maxPlan {
		return errors.New("its plan is damaged")
	}
	data := make([]byte, size)
	if _, err := f.ReadAt(data, int64(place)); err != nil {
		return fmt.Errorf("its plan is cut off: %w", err)
	}
	if uint64(crc32.ChecksumIEEE(data)) != sum {
		return errors.New("its plan is damaged")
	}
	l.Plan = data
	return nil
}

func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}
