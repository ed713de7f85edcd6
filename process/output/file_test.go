package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func openFile(t testing.TB, o FileOptions) *Sink {
	t.Helper()
	s, err := OpenFile(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(never) })
	return s
}

// say writes a line and waits until it is written or failed.
func say(t testing.TB, s *Sink, format string, args ...any) {
	t.Helper()
	_, _ = fmt.Fprintf(s, format+"\n", args...)
	if !s.Flush(never) {
		t.Fatal("not flushed")
	}
}

func content(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

// kept is the content of all the files, the oldest first, and their names.
func kept(t testing.TB, path string) (all string, names []string) {
	t.Helper()
	for i := 99; i >= 0; i-- {
		f := file{FileOptions: FileOptions{Path: path}}
		if _, err := os.Lstat(f.numbered(i)); err == nil {
			all += content(t, f.numbered(i))
			names = append(names, filepath.Base(f.numbered(i)))
		}
	}
	return all, names
}

func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := openFile(t, FileOptions{Path: path, MaxSize: 10, MaxFiles: 2})
	for _, line := range []string{"aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff", "gg"} {
		say(t, s, "%s", line)
	}
	for name, want := range map[string]string{"": "gg\n", ".1": "eeee\nffff\n", ".2": "cccc\ndddd\n", ".3": ""} {
		if got := content(t, path+name); got != want {
			t.Errorf("log%s: %q, want %q", name, got, want)
		}
	}
	if _, names := kept(t, path); !slices.Equal(names, []string{"log.2", "log.1", "log"}) {
		t.Errorf("files %v", names)
	}
	wantDropped(t, s, 0, 0)
}

// Other bounds hold from the next write on, for what is there already as well.
func TestLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := openFile(t, FileOptions{Path: path})
	for _, line := range []string{"aaaa", "bbbb", "cccc"} {
		say(t, s, "%s", line)
	}
	s.Limit(10, 1)
	for _, line := range []string{"dddd", "eeee", "ffff"} {
		say(t, s, "%s", line)
	}
	for name, want := range map[string]string{"": "ffff\n", ".1": "dddd\neeee\n", ".2": ""} {
		if got := content(t, path+name); got != want {
			t.Errorf("log%s: %q, want %q", name, got, want)
		}
	}
	wantDropped(t, s, 0, 0)
}

func TestRotationWithoutOldFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := openFile(t, FileOptions{Path: path, MaxSize: 10})
	for _, line := range []string{"aaaa", "bbbb", "cccc"} {
		say(t, s, "%s", line)
	}
	if all, names := kept(t, path); all != "cccc\n" || len(names) != 1 {
		t.Errorf("%q in %v", all, names)
	}
}

