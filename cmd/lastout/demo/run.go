package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lastout/cmd/lastout/load"
	"lastout/cmd/lastout/rehearse"
	"lastout/ordering"
	"lastout/supervisor/report"
)

// Options describe a demonstration.
type Options struct {
	Program string        // the lastout to run
	Load    time.Duration // how long the load lasts before the stop
	Every   time.Duration // a request is sent this often
	Delay   time.Duration // how long a worker works on an answer
	Out     io.Writer     // progress, for people
	Verbose io.Writer     // what lastout and its children write; nil: shown only when something goes wrong
}

// Result is what a demonstration showed. The names of its JSON are stable.
type Result struct {
	Ways     []*Shown         `json:"ways"`
	Shutdown *report.Shutdown `json:"shutdown"` // the one that lastout made
}

// Shown is one way of taking the tree down, and what became of the requests.
type Shown struct {
	Stop   rehearse.Way  `json:"stop"`
	Took   time.Duration `json:"took"` // in nanoseconds
	Code   int           `json:"code"` // lastout's exit code
	Ledger *Ledger       `json:"ledger"`
}

// Clean says that lastout itself lost nothing. What the others lost is for comparison.
func (r *Result) Clean() bool {
	last := r.Ways[len(r.Ways)-1]
	return last.Ledger.Clean() && last.Code == 0
}

// ways are those that are shown. The demonstration's programs leave at SIGTERM, so it is their own signal, too.
var ways = []rehearse.Way{rehearse.Naive, rehearse.WorkersFirst, rehearse.Lastout}

// workers is how many workers the demonstration has.
const workers = 3

// places is how many requests each worker works on at once. The default load is a little more than all of them can do, as
// in a busy hour, so that some wait at the workers' doors when the end comes.
const places = 9

// answerSize is the size of an answer: too much for one segment, so that a cut one can be told from a whole one.
const answerSize = 64 << 10

// upBound is how long the tree may take to come up before the demonstration gives up.
const upBound = 15 * time.Second

// configuration is the demonstration's tree. The gateway depends on its workers and leaves after them all the same.
const configuration = `name = "demo"

[process.worker]
command = ["lastout", "demo", "worker", "--listen", "unix:DIR/worker.{instance}.sock", "--delay", "DELAY",
           "--size", "SIZE", "--at-once", "PLACES", "--record", "DIR/record"]
instances = 3
ready = { notify = true }
stop = { timeout = "5s" }

[process.gateway]
role = "gateway"
command = ["lastout", "demo", "gateway", "--listen", "ADDRESS", "--control", "unix:DIR/gateway.sock",
           "--to", "unix:DIR/worker.1.sock,unix:DIR/worker.2.sock,unix:DIR/worker.3.sock"]
depends_on = ["worker"]
ready = { notify = true }
stop = { timeout = "5s" }
hooks.pre_drain = { command = ["lastout", "demo", "drain", "--control", "unix:DIR/gateway.sock"], timeout = "10s" }
`

// Run takes the same tree down under the same load in each of the ways, and keeps a ledger of every request.
func Run(ctx context.Context, o Options) (*Result, error) {
	dir, err := os.MkdirTemp("", "lastout-demo-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintf(o.Out, "a gateway and %d workers; a request every %v, each answer takes %v; a worker works on %d at once\n",
		workers, o.Every, o.Delay, places)
	r := &Result{}
	for _, way := range ways {
		own := filepath.Join(dir, string(way))
		if err := os.Mkdir(own, 0o755); err != nil {
			return nil, err
		}
		shown, shutdown, err := show(ctx, o, way, own)
		if err != nil {
			return nil, err
		}
		r.Ways, r.Shutdown = append(r.Ways, shown), shutdown
	}
	return r, nil
}

// show takes the tree down in one way.
func show(ctx context.Context, o Options, way rehearse.Way, dir string) (*Shown, *report.Shutdown, error) {
	address, release, err := Reserve()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot reserve a port: %w", err)
	}
	defer release()
	file := filepath.Join(dir, "lastout.toml")
	text := strings.NewReplacer("DIR", dir, "DELAY", o.Delay.String(), "SIZE", fmt.Sprint(answerSize), "ADDRESS", address,
		"PLACES", fmt.Sprint(places))
	if err := os.WriteFile(file, []byte(text.Replace(configuration)), 0o644); err != nil {
		return nil, nil, err
	}
	plan := rehearse.Plan{Tree: tree(o, file), Way: way, Up: upBound, After: o.Load, Load: load.Options{
		Rate: float64(time.Second) / float64(o.Every), Connections: 1 << 10, Keep: 0.5, Check: whole,
	}}
	if err := plan.Load.Aim("http://" + address); err != nil {
		return nil, nil, err
	}
	plan.Told = func(inHand int) {
		fmt.Fprintf(o.Out, "%s: told to leave with %d requests in hand; the load goes on\n", way.Says(), inHand)
	}
	c, err := rehearse.Play(ctx, plan, dir)
	if err != nil {
		return nil, nil, err
	}
	records, err := recordsOf(filepath.Join(dir, "record"))
	if err != nil {
		return nil, nil, err
	}
	return &Shown{Stop: way, Took: c.Took, Code: c.Code, Ledger: newLedger(c.Requests, c.Tally, records)}, c.Shutdown, nil
}

// tree is how the demonstration's tree is started. The environment is ours without LASTOUT_*, which would set flags.
func tree(o Options, file string) rehearse.Tree {
	t := rehearse.Tree{Program: o.Program, Args: []string{"-c", file}, Output: o.Verbose}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "LASTOUT_") {
			t.Env = append(t.Env, entry)
		}
	}
	for n := range workers {
		t.Instances = append(t.Instances, rehearse.Instance{
			Name: fmt.Sprintf("worker.%d", n+1), Role: ordering.Worker, Signal: syscall.SIGTERM,
		})
	}
	t.Instances = append(t.Instances, rehearse.Instance{Name: "gateway", Role: ordering.Gateway, Signal: syscall.SIGTERM})
	return t
}

// whole is content with nothing but the whole answer to this very request.
func whole(id string, resp *http.Response, n int64) error {
	switch {
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("answered %s", resp.Status)
	case n != answerSize:
		return fmt.Errorf("answer has %d bytes of %d", n, answerSize)
	case resp.Header.Get(load.RequestID) != id:
		return fmt.Errorf("got the answer to %q", resp.Header.Get(load.RequestID))
	}
	return nil
}

// Reserve finds a free port and holds it: by a socket that is bound and never listens. The gateway binds to it all the
// same, for both have SO_REUSEPORT (socket(7)), and nobody else of another user can.
func Reserve() (address string, release func(), err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	release = func() { unix.Close(fd) }
	defer func() {
		if err != nil {
			release()
		}
	}()
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return "", nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", nil, err
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return "", nil, err
	}
	return net.JoinHostPort("127.0.0.1", fmt.Sprint(sa.(*unix.SockaddrInet4).Port)), release, nil
}

// recordsOf reads the workers' own books.
func recordsOf(file string) (map[string]record, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readRecords(f)
}
