package output

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The tests run themselves as the program whose stdout is a terminal, a pipe, a file, or broken.
const helperKey = "OUTPUT_TEST_HELPER"

func TestMain(m *testing.M) {
	helpers := map[string]func(tell io.Writer){
		"lines": helpLines, "limit": helpLimit, "stuck": helpStuck, "flood": helpFlood,
		"standard": helpStandard, "chat": helpChat,
	}
	if name := os.Getenv(helperKey); name != "" {
		helper, ok := helpers[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such helper:", name)
			os.Exit(9)
		}
		helper(os.NewFile(3, "tell"))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// helper is a command that runs one of the helpers; what it tells comes after it has ended well.
func helper(t testing.TB, name string, stdout *os.File) (cmd *exec.Cmd, tells func() string) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = helperEnv(name)
	cmd.Stdout, cmd.Stderr = stdout, os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	return cmd, func() string {
		t.Helper()
		told, _ := io.ReadAll(r)
		_ = r.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return string(told)
	}
}

// helperEnv also has a program with the race detector end without a second's sleep.
func helperEnv(name string) []string {
	return append(os.Environ(), helperKey+"="+name, "GORACE=atexit_sleep_ms=0")
}

// helpLines writes 10,000 numbered lines to stdout and tells what went wrong.
func helpLines(tell io.Writer) {
	s := NewSink(os.Stdout)
	said := make(chan error, 100)
	s.OnError(func(err error) { said <- err })
	for i := range 10000 {
		_, _ = fmt.Fprintf(s, "line %d\n", i)
	}
	whole := s.Close(never)
	lines, _ := s.Dropped()
	fmt.Fprintf(tell, "whole %v dropped %d", whole, lines)
	if lines > 0 {
		fmt.Fprintf(tell, " said %v and %d more", <-said, len(said))
	}
}

const wellDone = "whole true dropped 0"

func wantTenThousand(t *testing.T, r io.Reader) {
	t.Helper()
	in := bufio.NewReader(r)
	for i := range 10000 {
		line, err := in.ReadString('\n')
		if want := fmt.Sprintf("line %d", i); strings.TrimRight(line, "\r\n") != want {
			t.Fatalf("got %q, %v, want %s", line, err, want)
		}
	}
}

func TestStdoutPipe(t *testing.T) {
	for _, nonblocking := range []bool{false, true} {
		t.Run(fmt.Sprintf("nonblocking %v", nonblocking), func(t *testing.T) {
			r, w := rawPipe(t)
			if err := unix.SetNonblock(int(w.Fd()), nonblocking); err != nil {
				t.Fatal(err)
			}
			_, tells := helper(t, "lines", w)
			wantTenThousand(t, r)
			if told := tells(); told != wellDone {
				t.Error(told)
			}
			flags, err := unix.FcntlInt(w.Fd(), unix.F_GETFL, 0)
			if err != nil || (flags&unix.O_NONBLOCK != 0) != nonblocking {
				t.Errorf("the flags of the pipe, which others share, were changed to %x: %v", flags, err)
			}
		})
	}
}

// rawPipe is a pipe of which os knows as little as of one that was inherited.
func rawPipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
	t.Cleanup(func() {
		_ = r.Close()
		_ = w.Close()
	})
	return r, w
}

func TestStdoutClosedPipe(t *testing.T) {
	r, w := rawPipe(t)
	_ = r.Close()
	_, tells := helper(t, "lines", w)
	if told := tells(); told != "whole true dropped 10000 said cannot write to /dev/stdout: broken pipe and 0 more" {
		t.Error(told)
	}
}

func TestStdoutFile(t *testing.T) {
	path := t.TempDir() + "/out"
	for _, flags := range []int{os.O_APPEND, 0} {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC|flags, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		write(t, f, "before\n")
		_, tells := helper(t, "lines", f)
		if told := tells(); told != wellDone {
			t.Error(told)
		}
		write(t, f, "after\n")
		_ = f.Close()
		got := content(t, path)
		wantTenThousand(t, strings.NewReader(strings.TrimPrefix(got, "before\n")))
		if !strings.HasSuffix(got, "line 9999\nafter\n") {
			t.Error("the offset that we share with others is not after our lines")
		}
	}
}

