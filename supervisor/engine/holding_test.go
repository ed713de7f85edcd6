package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastout/ordering"
	"lastout/process/held"
	"lastout/process/quiesce"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// heldHelper serves HTTP at the listeners that it was handed, and leaves when it has answered, at TERM. With the option
// "asks" it begins to serve when the pipe $DIR/serve gives a line. /crash ends it at once.
func heldHelper(options []string) int {
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return fail(fmt.Errorf("LISTEN_FDS=%q LISTEN_PID=%q in %d", os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_PID"), os.Getpid()))
	}
	told := make(chan os.Signal, 4)
	signal.Notify(told, syscall.SIGTERM)
	if slices.Contains(options, "asks") {
		waitFor(os.Getenv("DIR") + "/serve")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", serveGateway)
	mux.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	server := &http.Server{Handler: mux}
	for fd := 3; fd < 3+n; fd++ {
		var open unix.Stat_t
		if err := unix.Fstat(fd, &open); err != nil {
			return fail(fmt.Errorf("descriptor %d: %w", fd, err))
		}
		if l, err := net.FileListener(os.NewFile(uintptr(fd), "listener")); err == nil { // a datagram socket is none
			go server.Serve(l)
		}
	}
	fmt.Printf("serves %d: %s\n", n, os.Getenv("LISTEN_FDNAMES"))
	<-told
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fail(err)
	}
	return 0
}

// holds gives the tree a held socket at a port of the kernel's choice, and at more addresses.
func (r *rig) holds(name string, more ...held.Address) int {
	free := held.Address{Network: held.TCP, IP: netip.MustParseAddrPort("127.0.0.1:0")}
	r.config.Sockets = append(r.config.Sockets, config.Socket{
		Name: name, Listen: append([]held.Address{free}, more...),
		Options: held.Options{Backlog: 128, Mode: 0o600, UID: -1, GID: -1},
	})
	return len(r.config.Sockets) - 1
}

// heldGateway adds a gateway that is handed sockets.
func (r *rig) heldGateway(sockets []int, options ...string) entry {
	e := r.gateway(supervisor.UntilQuiet)
	e.Process.Instances[0].Command = r.helper("held", options...)
	e.Process.Sockets, e.Process.Dialect = sockets, config.ListenFDs
	return e
}

// heldAt is where a socket is held.
func (r *rig) heldAt(n int) string { return r.host.holdings[n].Address.IP.String() }

// Who is handed sockets finds them in the order in which they are written, by his own pid and by name; and nothing else
// is open in him.
func TestHanded(t *testing.T) {
	r := newRig(t)
	udp := held.Address{Network: held.UDP, IP: netip.MustParseAddrPort("127.0.0.1:0")}
	web, other := r.holds("web"), r.holds("other", udp)
	e := r.add("app", ordering.Worker, `echo "$LISTEN_FDS $LISTEN_FDNAMES $((LISTEN_PID - $$)) $(ls /proc/$$/fd | tr '\n' ' ')"; cat`)
	e.Process.Sockets, e.Process.Dialect = []int{other, web}, config.ListenFDs
	nginx := r.add("nginx", ordering.Worker, `echo "${LISTEN_FDS:-none} $NGINX"; cat`)
	nginx.Process.Sockets, nginx.Process.Dialect = []int{web}, config.NginxFDs
	fpm := r.add("fpm", ordering.Worker, `echo "${LISTEN_FDS:-none} $FPM_SOCKETS"; cat`)
	fpm.Process.Sockets, fpm.Process.Dialect = []int{web, other}, config.FPMFDs
	plain := r.add("plain", ordering.Worker, `echo "${LISTEN_FDS:-none} $(ls /proc/$$/fd | tr '\n' ' ')"; cat`)
	plain.Process.Instances[0].Hooks = map[supervisor.HookKind]config.Command{
		supervisor.PreStart: r.shell(`echo "${LISTEN_FDS:-none}" >hook`),
	}
	plain.Spec.Hooks[supervisor.PreStart] = patient
	r.start()
	r.out.await("app | 3 other:other:web 0 0 1 2 3 4 5")
	r.out.await("nginx | none 3;")
	r.out.await(fmt.Sprintf("fpm | none %s=3,%s=4,%s=5", r.heldAt(0), r.heldAt(1), r.heldAt(2)))
	r.out.await("plain | none 0 1 2")
	r.stop()
}

// Clients that come while nobody runs wait, and the next run answers them.
func TestHeldOverRestart(t *testing.T) {
	bothWays(t, func(t *testing.T, r *rig) {
		serve := r.fifo("serve")
		e := r.heldGateway([]int{r.holds("web")}, "asks")
		e.Spec.Restart = supervisor.RestartAlways
		r.start()
		r.out.await("edge | waits")
		early := r.dial(r.heldAt(0))
		early.ask("/")
		serve.release()
		early.answered()
		for n := 2; n < 5; n++ {
			crash := r.dial(r.heldAt(0))
			crash.ask("/crash")
			if _, err := crash.r.ReadByte(); err == nil {
				t.Error("it did not crash")
			}
			r.run(n)
			queued := r.dial(r.heldAt(0))
			queued.ask("/")
			serve.release()
			queued.answered()
		}
		r.stop()
	})
}

// run waits for the nth run of the gateway.
func (r *rig) run(n int) {
	r.t.Helper()
	found := map[supervisor.Run]bool{}
	r.await(fmt.Sprintf("run %d", n), func(rep supervisor.Report) bool {
		if rep.Kind == supervisor.KindState && rep.Instance == "edge" && rep.PID != 0 {
			found[rep.Run] = true
		}
		return len(found) >= n
	})
}

// A held listener is turned away from on lastout's own descriptor, in each way, and closed when its gateway is gone.
func TestHeldDrain(t *testing.T) {
	for _, way := range []string{"filter", "sentinel", "minttl"} {
		t.Run(way, func(t *testing.T) {
			if parsed, _ := quiesce.ParseWay(way); quiesce.Probe().Way(parsed) != nil {
				skip(t, fmt.Sprintf("not here: %v", quiesce.Probe().Way(parsed)))
			}
			r := newRig(t)
			hold := r.fifo("hold")
			e := r.heldGateway([]int{r.holds("web")})
			e.Process.Instances[0].Drain.Quiesce = way
			r.start()
			r.out.await("edge | serves 1: web")
			address := r.heldAt(0)
			slow, kept := r.dial(address), r.dial(address)
			kept.ask("/")
			kept.answered()
			slow.ask("/hold")
			r.out.await("holds a request")
			r.host.Stop("test")
			if cause := r.quiesced().Cause; cause != way+" on 1 listener" {
				t.Errorf("turned away by %q", cause)
			}
			r.turnedAway(address)
			kept.ask("/")
			kept.answered()
			hold.release()
			slow.answered()
			if out := r.wait(); out.Code != 0 {
				t.Errorf("outcome %+v", out)
			}
			r.close()
			if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("somebody listens still: %v", err)
			}
		})
	}
}

