package register

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Owner is who keeps a register.
type Owner struct {
	PID   int
	Start uint64 // proc_pid_stat(5), field 22: clock ticks after boot
	Boot  string // /proc/sys/kernel/random/boot_id
	Space string // its PID namespace: "pid:[4026531836]"
}

// Row is a run or a hook that is not gone.
type Row struct {
	Run     uint64 // the number by which the kernel's side knows it: its tag
	Life    uint64 // the supervisor's own number
	PID     int
	Start   uint64
	Name    string    // of the instance, or of a hook
	Pipes   [2]uint64 // the inodes of the pipes that its stdout and stderr were; 0: it was none
	Hook    bool
	Grouped bool // it has a control group of its own
	Exited  bool // its main process is reaped, and others of its tree live
}

// Register is one that is kept. Any goroutine may call its methods, and a nil one keeps nothing.
type Register struct {
	mu     sync.Mutex
	tables []*table
	places map[uint64]int // of the rows, by run
	free   []int
	used   int // places that were given out so far
	full   bool
	failed func(error)
}

// New begins a register in files that the caller owns no more; what was in them is lost. One that cannot be used is left
// out, and where none can it is an error. failed is told, once, that something is not on record.
func New(o Owner, failed func(error), files ...*os.File) (*Register, error) {
	r := &Register{places: map[uint64]int{}, failed: failed}
	var errs []error
	for _, f := range files {
		t, err := newTable(o, f)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.Name(), err), f.Close())
			continue
		}
		r.tables = append(r.tables, t)
	}
	err := errors.Join(errs...)
	if len(r.tables) == 0 {
		return nil, err
	}
	if err != nil {
		r.complain(err)
	}
	return r, nil
}

// Restore goes on with one that was kept by another program in this process.
func Restore(failed func(error), fds []int) (*Register, error) {
	r := &Register{places: map[uint64]int{}, failed: failed}
	for _, fd := range fds {
		t, err := openTable(os.NewFile(uintptr(fd), "register"))
		if err != nil {
			return nil, err
		}
		r.tables = append(r.tables, t)
	}
	if len(r.tables) == 0 {
		return r, nil
	}
	first := r.tables[0]
	for _, t := range r.tables {
		r.used = max(r.used, t.rows())
	}
	for place := range r.used {
		if row, ok := first.row(place); ok {
			r.places[row.Run] = place
		} else {
			r.free = append(r.free, place)
		}
	}
	return r, nil
}

// Keep are the descriptors, for a successor.
func (r *Register) Keep() (fds []int) {
	if r == nil {
		return nil
	}
	for _, t := range r.tables {
		fds = append(fds, int(t.file.Fd()))
	}
	return fds
}

// Live notes a run that has begun.
func (r *Register) Live(row Row) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	place := r.used
	if n := len(r.free); n > 0 {
		place, r.free = r.free[n-1], r.free[:n-1]
	} else if r.used++; place == maxRows {
		r.used--
		r.complain(fmt.Errorf("it has room for %d runs at a time", maxRows))
		return
	}
	for _, t := range r.tables {
		if err := t.live(place, &row); err != nil {
			r.complain(err)
		}
	}
	r.places[row.Run] = place
}

// complain says once that something is not on record. The lock is held.
func (r *Register) complain(err error) {
	if !r.full && r.failed != nil {
		r.failed(err)
	}
	r.full = true
}

// Exited notes that the main process of a run is reaped.
func (r *Register) Exited(run uint64) { r.mark(run, rowExited) }

// Gone notes that nothing of a run is left.
func (r *Register) Gone(run uint64) { r.mark(run, rowFree) }

func (r *Register) mark(run uint64, state uint32) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	place, ok := r.places[run]
	if !ok {
		return
	}
	for _, t := range r.tables {
		t.mark(place, state)
	}
	if state == rowFree {
		delete(r.places, run)
		r.free = append(r.free, place)
	}
}

// Ends notes when the shutdown that is under way is over at the latest, by CLOCK_MONOTONIC.
func (r *Register) Ends(at time.Duration) {
	if r == nil {
		return
	}
	for _, t := range r.tables {
		t.store(atEnds, uint64(at))
	}
}

// Plan puts what the caller must know to clear up in order in the place of what was there.
func (r *Register) Plan(data []byte) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, t := range r.tables {
		errs = append(errs, t.plan(data))
	}
	return errors.Join(errs...)
}