func TestStdoutNull(t *testing.T) {
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	_, tells := helper(t, "lines", f)
	if told := tells(); told != wellDone {
		t.Error(told)
	}
}

func TestStdoutSocket(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, w := os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
	defer func() { _, _ = r.Close(), w.Close() }()
	_, tells := helper(t, "lines", w)
	wantTenThousand(t, r)
	if told := tells(); told != wellDone {
		t.Error(told)
	}
}

// terminal opens a new one, both ends.
func terminal(t testing.TB) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		skip(t, "no terminals here: "+err.Error())
	}
	master = os.NewFile(uintptr(fd), "master")
	t.Cleanup(func() { _ = master.Close() })
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = slave.Close() })
	return master, slave
}

func TestStdoutTerminal(t *testing.T) {
	master, slave := terminal(t)
	_, tells := helper(t, "lines", slave)
	wantTenThousand(t, master)
	if told := tells(); told != wellDone {
		t.Error(told)
	}
}

// helpStuck writes to a stdout that nobody reads, in a hurry.
func helpStuck(tell io.Writer) {
	s := NewSink(os.Stdout)
	s.Hurry(0)
	for i := range 5000 {
		_, _ = s.Write(block(i))
	}
	whole := s.Close(time.Millisecond)
	lines, _ := s.Dropped()
	fmt.Fprintf(tell, "whole %v all dropped %v", whole, lines > 40000)
}

// TestStdoutStuckTerminal has nobody read the terminal: the write(2) never returns, and the program ends all the same.
func TestStdoutStuckTerminal(t *testing.T) {
	_, slave := terminal(t)
	_, tells := helper(t, "stuck", slave)
	if told := tells(); told != "whole false all dropped true" {
		t.Error(told)
	}
}

// attempts counts how often a descriptor is written to, and waited for.
type attempts struct {
	*descriptor
	n, waits atomic.Int64
}

func (a *attempts) wait() {
	a.waits.Add(1)
	a.descriptor.wait()
}

func (a *attempts) write(p []byte) (int, error) {
	a.n.Add(1)
	return a.descriptor.write(p)
}

// TestStuckPipeIsCounted has somebody stop reading a pipe: what it did not get is known to the line, and waiting for
// it is no busy loop.
func TestStuckPipeIsCounted(t *testing.T) {
	const sent = 500
	r, w := rawPipe(t)
	if _, err := unix.Pwritev2(int(w.Fd()), [][]byte{[]byte("x")}, -1, unix.RWF_NOWAIT); err != nil {
		skip(t, "this kernel cannot write to a pipe without blocking: "+err.Error())
	}
	a := &attempts{descriptor: newDescriptor(w)}
	s := newSink(a)
	s.Hurry(0)
	for i := range sent {
		_, _ = s.Write(block(i))
	}
	eventually(t, "the pipe is full", func() bool { return a.waits.Load() > 0 })
	before := a.n.Load()
	if s.Close(20 * time.Millisecond) {
		t.Fatal("closed")
	}
	if n := a.n.Load() - before; n > 1 {
		t.Errorf("tried to write %d times more to a full pipe", n)
	}
	lines, _ := s.Dropped()
	got := make([]byte, 64<<10)
	n, err := r.Read(got) // there is room again; it comes too late
	eventually(t, "the sink has let go of the pipe", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return !s.running
	})
	_ = w.Close()
	rest, _ := io.ReadAll(r)
	got = append(got[:n], rest...)
	if err != nil || lines+uint64(strings.Count(string(got), "\n")) != 10*sent {
		t.Errorf("%d lines read + %d dropped of %d: %v", strings.Count(string(got), "\n"), lines, 10*sent, err)
	}
}