// A file that is moved aside turns clients of a unix socket away; whoever is in or queued is served, and the file is
// removed at the end.
func TestHeldUnixDrain(t *testing.T) {
	r := newRig(t)
	dir, err := os.MkdirTemp("", "held")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := dir + "/web.sock"
	hold := r.fifo("hold")
	r.heldGateway([]int{r.holds("web", held.Address{Network: held.Unix, Path: path})})
	r.start()
	r.out.await("edge | serves 2: web:web")
	tcp := r.dial(r.heldAt(0)) // holds the drain
	tcp.ask("/hold")
	r.out.await("holds a request")
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r.host.Stop("test")
	if cause := r.quiesced().Cause; !strings.HasSuffix(cause, "moving its file aside on 1 unix socket") {
		t.Errorf("turned away by %q", cause)
	}
	if _, err := net.Dial("unix", path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a new client gets in: %v", err)
	}
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(patient)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Errorf("who was in is not served: %v", err)
	}
	hold.release()
	tcp.answered()
	r.wait()
	r.close()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// Two instances share a socket. One that is drained by itself leaves it to the other; when both are on their way out it
// is shut, and the next run finds it open again.
func TestHeldShared(t *testing.T) {
	r := newRig(t)
	e := r.heldGateway([]int{r.holds("web")})
	e.Spec.Instances, e.Spec.Restart = 2, supervisor.RestartAlways
	second := e.Process.Instances[0]
	second.N, second.Name = 2, "edge.2"
	e.Process.Instances[0].Name = "edge.1"
	e.Process.Instances = append(e.Process.Instances, second)
	r.start()
	for _, n := range []string{"edge.1 | serves", "edge.2 | serves"} {
		r.out.await(n)
	}
	x := r.host.holdings[0]
	r.drainNow(1)
	if x.shut.Load() {
		t.Error("it is shut, and edge.2 serves")
	}
	r.drainNow(2)
	r.quiescedRun(x)
	r.turnedAway(r.heldAt(0))
	r.host.onLoop(func() {
		for _, c := range r.host.children {
			r.host.kill(c)
		}
	})
	c := r.dial(r.heldAt(0)) // its SYN comes again until it is let in
	c.ask("/")
	c.answered()
	r.stop()
}