func TestFileIsContinued(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	o := FileOptions{Path: path, MaxSize: 10, MaxFiles: 1}
	if err := os.WriteFile(path, []byte("was\ntorn"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openFile(t, o)
	if content(t, path) != "was\ntorn" {
		t.Error("written to before there was anything to write")
	}
	say(t, s, "a")
	if got := content(t, path+".1"); got != "was\ntorn\n" {
		t.Errorf("the old file ends as %q", got)
	}
	s.Close(never)
	s = openFile(t, o)
	say(t, s, "bbbbbbb")
	if got := content(t, path); got != "a\nbbbbbbb\n" {
		t.Errorf("continued to %q", got)
	}
	say(t, s, "c")
	if got := content(t, path); got != "c\n" {
		t.Errorf("its length was not counted: %q", got)
	}
}

// TestRotationFillsGap moves no file further than it must: up to a number that is free, and over the last one only where
// there is none.
func TestRotationFillsGap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f := &file{FileOptions: FileOptions{Path: path, MaxSize: 2, MaxFiles: 4}, fd: -1}
	defer f.close()
	for _, i := range []int{1, 2, 4} {
		if err := os.WriteFile(f.numbered(i), []byte(fmt.Sprint(i, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct{ line, want string }{
		{"a\n", "4\n2\n1\na\n"}, {"b\n", "4\n2\n1\na\nb\n"}, {"c\n", "2\n1\na\nb\nc\n"},
	} {
		if _, err := f.write([]byte(step.line)); err != nil {
			t.Fatal(err)
		}
		if got, _ := kept(t, path); got != step.want {
			t.Errorf("after %q there is %q, want %q", step.line, got, step.want)
		}
	}
}

// TestRotationKeepsAll has whatever was written in all the files, in order, with every file but the last as full as it
// may be and none beyond the limit, unless for one long line.
func TestRotationKeepsAll(t *testing.T) {
	dir := t.TempDir()
	world := 0
	rapid.Check(t, func(t *rapid.T) {
		world++
		path := filepath.Join(dir, fmt.Sprint(world))
		size := rapid.Int64Range(1, 300).Draw(t, "size")
		f := &file{FileOptions: FileOptions{Path: path, MaxSize: size, MaxFiles: 99}, fd: -1}
		var sent strings.Builder
		for range rapid.IntRange(1, 10).Draw(t, "batches") {
			var batch strings.Builder
			for range rapid.IntRange(1, 20).Draw(t, "lines") {
				batch.WriteString(strings.Repeat("x", rapid.IntRange(0, 60).Draw(t, "length")) + "\n")
			}
			if rapid.Bool().Draw(t, "reopen") {
				f.reopen()
			}
			if n, err := f.write([]byte(batch.String())); n != batch.Len() || err != nil {
				t.Fatal(n, err)
			}
			sent.WriteString(batch.String())
		}
		f.close()
		var all string
		next := ""
		for i := 0; ; i++ {
			b, err := os.ReadFile(f.numbered(i))
			if err != nil {
				break
			}
			_ = os.Remove(f.numbered(i))
			if !strings.HasSuffix(string(b), "\n") {
				t.Fatalf("%s ends within a line", f.numbered(i))
			}
			if int64(len(b)) > size && strings.Count(string(b), "\n") > 1 {
				t.Fatalf("%s has %d bytes, the limit is %d", f.numbered(i), len(b), size)
			}
			if first := strings.IndexByte(next, '\n') + 1; i > 0 && int64(len(b)+first) <= size {
				t.Fatalf("%s has %d bytes and the next line %d: rotated too early", f.numbered(i), len(b), first)
			}
			next = string(b)
			all = next + all
		}
		if !strings.HasSuffix(sent.String(), all) || len(all) < min(sent.Len(), 99*int(size)/2) {
			t.Fatalf("%d of %d bytes in the files, or out of order", len(all), sent.Len())
		}
	})
}

// TestRotationUnderLoad counts every line of several children over all the files, with a reopening all the while.
func TestRotationUnderLoad(t *testing.T) {
	const children, sent = 8, 5000
	path := filepath.Join(t.TempDir(), "log")
	s := openFile(t, FileOptions{Path: path, MaxSize: 100 << 10, MaxFiles: 99})
	var all sync.WaitGroup
	var over atomic.Bool
	for k := range children {
		p, w := newPipe(t, PipeOptions{To: s})
		all.Go(func() {
			for i := range sent {
				write(t, w, fmt.Sprintf("%d %d %s\n", k, i, strings.Repeat("x", i%120)))
			}
			_ = w.Close()
			<-p.Done()
		})
	}
	reopening := make(chan struct{})
	go func() {
		defer close(reopening)
		for !over.Load() {
			s.Reopen()
			s.Flush(never)
		}
	}()
	all.Wait()
	over.Store(true)
	<-reopening
	if !s.Close(never) {
		t.Fatal("not closed")
	}
	wantDropped(t, s, 0, 0)
	got, names := kept(t, path)
	if len(names) < 20 {
		t.Errorf("only %d files", len(names))
	}
	wantInOrder(t, got, children, sent)
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := openFile(t, FileOptions{Path: path})
	say(t, s, "one")
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	say(t, s, "two") // logrotate has not told us yet
	s.Reopen()
	say(t, s, "three")
	if old, now := content(t, path+".old"), content(t, path); old != "one\ntwo\n" || now != "three\n" {
		t.Errorf("%q and %q", old, now)
	}
}

// TestReopenAtOnce has a silent sink let go of the old file, which somebody may want to unmount.
func TestReopenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := openFile(t, FileOptions{Path: path})
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	s.Reopen()
	if !s.Close(never) {
		t.Fatal("not closed")
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// TestNoDescriptorIsLeft has none refer to the files of a sink that was rotated, reopened and closed.
func TestNoDescriptorIsLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := openFile(t, FileOptions{Path: path, MaxSize: 10, MaxFiles: 2})
	open := func() (n int) {
		links, err := filepath.Glob("/proc/self/fd/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, path) {
				n++
			}
		}
		return n
	}
	for _, line := range []string{"aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff", "gg"} {
		say(t, s, "%s", line)
		s.Reopen()
	}
	say(t, s, "end")
	if n := open(); n != 1 {
		t.Errorf("%d files are open, want 1", n)
	}
	if !s.Close(never) || open() != 0 {
		t.Errorf("%d files are open after the end", open())
	}
}

func TestCopyTruncate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := openFile(t, FileOptions{Path: path, MaxSize: 10, MaxFiles: 1})
	say(t, s, "aaaaaaa")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	say(t, s, "bbbbb")
	if all, _ := kept(t, path); all != "bbbbb\n" {
		t.Errorf("%q", all)
	}
}

// heard collects what a sink has to say.
func heard(s *Sink) <-chan error {
	c := make(chan error, 100)
	s.OnError(func(err error) { c <- err })
	return c
}

func TestFolderVanishes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "log")
	s := openFile(t, FileOptions{Path: path, MaxSize: 100, MaxFiles: 1})
	said := heard(s)
	say(t, s, "one")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		say(t, s, "lost")
	}
	wantDropped(t, s, 100, 500)
	if err := <-said; !errors.Is(err, fs.ErrNotExist) || len(said) > 0 {
		t.Errorf("said %v and %d more", err, len(said))
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	say(t, s, "two")
	if got := content(t, path); got != "two\n" {
		t.Errorf("got %q after the folder is back", got)
	}
	wantDropped(t, s, 100, 500)
}

func TestUnlinked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := openFile(t, FileOptions{Path: path})
	say(t, s, "one")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	say(t, s, "two")
	if got := content(t, path); got != "two\n" {
		t.Errorf("got %q", got)
	}
}

