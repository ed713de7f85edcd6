package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Options describe a demonstration.
type Options struct {
	Program string        // the lastout to run
	Load    time.Duration // how long the load lasts before SIGTERM
	Every   time.Duration // a request is sent this often
	Delay   time.Duration // how long a worker works on an answer
	Out     io.Writer     // progress, for people
	Verbose io.Writer     // what lastout and its children write; nil: shown only when something goes wrong
}

// Result is what a demonstration showed.
type Result struct {
	Ledger *Ledger `json:"ledger"`
	Report []byte  `json:"-"`    // lastout's own report of the shutdown, in JSON
	Code   int     `json:"code"` // lastout's exit code
}

// answerSize is the size of an answer: too much for one segment, so that a cut one can be told from a whole one.
const answerSize = 64 << 10

// upBound is how long the tree may take to come up before the demonstration gives up.
const upBound = 15 * time.Second

// configuration is the demonstration's tree. The gateway depends on its workers and leaves after them all the same.
const configuration = `name = "demo"

[process.worker]
command = ["lastout", "demo", "worker", "--listen", "unix:DIR/worker.{instance}.sock", "--delay", "DELAY",
           "--size", "SIZE", "--record", "DIR/record"]
instances = 3
ready = { notify = true }
stop = { timeout = "5s" }

[process.gateway]
role = "gateway"
command = ["lastout", "demo", "gateway", "--listen", "127.0.0.1:0", "--control", "unix:DIR/gateway.sock",
           "--to", "unix:DIR/worker.1.sock,unix:DIR/worker.2.sock,unix:DIR/worker.3.sock"]
depends_on = ["worker"]
ready = { notify = true }
stop = { timeout = "5s" }
hooks.pre_drain = { command = ["lastout", "demo", "drain", "--control", "unix:DIR/gateway.sock"], timeout = "10s" }
`

// Run starts the tree, puts load on it, sends SIGTERM in the middle of it, waits for lastout's end and returns what
// became of every request.
func Run(ctx context.Context, o Options) (*Result, error) {
	dir, err := os.MkdirTemp("", "lastout-demo-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "lastout.toml")
	text := strings.NewReplacer("DIR", dir, "DELAY", o.Delay.String(), "SIZE", fmt.Sprint(answerSize))
	if err := os.WriteFile(file, []byte(text.Replace(configuration)), 0o644); err != nil {
		return nil, err
	}
	show := &show{o: o, dir: dir, file: file}
	result, err := show.play(ctx)
	if err != nil && o.Verbose == nil {
		o.Out.Write(show.log.Bytes())
	}
	return result, err
}

// show is one demonstration under way.
type show struct {
	o         Options
	dir, file string
	log       bytes.Buffer // of lastout's stderr and its children's output
	url       chan string  // the gateway's, once it is known
	exited    chan error
	cmd       *exec.Cmd
}

func (s *show) play(ctx context.Context) (*Result, error) {
	if err := s.start(); err != nil {
		return nil, err
	}
	defer s.clear()
	url, err := s.up(ctx)
	if err != nil {
		return nil, err
	}
	load := newLoad(url, answerSize)
	loadCtx, stopLoad := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() { defer close(over); load.run(loadCtx, s.o.Every) }()
	fmt.Fprintf(s.o.Out, "three workers and a gateway are up at %s; a request every %v, each answer takes %v\n",
		url, s.o.Every, s.o.Delay)
	term, err := s.down(ctx, load)
	stopLoad()
	<-over
	if err != nil {
		return nil, err
	}
	return s.result(load, term)
}

// start runs lastout. Its environment is ours without LASTOUT_*, which would set its flags.
func (s *show) start() error {
	s.cmd = exec.Command(s.o.Program, "run", "-c", s.file, "--report", filepath.Join(s.dir, "report.json"))
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "LASTOUT_") {
			s.cmd.Env = append(s.cmd.Env, entry)
		}
	}
	// Ctrl-C is for the demonstration, which then tells lastout; so does the kernel, should the demonstration be killed.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	s.cmd.Stdout, s.cmd.Stderr = w, w
	err = s.cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return fmt.Errorf("cannot start lastout: %w", err)
	}
	s.url, s.exited = make(chan string, 1), make(chan error, 1)
	read := make(chan struct{})
	go func() { defer close(read); s.read(r) }()
	go func() {
		err := s.cmd.Wait()
		<-read
		s.exited <- err
	}()
	return nil
}

// read passes on what lastout and its children write, and finds the gateway's address in it.
func (s *show) read(r io.ReadCloser) {
	defer r.Close()
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		s.log.WriteString(line)
		if s.o.Verbose != nil {
			io.WriteString(s.o.Verbose, line)
		}
		if _, url, ok := strings.Cut(line, "listening on http://"); ok {
			select {
			case s.url <- "http://" + strings.TrimSpace(url) + "/":
			default:
			}
		}
		if err != nil {
			return
		}
	}
}

// up waits for the gateway, which starts last.
func (s *show) up(ctx context.Context) (string, error) {
	select {
	case url := <-s.url:
		return url, nil
	case err := <-s.exited:
		s.exited <- err
		return "", fmt.Errorf("lastout ended before its gateway was up: %v", err)
	case <-time.After(upBound):
		return "", fmt.Errorf("the gateway was not up within %v", upBound)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// down lets the load run for its time, sends SIGTERM and waits for lastout's end. It returns when the signal was sent,
// since the load began.
func (s *show) down(ctx context.Context, l *load) (time.Duration, error) {
	select {
	case <-time.After(s.o.Load):
	case err := <-s.exited:
		s.exited <- err
		return 0, fmt.Errorf("lastout ended under load: %v", err)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	fmt.Fprintf(s.o.Out, "SIGTERM, with %d requests in hand; the load goes on\n\n", l.open.Load())
	term := time.Since(l.begin)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, fmt.Errorf("cannot signal lastout: %w", err)
	}
	select {
	case err := <-s.exited:
		s.exited <- nil
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return 0, err
		}
		return term, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// result puts the books together.
func (s *show) result(l *load, term time.Duration) (*Result, error) {
	f, err := os.Open(filepath.Join(s.dir, "record"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	records, err := readRecords(f)
	if err != nil {
		return nil, err
	}
	report, err := os.ReadFile(filepath.Join(s.dir, "report.json"))
	if err != nil {
		return nil, err
	}
	return &Result{
		Ledger: newLedger(l.requests, records, term), Report: report, Code: s.cmd.ProcessState.ExitCode(),
	}, nil
}

// clear leaves nobody behind, however the demonstration ended: lastout takes its tree down when told.
func (s *show) clear() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(upBound):
		s.cmd.Process.Kill()
		<-s.exited
	}
}
