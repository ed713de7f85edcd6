package register

import (
	"fmt"
	"hash/crc32"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// table is one file, mapped up to its plans: beyond its end too, where it is touched only when it has grown.
type table struct {
	file *os.File
	data []byte
}

// newTable writes the header anew.
func newTable(o Owner, f *os.File) (*table, error) {
	if err := f.Truncate(0); err != nil {
		return nil, err
	}
	t, err := mapTable(f)
	if err != nil {
		return nil, err
	}
	if err := t.reserve(0, page); err != nil {
		t.unmap()
		return nil, err
	}
	b := t.data
	order.PutUint32(b[atFormat:], format)
	order.PutUint32(b[atRowSize:], rowSize)
	order.PutUint32(b[atPID:], uint32(o.PID))
	order.PutUint64(b[atStart:], o.Start)
	copy(b[atBoot:atBoot+maxBoot-1], o.Boot)
	copy(b[atSpace:atSpace+maxSpace-1], o.Space)
	copy(b, magic) // the last: before that it is nothing
	return t, nil
}

func openTable(f *os.File) (*table, error) {
	t, err := mapTable(f)
	if err != nil {
		return nil, err
	}
	if size, err := f.Seek(0, 2); err != nil || size < page {
		t.unmap()
		return nil, fmt.Errorf("a register of %d bytes: %w", size, err)
	}
	return t, nil
}

func mapTable(f *os.File) (*table, error) {
	data, err := unix.Mmap(int(f.Fd()), 0, plans, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("cannot map it: %w", err)
	}
	return &table{file: f, data: data}, nil
}

func (t *table) unmap() { _ = unix.Munmap(t.data) }

// reserve makes room in the file, and makes it zero. Where there is no fallocate(2), zeros are written.
func (t *table) reserve(at, size int64) error {
	err := unix.Fallocate(int(t.file.Fd()), 0, at, size)
	if err == unix.EOPNOTSUPP || err == unix.ENOSYS {
		_, err = t.file.WriteAt(make([]byte, size), at)
	}
	if err != nil {
		return fmt.Errorf("cannot make room in it: %w", err)
	}
	return nil
}

func (t *table) store(at int, value uint64) { atomic.StoreUint64(word64(t.data, at), value) }
func (t *table) rows() int                  { return int(atomic.LoadUint64(word64(t.data, atRows))) }
func (t *table) bytes(place int) []byte     { return t.data[rowsBegin+place*rowSize:][:rowSize] }
func (t *table) row(place int) (Row, bool)  { return readRow(t.bytes(place)) }
func (t *table) mark(place int, state uint32) {
	if place < t.rows() {
		atomic.StoreUint32(word32(t.bytes(place), rowState), state)
	}
}

// live writes a row, where there is room for it or more can be had.
func (t *table) live(place int, row *Row) error {
	if have := t.rows(); place >= have {
		more := min(max(have, rowsStep), maxRows-have)
		if err := t.reserve(int64(rowsBegin+have*rowSize), int64(more*rowSize)); err != nil {
			return err
		}
		t.store(atRows, uint64(have+more))
	}
	t.raise(atHighest, row.Run)
	t.raise(atLife, row.Life)
	row.write(t.bytes(place))
	return nil
}

// raise makes a number no smaller than n.
func (t *table) raise(at int, n uint64) {
	if atomic.LoadUint64(word64(t.data, at)) < n {
		t.store(at, n)
	}
}

// plan writes a plan where the one in force is not, and puts it in force.
func (t *table) plan(data []byte) error {
	now := atomic.LoadUint64(word64(t.data, atPlan))
	place := uint64(plans)
	if now != 0 {
		old := t.data[atPlans+int(now-1)*planSize:]
		begin, end := order.Uint64(old), order.Uint64(old)+order.Uint64(old[8:])
		if place+uint64(len(data)) > begin {
			place = (end + page - 1) / page * page
		}
	}
	if _, err := t.file.WriteAt(data, int64(place)); err != nil {
		return fmt.Errorf("cannot write to it: %w", err)
	}
	next := now%2 + 1
	b := t.data[atPlans+int(next-1)*planSize:]
	order.PutUint64(b, place)
	order.PutUint64(b[8:], uint64(len(data)))
	order.PutUint64(b[16:], uint64(crc32.ChecksumIEEE(data)))
	t.store(atPlan, next)
	return nil
}