// TestRotationFails has a folder in the way: the file grows on, and it is tried again a file later.
func TestRotationFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.MkdirAll(path+".1/x", 0o700); err != nil {
		t.Fatal(err)
	}
	s := openFile(t, FileOptions{Path: path, MaxSize: 10, MaxFiles: 1})
	said := heard(s)
	for _, line := range []string{"aaaa", "bbbb", "cccc"} {
		say(t, s, "%s", line)
	}
	if err := <-said; !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.ENOTEMPTY) {
		t.Errorf("said %v", err)
	}
	if got := content(t, path); got != "aaaa\nbbbb\ncccc\n" {
		t.Errorf("got %q", got)
	}
	if err := os.RemoveAll(path + ".1"); err != nil {
		t.Fatal(err)
	}
	say(t, s, "dddd")
	say(t, s, "eeee")
	if got := content(t, path) + "then " + content(t, path+".1"); got != "eeee\nthen aaaa\nbbbb\ncccc\ndddd\n" {
		t.Errorf("got %q", got)
	}
	wantDropped(t, s, 0, 0)
}

// TestRotationOntoItself has Path.1 as another name of the very file: rename(2) then does nothing and says nothing.
func TestRotationOntoItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := openFile(t, FileOptions{Path: path, MaxSize: 10, MaxFiles: 1})
	if err := os.Link(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"aaaa", "bbbb", "cccc", "dddd"} {
		say(t, s, "%s", line)
	}
	if got := content(t, path); got != "aaaa\nbbbb\ncccc\ndddd\n" {
		t.Errorf("got %q", got)
	}
}

func TestOpenFileFails(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		filepath.Join(dir, "no", "log"): unix.ENOENT,
		dir:                             unix.EISDIR,
		fifo:                            unix.ENXIO, // nobody reads it; open(2) would wait
	} {
		_, err := OpenFile(FileOptions{Path: path})
		if !errors.Is(err, want) || !strings.HasPrefix(err.Error(), "cannot open "+path+": ") {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
}

func TestFileThatIsNone(t *testing.T) {
	s := openFile(t, FileOptions{Path: "/dev/null", MaxSize: 1, MaxFiles: 1})
	say(t, s, "one")
	say(t, s, "two")
	wantDropped(t, s, 0, 0)
	if _, err := os.Lstat("/dev/null.1"); err == nil {
		t.Fatal("/dev/null was rotated")
	}
}

// TestDiskFull has the disk full for a while: /dev/full stands for it, behind a symbolic link.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	s := openFile(t, FileOptions{Path: path})
	said := heard(s)
	for range 10 {
		say(t, s, "lost")
	}
	if err := <-said; !errors.Is(err, unix.ENOSPC) || len(said) > 0 {
		t.Errorf("said %v and %d more", err, len(said))
	}
	wantDropped(t, s, 10, 50)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.Reopen()
	say(t, s, "one")
	if got := content(t, path); got != "one\n" {
		t.Errorf("got %q", got)
	}
}
