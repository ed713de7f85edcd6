package output

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// chatter is what a busy child writes at a time: 64 KiB of 100-byte lines.
var chatter = bytes.Repeat(append(bytes.Repeat([]byte("x"), 99), '\n'), 655)

// pour writes b.N times chatter into a pipe and waits until all of it went through.
func pour(b *testing.B, o PipeOptions) {
	b.Helper()
	p, w, err := NewPipe(o)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(chatter)))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := w.Write(chatter); err != nil {
			b.Fatal(err)
		}
	}
	_ = w.Close()
	<-p.Done()
	if !o.To.Flush(time.Minute) {
		b.Fatal("not flushed")
	}
	if lines, _ := o.To.Dropped(); lines > 0 {
		b.Fatalf("%d lines dropped", lines)
	}
}

// benchDir is on a tmpfs where there is one: a disk is not what is measured.
func benchDir(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "output")
	if err != nil {
		return b.TempDir()
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func benchFile(b *testing.B, o FileOptions) *Sink {
	b.Helper()
	o.Path = filepath.Join(benchDir(b), "log")
	s, err := OpenFile(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close(time.Minute) })
	return s
}

// BenchmarkPrefix is a child's lines with its name before them, into a regular file as our stdout.
func BenchmarkPrefix(b *testing.B) {
	pour(b, PipeOptions{To: benchFile(b, FileOptions{MaxSize: 64 << 20}), Prefix: []byte("worker | ")})
}

// BenchmarkPrefixPipe is the same with a pipe as our stdout that somebody reads.
func BenchmarkPrefixPipe(b *testing.B) {
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	go func() {
		for buf := make([]byte, 64<<10); ; {
			if _, err := r.Read(buf); err != nil {
				return
			}
		}
	}()
	s := NewSink(w)
	pour(b, PipeOptions{To: s, Prefix: []byte("worker | ")})
	s.Close(time.Minute)
	_ = w.Close()
}

// BenchmarkFile is a child's log file, rotated.
func BenchmarkFile(b *testing.B) {
	pour(b, PipeOptions{To: benchFile(b, FileOptions{MaxSize: 10 << 20, MaxFiles: 5})})
}

// BenchmarkStamps is the same with a time before each line.
func BenchmarkStamps(b *testing.B) {
	pour(b, PipeOptions{To: benchFile(b, FileOptions{MaxSize: 10 << 20, MaxFiles: 5}), Timestamps: true})
}

// BenchmarkMatch is the same while a line is waited for that does not come.
func BenchmarkMatch(b *testing.B) {
	pour(b, PipeOptions{To: benchFile(b, FileOptions{MaxSize: 64 << 20}), Match: regexp.MustCompile(`ready on \d+`)})
}

// BenchmarkChild has a real child in place of the goroutine, and also tells what it costs us.
func BenchmarkChild(b *testing.B) {
	for _, c := range []struct {
		name string
		file FileOptions
		pipe PipeOptions
	}{
		{"prefix", FileOptions{MaxSize: 64 << 20}, PipeOptions{Prefix: []byte("worker | ")}},
		{"file", FileOptions{MaxSize: 10 << 20, MaxFiles: 5}, PipeOptions{}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.pipe.To = benchFile(b, c.file)
			p, w, err := NewPipe(c.pipe)
			if err != nil {
				b.Fatal(err)
			}
			b.Setenv("OUTPUT_TEST_CHUNKS", strconv.Itoa(b.N))
			b.SetBytes(int64(len(chatter)))
			before := usage()
			b.ResetTimer()
			_, tells := helper(b, "chat", w)
			_ = w.Close()
			<-p.Done()
			c.pipe.To.Flush(time.Minute)
			b.StopTimer()
			b.ReportMetric((usage()-before).Seconds()/float64(b.N*len(chatter))*1e9, "cpu-s/GB")
			_ = tells()
		})
	}
}

// usage is the time of the processor that this process has used.
func usage() time.Duration {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkLines has the child write line by line.
func BenchmarkLines(b *testing.B) {
	s := benchFile(b, FileOptions{MaxSize: 64 << 20})
	p, w, err := NewPipe(PipeOptions{To: s, Prefix: []byte("worker | ")})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(100)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		_, _ = unix.Write(int(w.Fd()), chatter[:100])
	}
	_ = w.Close()
	<-p.Done()
	s.Flush(time.Minute)
}

// BenchmarkLayout is the prefixing alone.
func BenchmarkLayout(b *testing.B) {
	l := layout{prefix: []byte("worker | ")}
	b.SetBytes(int64(len(chatter)))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = l.append(dst[:0], chatter)
	}
}

// BenchmarkIdlePipe prints what a silent child costs: memory of the heap and of stacks, per pipe, after it has spoken.
func BenchmarkIdlePipe(b *testing.B) {
	const pipes = 1000
	s := benchFile(b, FileOptions{})
	var most float64 // the first time, for the runtime keeps what it needs for a goroutine and for epoll
	for b.Loop() {
		before := inUse()
		var all []*Pipe
		var ends []*os.File
		for range pipes {
			p, w, err := NewPipe(PipeOptions{To: s, Prefix: []byte("worker | ")})
			if err != nil {
				b.Fatal(err)
			}
			_, _ = w.Write(chatter[:100])
			all, ends = append(all, p), append(ends, w)
		}
		for _, p := range all {
			waitParked(b, p)
		}
		most = max(most, float64(int64(inUse()-before))/pipes)
		b.ReportMetric(most, "B/pipe")
		for i, w := range ends {
			_ = w.Close()
			<-all[i].Done()
		}
	}
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse + m.MSpanInuse + m.GCSys + m.OtherSys
}