// helpLimit has a disk that is full after 10,050 bytes: a limit of file sizes stands for it.
func helpLimit(tell io.Writer) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGXFSZ)
	limit := unix.Rlimit{Cur: 10050, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Fprint(tell, err)
		return
	}
	s, err := OpenFile(FileOptions{Path: os.Getenv("OUTPUT_TEST_FILE")})
	if err != nil {
		fmt.Fprint(tell, err)
		return
	}
	var all []byte
	for i := range 20 {
		all = append(all, block(i)...)
	}
	_, _ = s.Write(all)
	s.Flush(never)
	_, _ = s.Write(block(20))
	s.Flush(never)
	limit.Cur = limit.Max
	_ = unix.Setrlimit(unix.RLIMIT_FSIZE, &limit)
	_, _ = s.Write(block(21))
	s.Close(never)
	lines, n := s.Dropped()
	fmt.Fprint(tell, "dropped ", lines, " ", n)
}

// TestNoTornLine has the disk be full in the middle of a line: what is in the file of it is taken back.
func TestNoTornLine(t *testing.T) {
	path := t.TempDir() + "/log"
	t.Setenv("OUTPUT_TEST_FILE", path)
	_, tells := helper(t, "limit", nil)
	if told := tells(); told != "dropped 110 11000" {
		t.Error(told)
	}
	if got, want := content(t, path), blocks(10)+string(block(21)); got != want {
		t.Errorf("%d bytes in the file, want %d", len(got), len(want))
	}
}

// helpFlood writes 20,000 lines in small writes and ends.
func helpFlood(io.Writer) {
	out := bufio.NewWriterSize(os.Stdout, 100)
	for i := range 20000 {
		fmt.Fprintf(out, "line %d\n", i)
	}
	_ = out.Flush()
}

// TestLastWordsOfAChild is TestLastWords with a real child. The pipe is finished right after its end, while the test
// still holds the write end.
func TestLastWordsOfAChild(t *testing.T) {
	var m memory
	s := NewSink(&m)
	p, w := newPipe(t, PipeOptions{To: s})
	cmd, tells := helper(t, "flood", w)
	_ = tells()
	if cmd.ProcessState == nil || !cmd.ProcessState.Success() {
		t.Fatal(cmd.ProcessState)
	}
	if !p.Finish(never) || !s.Close(never) {
		t.Fatal("not finished")
	}
	if got := m.String(); strings.Count(got, "\n") != 20000 || !strings.HasSuffix(got, "line 19999\n") {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
}

// helpChat writes as much as it is told to, in large writes.
func helpChat(io.Writer) {
	n, _ := strconv.Atoi(os.Getenv("OUTPUT_TEST_CHUNKS"))
	for range n {
		_, _ = unix.Write(1, chatter)
	}
}

// helpStandard tells whether stdout and stderr have one sink.
func helpStandard(tell io.Writer) {
	stdout, stderr := Standard()
	fmt.Fprint(tell, stdout == stderr)
	var all sync.WaitGroup
	for _, s := range []*Sink{stdout, stderr} {
		all.Go(func() {
			for i := range 10 {
				_, _ = s.Write(block(i))
			}
		})
	}
	all.Wait()
	_, _ = stdout.Close(never), stderr.Close(never)
}

func TestStandard(t *testing.T) {
	for _, same := range []bool{true, false} {
		r, w := rawPipe(t)
		cmd := exec.Command(os.Args[0])
		cmd.Env = helperEnv("standard")
		tell, told := rawPipe(t)
		cmd.Stdout, cmd.ExtraFiles = w, []*os.File{told}
		if same {
			cmd.Stderr = w
		}
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Close(), told.Close()
		got, err := io.ReadAll(tell)
		if string(got) != fmt.Sprint(same) || err != nil {
			t.Errorf("one sink: %s, %v, want %v", got, err, same)
		}
		out, _ := io.ReadAll(r)
		if want := map[bool]int{true: 200, false: 100}[same]; strings.Count(string(out), "\n") != want {
			t.Errorf("%d lines, want %d", strings.Count(string(out), "\n"), want)
		}
	}
}

// skip skips a test that cannot be had here, and fails it where everything is expected to be had.
func skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("LASTOUT_CI") == "1" {
		t.Fatalf("cannot be tested here, and should be: %s", reason)
	}
	t.Skip(reason)
}
