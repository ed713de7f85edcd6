package engine

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// gateway adds a gateway that serves HTTP, with a drain. Its options are those of the helper.
func (r *rig) gateway(until supervisor.Until, options ...string) entry {
	e := r.add("edge", ordering.Gateway, "")
	e.Process.Instances[0].Command = r.helper("gateway", options...)
	e.Process.Instances[0].Drain = config.Drain{Quiet: 100 * time.Millisecond}
	e.Spec.Drain = supervisor.Drain{Quiesce: true, Until: until, Timeout: patient, Settle: time.Second}
	return e
}

// address waits until the gateway listens, and says where. It may do so before the machine has heard that it runs.
func (r *rig) address(what string) string {
	r.t.Helper()
	r.out.await("edge | " + what + " at ")
	r.state("edge", supervisor.Running)
	for _, line := range r.out.lines("edge | " + what + " at ") {
		return line
	}
	r.t.Fatalf("no address in %s", r.out)
	return ""
}

// client is a connection that speaks HTTP by hand.
type client struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func (r *rig) dial(address string) client {
	r.t.Helper()
	conn, err := net.DialTimeout("tcp", address, patient)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patient)); err != nil {
		r.t.Fatal(err)
	}
	return client{conn, r.t, bufio.NewReader(conn)}
}

// small takes little at a time.
func (c client) small() {
	c.t.Helper()
	if err := c.Conn.(*net.TCPConn).SetReadBuffer(32 << 10); err != nil {
		c.t.Fatal(err)
	}
}

func (c client) ask(path string) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: edge\r\n\r\n", path); err != nil {
		c.t.Fatal(err)
	}
}

// answered reads an answer and checks that it is whole and good.
func (c client) answered() {
	c.t.Helper()
	answer, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		c.t.Fatalf("answer %s, %v", answer.Status, err)
	}
}

// turnedAway checks that nobody gets in at an address.
func (r *rig) turnedAway(address string) {
	r.t.Helper()
	if conn, err := net.DialTimeout("tcp", address, 300*time.Millisecond); err == nil {
		conn.Close()
		r.t.Errorf("a new connection to %s got in", address)
	}
}

// quiesced waits until new connections are turned away.
func (r *rig) quiesced() supervisor.Report {
	r.t.Helper()
	return r.await("quiesced", func(rep supervisor.Report) bool {
		return rep.Kind == supervisor.KindQuiesce && rep.Step == 1
	})
}

// descriptors are how many this process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// What is in hand is answered, late requests of who is in too, and nobody else gets in.
func TestDrainUntilQuiet(t *testing.T) {
	r := newRig(t)
	r.gateway(supervisor.UntilQuiet)
	hold := r.fifo("hold")
	r.start()
	address := r.address("listens")
	slow, kept := r.dial(address), r.dial(address)
	kept.ask("/")
	kept.answered()
	slow.ask("/hold")
	r.out.await("holds a request")
	r.host.Stop("test")
	r.quiesced()
	r.turnedAway(address)
	kept.ask("/")
	kept.answered()
	if r.has(supervisor.KindSignal, "edge") {
		t.Error("it was told to stop with a request in hand")
	}
	hold.release()
	slow.answered()
	answered := r.now()
	if out := r.wait(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	drained := r.first1("edge", supervisor.Drained)
	if drained.Cause != "quiet for 100ms" {
		t.Errorf("drained by %q", drained.Cause)
	}
	if wait := drained.At - answered; wait < 80*time.Millisecond || wait > 2*time.Second {
		t.Errorf("drained %v after the last answer", wait)
	}
}

// now is the time as the reports count it.
func (r *rig) now() supervisor.Instant {
	s, ok := r.host.Snapshot()
	if !ok {
		r.t.Fatal("the loop is over")
	}
	return s.At
}

// first1 is the report by which an instance came to a state; it must be there.
func (r *rig) first1(instance string, s supervisor.State) supervisor.Report {
	r.t.Helper()
	return r.find(instance+" "+string(s), func(rep supervisor.Report) bool {
		return rep.Kind == supervisor.KindState && rep.Instance == instance && rep.State == s
	})
}

// Where nobody is connected, or nobody has said anything for long, a drain waits for no quiet. How long it takes is for a
// benchmark to say.
func TestSilentTreeDrainsAtOnce(t *testing.T) {
	r := newRig(t)
	r.gateway(supervisor.UntilQuiet).Process.Instances[0].Drain.Quiet = 10 * time.Second
	r.start()
	r.address("listens")
	r.host.Stop("test")
	r.wait()
	took := r.first1("edge", supervisor.Drained).At - r.first1("edge", supervisor.Draining).At
	if took > 5*time.Second {
		t.Errorf("the drain of a silent tree took %v", took)
	}
}

func TestNothingStaysOpen(t *testing.T) {
	count := func() int {
		r := newRig(t)
		r.gateway(supervisor.UntilQuiet)
		r.start()
		address := r.address("listens")
		c := r.dial(address)
		c.ask("/")
		c.answered()
		c.Close()
		r.stop()
		r.close()
		return descriptors(t)
	}
	count() // what is opened once and kept
	first := count()
	for range 3 {
		if n := count(); n > first {
			t.Errorf("%d descriptors, and %d after the first", n, first)
		}
	}
}