// drainNow has new connections turned away from an instance, as a drain by itself does.
func (r *rig) drainNow(n int) {
	r.t.Helper()
	done := make(chan bool)
	r.host.onLoop(func() {
		for run, c := range r.host.runs {
			if l, ok := c.part.(*life); ok && l.inst.N == n {
				r.host.quiesce(supervisor.Quiesce{Inst: l.inst, Run: run})
			}
		}
		close(done)
	})
	<-done
}

// quiescedRun waits until a socket is shut.
func (r *rig) quiescedRun(x *holding) {
	r.t.Helper()
	deadline := time.NewTimer(patient)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for x.door.Way() == quiesce.None {
		select {
		case <-tick.C:
		case <-deadline.C:
			r.t.Fatal("it is not shut")
		}
	}
}

// Where one socket cannot be had nothing is started, and none is left open.
func TestHeldRefused(t *testing.T) {
	r := newRig(t)
	r.config.File = "/etc/lastout.toml"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	web := r.holds("web", held.Address{Network: held.TCP, IP: netip.MustParseAddrPort(l.Addr().String())})
	r.config.Sockets[web].Line = 7
	r.heldGateway([]int{web})
	if r.config.Graph, err = ordering.New(r.nodes); err != nil {
		t.Fatal(err)
	}
	o := r.options
	o.Config, o.Spawner, o.Say = &r.config, r.spawner, r.say
	before := descriptors(t)
	_, err = NewHost(o)
	want := fmt.Sprintf(`socket "web" (/etc/lastout.toml:7): cannot listen at %s: address already in use: somebody else listens there`,
		l.Addr())
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if n := descriptors(t); n > before {
		t.Errorf("%d descriptors, and %d before", n, before)
	}
}

// A socket whose users are not enabled is not opened.
func TestHeldUnused(t *testing.T) {
	r := newRig(t)
	r.holds("unused")
	r.add("app", ordering.Worker, "cat")
	r.start()
	if len(r.host.holdings) != 0 {
		t.Errorf("held: %v", r.host.Held())
	}
	r.stop()
}

func TestMatchGiven(t *testing.T) {
	at := func(s string) held.Address {
		a, err := held.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	sockets := []config.Socket{
		{Name: "web", Listen: []held.Address{at("127.0.0.1:80"), at("[::1]:80")}},
		{Name: "dns", Listen: []held.Address{at("udp:127.0.0.1:53")}},
		{Name: "admin", Listen: []held.Address{at("127.0.0.1:81")}},
	}
	given := []*held.Given{
		{Name: "web", Address: at("0.0.0.0:8080")},
		{Name: "x.socket", Address: at("[::1]:80")},
		{Name: "dns", Address: at("127.0.0.1:53")},
		{Name: "web", Address: at("0.0.0.0:8081")},
		{Address: at("127.0.0.1:81")},
	}
	got := matchGiven(sockets, given)
	want := map[wanted]*held.Given{
		{0, at("127.0.0.1:80")}: given[0], // by its name
		{0, at("[::1]:80")}:     given[1], // by its address
		{2, at("127.0.0.1:81")}: given[4],
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for w, g := range want {
		if got[w] != g {
			t.Errorf("%v: got %v, want %v", w, got[w], g)
		}
	}
}
