package acceptance

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// needs skips a test where a program is missing; on CI, which installs it, that is a failure.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		unable(t, p+" is not installed")
	}
}

// soak says that what is repeated is repeated as often as it is promised, however long that takes.
func soak() bool { return os.Getenv("LASTOUT_SOAK") == "1" }

// town is a gateway and its workers as they are, and how a hand would take them down: groups that are told one after
// the other. $DIR is a folder of its own; $ADDR is where the clients come, $BESIDE where they go when there are two
// gateways, and $BEHIND ($HOST, $PORT), and $BEHIND2 at the next port, where the gateways go.
type town struct {
	files []string // of testdata
	conf  string
	ready int      // how many instances there are
	first []worker // those who do the work
	last  []worker // the gateways
	user  *syscall.Credential
}

// worker is somebody whom a hand tells, by his own signal.
type worker struct {
	name string
	sig  syscall.Signal
}

// site is a town that runs, with its clients.
type site struct {
	*tree
	clients *traffic
	way     way
	town    town
	dir     string
	beside  string // the address of the other gateway
	code    int
	stopped chan struct{} // the stop has begun

	books struct {
		sync.Mutex
		started, finished map[string]int
		fresh             chan struct{}
		closed            chan struct{}
		close             func() // when nobody writes any more
	}
}

// open starts a town, to be taken down in some way.
func (o town) open(t *testing.T, w way) *site {
	t.Helper()
	s := &site{way: w, town: o, stopped: make(chan struct{})}
	dir, where, conf := o.settle(t)
	s.dir, s.beside = dir, where[1]
	s.keepBooks(t)
	args := []string{"--report", filepath.Join(s.dir, "report.json")}
	if w != byLastout {
		args = append(args, "--by-hand")
	}
	s.tree = launchAs(t, o.user, conf, args...)
	over, cancel := context.WithCancel(context.Background())
	go func() { <-s.exited; cancel() }()
	s.clients = newTraffic(t, "r", where[0], over)
	s.untilReady(o.ready)
	return s
}

// settle gives a town its folder and its addresses.
func (o town) settle(t *testing.T) (dir string, where []string, conf string) {
	t.Helper()
	dir = t.TempDir()
	open(t, dir)
	where, fill := o.places(t, dir)
	for _, name := range o.files {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(fill(string(text))), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir, where, fill(o.conf)
}

// open lets everybody into a temporary folder: programs give their workers to other users.
func open(t testing.TB, dir string) {
	t.Helper()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
}

// places finds addresses for a town. Each is one of the loopback network that nobody else has, so that no port of it is
// taken, nor given to a client that connects.
func (o town) places(t *testing.T, dir string) (where []string, fill func(string) string) {
	words := []string{"$DIR", dir}
	for _, name := range []string{"$ADDR", "$BESIDE", "$BEHIND"} {
		host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if name == "$BEHIND" {
			words = append(words, "$BEHIND2", fmt.Sprintf("%s:%d", host, port+1), "$HOST", host, "$PORT", fmt.Sprint(port))
		}
		at := fmt.Sprintf("%s:%d", host, port)
		where, words = append(where, at), append(words, name, at)
	}
	return where, strings.NewReplacer(words...).Replace
}

// keepBooks reads what the workers write down of their requests, through a pipe, as it comes.
func (s *site) keepBooks(t *testing.T) {
	s.books.started, s.books.finished = map[string]int{}, map[string]int{}
	s.books.fresh, s.books.closed = make(chan struct{}), make(chan struct{})
	path := filepath.Join(s.dir, "ledger")
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil { // whatever the umask says
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	go func() {
		defer close(s.books.closed)
		for lines := bufio.NewScanner(f); lines.Scan(); {
			event, id, _ := strings.Cut(lines.Text(), " ")
			s.books.Lock()
			switch event {
			case "started":
				s.books.started[id]++
			case "finished":
				s.books.finished[id]++
			}
			close(s.books.fresh)
			s.books.fresh = make(chan struct{})
			s.books.Unlock()
			if event == "closed" {
				return
			}
		}
	}()
	s.books.close = func() {
		if _, err := f.WriteString("closed\n"); err != nil {
			t.Error(err)
		}
		<-s.books.closed
	}
}

// untilStarted waits until the workers have begun n requests.
func (s *site) untilStarted(n int) {
	s.t.Helper()
	late := time.After(hangs)
	for {
		s.books.Lock()
		ok, fresh := len(s.books.started) >= n, s.books.fresh
		s.books.Unlock()
		if ok {
			return
		}
		select {
		case <-fresh:
		case <-late:
			s.t.Fatalf("the workers have not begun %d requests", n)
		}
	}
}

// shutdown is what is read of the report of a shutdown.
type shutdown struct {
	Begin, End int64
	Took       time.Duration
	Notes      []string
	Instances  []departure
	Outcome    struct {
		Code   int
		Killed []string
		Lost   []string
	}
}

// departure is what the report says of one instance.
type departure struct {
	Name    string
	Quiesce *struct {
		At   int64
		Done *int64
		How  string
	}
	Cut []struct {
		At          int64
		Cause       string
		Connections []struct {
			Peer    string
			Port    int
			Age     time.Duration
			In, Out uint64
		}
	}
	Unanswered []struct {
		Peer string
		Port int
	}
	Exit   *struct{ Code, Signal int }
	Killed *struct{ Cause string }
	Left   *int64
	State  string
}

func (r *shutdown) of(t *testing.T, name string) *departure {
	t.Helper()
	for i := range r.Instances {
		if r.Instances[i].Name == name {
			return &r.Instances[i]
		}
	}
	t.Fatalf("the report does not know of %s", name)
	return nil
}

// report reads the report of a shutdown that is over.
func (s *site) report() *shutdown {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "report.json"))
	var r shutdown
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return &r
}
