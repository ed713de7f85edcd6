package engine

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastout/ordering"
	"lastout/supervisor"
)

// invited gives a gateway that is asked to finish by QUIT.
func (r *rig) invited(options ...string) entry {
	e := r.gateway(supervisor.UntilExit, options...)
	e.Spec.Drain.Invite = supervisor.Invite{Signal: syscall.SIGQUIT}
	return e
}

// Who drains by itself is invited, finishes what it has in hand, and is waited for.
func TestDrainUntilExit(t *testing.T) {
	r := newRig(t)
	r.invited()
	hold := r.fifo("hold")
	r.start()
	c := r.dial(r.address("listens"))
	c.ask("/hold")
	r.out.await("holds a request")
	r.host.Stop("test")
	r.out.await("finishes")
	released := r.now()
	hold.release()
	c.answered()
	if out := r.wait(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	// It may be seen that its last connection has gone before it has.
	if r.has(supervisor.KindCut, "edge") || r.has(supervisor.KindUnanswered, "edge") {
		t.Error("it answered all, and is said to have cut somebody off")
	}
	drained := r.first1("edge", supervisor.Drained)
	if drained.At < released || drained.Cause != "exited" && drained.Cause != "nothing but preconnects" {
		t.Errorf("drained at %v by %q, its request was held until %v", drained.At, drained.Cause, released)
	}
}

// A program may be asked to finish by a command, which is told what it is for.
func TestDrainCommand(t *testing.T) {
	r := newRig(t)
	e := r.gateway(supervisor.UntilExit)
	e.Spec.Drain.Invite = supervisor.Invite{Command: patient}
	command := r.shell("echo for $LASTOUT_HOOK; kill -QUIT $LASTOUT_PID")
	e.Process.Instances[0].Drain.Command = &command
	r.start()
	r.address("listens")
	if out := r.stop(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	r.out.await("edge drain | for drain")
	r.out.await("edge | finishes")
}

// Who stays though he has nothing left is not waited for.
func TestDrainUntilExitOfOneWhoStays(t *testing.T) {
	r := newRig(t)
	r.invited("stays")
	r.start()
	c := r.dial(r.address("listens"))
	c.ask("/")
	c.answered()
	c.Close()
	r.stop()
	if cause := r.state("edge", supervisor.Drained).Cause; cause != "nothing but preconnects" {
		t.Errorf("drained by %q", cause)
	}
}

// A connection that never carried a byte does not hold back who drains by itself, also where it cannot be ended; one that
// has been served and stays open does.
func TestPreconnectDoesNotHold(t *testing.T) {
	r := newRig(t)
	r.invited("stays", "rude").Process.Instances[0].Drain.KeepPreconnects = true
	r.start()
	address := r.address("listens")
	kept := r.dial(address)
	kept.ask("/")
	kept.answered()
	silent := r.dial(address)
	r.host.Stop("test")
	r.out.await("heard QUIT")
	kept.ask("/")
	kept.answered()
	closed := r.now()
	kept.Close()
	if out := r.wait(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	drained := r.first1("edge", supervisor.Drained)
	if drained.Cause != "nothing but preconnects" || drained.At < closed {
		t.Errorf("drained at %v by %q, the connection was closed at %v", drained.At, drained.Cause, closed)
	}
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("somebody spoke to the silent one")
	}
}

// Those that never carried a byte are ended before the invitation, and it is said.
func TestPreconnectsAreEnded(t *testing.T) {
	r := newRig(t)
	r.invited("stays").Process.Instances[0].Drain.Quiet = time.Millisecond
	hold := r.fifo("hold")
	r.start()
	address := r.address("listens")
	busy, silent := r.dial(address), r.dial(address)
	busy.ask("/hold")
	r.out.await("holds a request")
	r.host.Stop("test")
	if n, err := silent.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
	r.await("the word", func(rep supervisor.Report) bool {
		return rep.Kind == supervisor.KindNote && strings.Contains(rep.Cause, silent.LocalAddr().String())
	})
	hold.release()
	busy.answered()
	busy.Close()
	r.wait()
}

func TestDrainUntilConnections(t *testing.T) {
	r := newRig(t)
	r.gateway(supervisor.UntilConnections)
	r.start()
	address := r.address("listens")
	kept := r.dial(address)
	r.dial(address) // silent
	kept.ask("/")
	kept.answered()
	r.host.Stop("test")
	r.quiesced()
	kept.ask("/")
	kept.answered()
	closed := r.now()
	kept.Close()
	r.wait()
	if drained := r.first1("edge", supervisor.Drained); drained.Cause != "no connection left" || drained.At < closed {
		t.Errorf("drained at %v by %q, the connection was closed at %v", drained.At, drained.Cause, closed)
	}
}

func TestDrainUntilProbe(t *testing.T) {
	r := newRig(t)
	e := r.gateway(supervisor.UntilProbe)
	probe := r.shell("echo >$DIR/asked; read x <$DIR/hold && test $x = go")
	e.Process.Instances[0].Drain.Probe = &probe
	hold, asked := r.fifo("hold"), r.fifo("asked")
	r.start()
	r.address("listens")
	r.host.Stop("test")
	asked.wait()
	if _, err := hold.WriteString("no\n"); err != nil {
		t.Fatal(err)
	}
	asked.wait()
	if r.has(supervisor.KindSignal, "edge") {
		t.Error("it was told to stop before its probe said yes")
	}
	hold.release()
	r.wait()
	if cause := r.state("edge", supervisor.Drained).Cause; cause != "probe" {
		t.Errorf("drained by %q", cause)
	}
}

// A drain ends by its bound, and a probe that hangs with it.
func TestDrainOutOfTime(t *testing.T) {
	for _, until := range []supervisor.Until{
		supervisor.UntilQuiet, supervisor.UntilExit, supervisor.UntilConnections, supervisor.UntilProbe,
	} {
		r := newRig(t)
		e := r.gateway(until, "rude")
		e.Spec.Drain.Timeout = 300 * time.Millisecond
		probe := r.shell("exec sleep 1000")
		e.Process.Instances[0].Drain.Probe = &probe
		r.fifo("hold")
		r.start()
		c := r.dial(r.address("listens"))
		c.ask("/hold")
		r.out.await("holds a request")
		if out := r.stop(); out.Code != 0 || len(out.Survived) > 0 {
			t.Errorf("until %d: outcome %+v", until, out)
		}
		took := r.first1("edge", supervisor.Drained).At - r.first1("edge", supervisor.Draining).At
		if took < 300*time.Millisecond || took > 3*time.Second {
			t.Errorf("until %d: the drain took %v", until, took)
		}
		r.close()
	}
}

// A gateway that dies during its drain is drained, whatever was waited for.
func TestGatewayDiesDuringItsDrain(t *testing.T) {
	for _, until := range []supervisor.Until{supervisor.UntilQuiet, supervisor.UntilConnections} {
		r := newRig(t)
		r.gateway(until)
		r.fifo("hold")
		r.start()
		c := r.dial(r.address("listens"))
		c.ask("/hold")
		r.out.await("holds a request")
		r.host.Stop("test")
		r.quiesced()
		pid := r.first(supervisor.KindQuiesce, "edge").PID
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if out := r.wait(); out.Code != 0 {
			t.Errorf("outcome %+v", out)
		}
		// Its connections are gone a moment before it is.
		cause := r.state("edge", supervisor.Drained).Cause
		if cause != "exited" && (cause != "no connection left" || until != supervisor.UntilConnections) {
			t.Errorf("drained by %q", cause)
		}
		r.close()
	}
}

// Who is cut off when a gateway is out of time is named, with what is known of it; who was answered is not.
func TestCutConnectionsAreNamed(t *testing.T) {
	r := newRig(t)
	e := r.gateway(supervisor.UntilQuiet, "rude")
	e.Spec.Drain.Timeout = 300 * time.Millisecond
	r.fifo("hold")
	r.start()
	address := r.address("listens")
	held, served, silent := r.dial(address), r.dial(address), r.dial(address)
	served.ask("/")
	served.answered()
	held.ask("/hold")
	r.out.await("holds a request")
	r.stop()
	cut := r.first(supervisor.KindCut, "edge")
	if len(cut.Connections) != 1 || cut.Connections[0].Peer != held.LocalAddr().String() {
		t.Fatalf("cut off: %+v; held %v, served %v, silent %v", cut.Connections, held.LocalAddr(), served.LocalAddr(),
			silent.LocalAddr())
	}
	c := cut.Connections[0]
	_, port, _ := net.SplitHostPort(address)
	if strconv.Itoa(c.Port) != port || c.In == 0 || c.Out != 0 || c.Last < 300*time.Millisecond || c.Age < c.Last {
		t.Errorf("connection %+v", c)
	}
	if cut.State != supervisor.Stopping || cut.Step != 1 {
		t.Errorf("cut off in state %s, step %d", cut.State, cut.Step)
	}
}

// Who is not answered when the time of a drain is up is named before the workers have left.
func TestUnansweredAreNamed(t *testing.T) {
	r := newRig(t)
	leaves, hold := r.fifo("leaves"), r.fifo("hold")
	r.add("app", ordering.Worker, "").Process.Instances[0].Command = r.shell(`trap "" TERM; read line < $DIR/leaves`)
	e := r.gateway(supervisor.UntilQuiet)
	r.nodes[1].DependsOn = []string{"app"}
	e.Spec.Drain.Quiesce, e.Spec.Drain.Timeout = false, 200*time.Millisecond // all of it is for the watch
	r.start()
	c := r.dial(r.address("listens"))
	c.ask("/hold")
	r.out.await("holds a request")
	r.host.Stop("test")
	late := r.await("the word", func(rep supervisor.Report) bool { return rep.Kind == supervisor.KindUnanswered })
	if len(late.Connections) != 1 || late.Connections[0].Peer != c.LocalAddr().String() || late.Instance != "edge" {
		t.Errorf("unanswered: %+v", late)
	}
	hold.release()
	c.answered()
	leaves.release()
	r.wait()
	if r.has(supervisor.KindCut, "edge") {
		t.Error("it was answered after all, and is said to have been cut off")
	}
}

// Where the time of a drain is up before new connections are turned away, who is not answered is named all the same: who
// is still queued, too.
func TestUnansweredAreNamedBeforeTheWatch(t *testing.T) {
	r := newRig(t)
	leaves, hold := r.fifo("leaves"), r.fifo("hold")
	r.add("app", ordering.Worker, "").Process.Instances[0].Command = r.shell(`trap "" TERM; read line < $DIR/leaves`)
	e := r.gateway(supervisor.UntilQuiet)
	r.nodes[1].DependsOn = []string{"app"}
	e.Spec.Drain.Timeout = 300 * time.Millisecond // less than a queue is waited for
	r.start()
	address := r.address("listens")
	c := r.dial(address)
	c.ask("/hold")
	r.out.await("holds a request")
	pid := r.pids()["edge"]
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil { // it accepts nobody any more
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil); err != nil { // all of its threads
		t.Fatal(err)
	}
	queued := r.dial(address)
	queued.ask("/")
	r.host.Stop("test")
	late := r.await("the word", func(rep supervisor.Report) bool { return rep.Kind == supervisor.KindUnanswered })
	var named []string
	for _, x := range late.Connections {
		named = append(named, x.Peer)
	}
	if len(named) != 2 || !slices.Contains(named, c.LocalAddr().String()) || !slices.Contains(named, queued.LocalAddr().String()) {
		t.Errorf("unanswered: %+v", late)
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	hold.release()
	c.answered()
	queued.answered()
	leaves.release()
	r.wait()
	if r.has(supervisor.KindCut, "edge") {
		t.Error("they were answered after all, and are said to have been cut off")
	}
}

// A gateway that is killed is named for those it had in hand, and one that left by itself for none.
func TestCutByKill(t *testing.T) {
	r := newRig(t)
	e := r.gateway(supervisor.UntilQuiet)
	e.Spec.Drain.Timeout, e.Spec.Stop[0].Timeout = 200*time.Millisecond, 200*time.Millisecond
	r.fifo("hold")
	r.start()
	c := r.dial(r.address("listens"))
	c.ask("/hold")
	r.out.await("holds a request")
	r.stop()
	if cut := r.first(supervisor.KindCut, "edge"); len(cut.Connections) != 1 || cut.State != supervisor.Killing {
		t.Errorf("cut off %+v in state %s", cut.Connections, cut.State)
	}
}

// Where a program is its own client the door stays open, or is opened again when that is seen: what comes in late on a
// connection that is in hand is answered.
func TestInnerListenerStaysOpen(t *testing.T) {
	r := newRig(t)
	r.elsewhere()
	r.gateway(supervisor.UntilConnections, "inner")
	r.start()
	address := r.address("listens")
	r.address("listens inside")
	kept := r.dial(address)
	kept.ask("/inner")
	kept.answered()
	r.host.Stop("test")
	r.quiesced()
	kept.ask("/inner")
	kept.answered()
	r.turnedAway(address)
	r.await("the word", func(rep supervisor.Report) bool {
		return rep.Kind == supervisor.KindNote && strings.Contains(rep.Cause, "its own processes connect there")
	})
	kept.Close()
	r.wait()
}

// A listener that appears during the drain is found and turned away from.
func TestLateListener(t *testing.T) {
	r := newRig(t)
	r.gateway(supervisor.UntilConnections)
	r.start()
	kept := r.dial(r.address("listens"))
	kept.ask("/")
	kept.answered()
	r.host.Stop("test")
	r.quiesced()
	kept.ask("/more")
	kept.answered()
	address := r.address("listens too")
	deadline := time.Now().Add(patient)
	for {
		conn, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("new connections get in at the late listener")
		}
	}
	kept.Close()
	r.wait()
}

// A gateway whose workers are gone is told to stop only when its answer has been taken.
func TestSettle(t *testing.T) {
	r := newRig(t)
	e := r.gateway(supervisor.UntilProbe, "rude")
	e.Spec.Drain.Settle = patient
	probe := r.shell("exit 0")
	e.Process.Instances[0].Drain.Probe = &probe
	r.start()
	c := r.dial(r.address("listens"))
	c.ask("/big/9000000")
	if _, err := c.r.Peek(1); err != nil {
		t.Fatal(err)
	}
	r.host.Stop("test")
	r.state("edge", supervisor.Settling)
	c.answered()
	r.wait()
}

// What does not work here is said once, by name, and hangs nobody.
func TestQuiesceRefused(t *testing.T) {
	r := newRig(t)
	r.gateway(supervisor.UntilQuiet, "unix")
	r.start()
	r.address("listens")
	r.out.await("edge | listens on a path")
	if out := r.stop(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	said := 0
	for _, rep := range r.reports {
		if rep.Kind == supervisor.KindNote && strings.Contains(rep.Cause, "cannot turn new connections away from unix") {
			said++
		}
	}
	if said != 1 || !strings.Contains(r.quiesced().Cause, "not possible here on unix") {
		t.Errorf("said %d times; %q", said, r.quiesced().Cause)
	}
}
