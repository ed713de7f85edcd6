package register

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var owner = Owner{PID: 4711, Start: 99, Boot: "b00t", Space: "pid:[1]"}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func memory(t *testing.T) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("register", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "memory")
}

func begin(t *testing.T, files ...*os.File) *Register {
	t.Helper()
	r, err := New(owner, func(err error) { t.Error(err) }, files...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t *testing.T, f *os.File) *Left {
	t.Helper()
	left, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(left.Rows, func(a, b Row) int { return int(a.Run) - int(b.Run) })
	return left
}

// TestRegister writes what random runs do into a file and a memory file, and reads both after each act, as if its owner
// had been killed then. Now and then another program goes on with it.
func TestRegister(t *testing.T) {
	files := []*os.File{memory(t), open(t, filepath.Join(t.TempDir(), "register"))}
	r := begin(t, files...)
	rnd := rand.New(rand.NewPCG(1, 2))
	want := map[uint64]Row{}
	var last uint64
	plan := []byte(nil)
	for step := range 3000 {
		switch n := rnd.IntN(100); {
		case n < 45 || len(want) == 0:
			last++
			row := Row{
				Run: last, Life: last / 2, PID: rnd.IntN(1<<22) + 1, Start: rnd.Uint64(),
				Name: strings.Repeat("n", rnd.IntN(50)) + fmt.Sprint(last), Hook: rnd.IntN(5) == 0, Grouped: rnd.IntN(2) == 0,
				Pipes: [2]uint64{rnd.Uint64(), rnd.Uint64()},
			}
			r.Live(row)
			want[last] = row
		case n < 65:
			row := want[any(want, rnd)]
			row.Exited = true
			want[row.Run] = row
			r.Exited(row.Run)
		case n < 95:
			run := any(want, rnd)
			delete(want, run)
			r.Gone(run)
		case n < 98:
			plan = bytes.Repeat([]byte{byte(step)}, rnd.IntN(20000))
			if err := r.Plan(plan); err != nil {
				t.Fatal(err)
			}
		default:
			var fds []int
			for _, fd := range r.Keep() { // the files of this test close their own
				again, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
				if err != nil {
					t.Fatal(err)
				}
				fds = append(fds, again)
			}
			again, err := Restore(func(err error) { t.Error(err) }, fds)
			if err != nil {
				t.Fatal(err)
			}
			r = again
		}
		if step%50 != 0 {
			continue
		}
		for _, f := range files {
			left := read(t, f)
			var rows []Row
			for _, row := range left.Rows {
				rows = append(rows, row)
				if want[row.Run] != row {
					t.Fatalf("step %d: %s: %+v is on record, and there is %+v", step, f.Name(), row, want[row.Run])
				}
			}
			if len(rows) != len(want) || left.Highest != last || left.Owner != owner || !bytes.Equal(left.Plan, plan) {
				t.Fatalf("step %d: %s: %d rows of %d, highest %d of %d, %+v", step, f.Name(), len(rows), len(want),
					left.Highest, last, left.Owner)
			}
		}
	}
}

func any(rows map[uint64]Row, rnd *rand.Rand) uint64 {
	keys := make([]uint64, 0, len(rows))
	for k := range rows {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys[rnd.IntN(len(keys))]
}

// TestEnds keeps when a shutdown is over.
func TestEnds(t *testing.T) {
	f := memory(t)
	r := begin(t, f)
	r.Ends(7 * time.Second)
	if left := read(t, f); left.Ends != 7*time.Second || left.Plan != nil {
		t.Errorf("%+v", left)
	}
}

// TestOneOfTwo keeps a register where only one of its files can be used, and says so once.
func TestOneOfTwo(t *testing.T) {
	full, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	f := memory(t)
	said := 0
	r, err := New(owner, func(error) { said++ }, full, f)
	if err != nil {
		t.Fatal(err)
	}
	r.Live(Row{Run: 1, PID: 1, Name: "api"})
	if left := read(t, f); len(left.Rows) != 1 || said != 1 {
		t.Errorf("%+v, said %d times", left, said)
	}
	none, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(owner, nil, none); err == nil {
		t.Error("a register in a device is none")
	}
}

// TestNobody is a register that nobody keeps.
func TestNobody(t *testing.T) {
	var r *Register
	r.Live(Row{Run: 1})
	r.Exited(1)
	r.Gone(1)
	r.Ends(1)
	if err := r.Plan(nil); err != nil || r.Keep() != nil {
		t.Error(err)
	}
}

// TestDamaged cuts a register off and changes each of its bytes: it is refused, or what it tells was never anything else
// but what one changed byte makes of it; it never brings the reader down.
func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "register")
	f := open(t, path)
	r := begin(t, f)
	r.Live(Row{Run: 1, PID: 7, Start: 8, Name: "api"})
	if err := r.Plan([]byte("the plan")); err != nil {
		t.Fatal(err)
	}
	whole := read(t, f)
	text := make([]byte, plans+8)
	if _, err := f.ReadAt(text, 0); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, len(magic), page - 1, page, page + 1, rowsBegin + rowSize, plans, plans + 7} {
		if left, err := Read(written(t, text[:size])); err == nil {
			t.Errorf("cut off at %d it is read: %+v", size, left)
		}
	}
	for at := range headerEnd {
		changed := bytes.Clone(text)
		changed[at] ^= 0x55
		if left, err := Read(written(t, changed)); err == nil && at < atPID && reflect.DeepEqual(left, whole) {
			t.Errorf("with byte %d changed it is read as if nothing were wrong", at)
		}
	}
	changed := bytes.Clone(text)
	changed[plans] ^= 1
	if _, err := Read(written(t, changed)); err == nil {
		t.Error("with a changed plan it is read")
	}
}

func written(t *testing.T, text []byte) *os.File {
	t.Helper()
	f := memory(t)
	t.Cleanup(func() { f.Close() })
	const head = rowsBegin + rowSize // behind it there are zeros up to the plan
	_, err := f.Write(text[:min(len(text), head)])
	if len(text) > plans {
		_, err = f.WriteAt(text[plans:], plans)
	}
	if err = errors.Join(err, f.Truncate(int64(len(text)))); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestOwned refuses the register of a living owner, and those that others could have written.
func TestOwned(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "register")
	f := open(t, path)
	if _, err := Open(path); !errors.Is(err, ErrOwned) {
		t.Errorf("of a living owner: %v", err)
	}
	f.Close()
	if again, err := Open(path); err != nil {
		t.Errorf("of a dead owner: %v", err)
	} else {
		again.Close()
	}
	if err := os.Chmod(path, 0o620); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "not ours alone") {
		t.Errorf("that others may write: %v", err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(link); err == nil {
		t.Error("a symbolic link is followed")
	}
	other := filepath.Join(dir, "other")
	if err := errors.Join(os.WriteFile(other, nil, 0o600), os.Link(other, filepath.Join(dir, "hard"))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "hard")); err == nil || !strings.Contains(err.Error(), "another name") {
		t.Errorf("a file of two names: %v", err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(fifo); err == nil || !strings.Contains(err.Error(), "no plain file") {
		t.Errorf("a pipe: %v", err)
	}
}

// BenchmarkLive is what a spawn and its end cost.
func BenchmarkLive(b *testing.B) {
	f, err := Open(filepath.Join(b.TempDir(), "register"))
	if err != nil {
		b.Fatal(err)
	}
	r, err := New(owner, nil, f)
	if err != nil {
		b.Fatal(err)
	}
	row := Row{PID: 1, Name: "api.1"}
	for b.Loop() {
		row.Run++
		r.Live(row)
		r.Gone(row.Run)
	}
}
