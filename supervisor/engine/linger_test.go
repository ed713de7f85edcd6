package engine

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"lastout/process/sockdiag"
	"lastout/supervisor"
)

// What the kernel owes a client who takes his time is waited for at the end, beyond the life of the gateway.
func TestLinger(t *testing.T) {
	r := newRig(t)
	r.config.Options.Linger = patient
	e := r.gateway(supervisor.UntilProbe, "rude")
	e.Spec.Drain.Settle = 0
	probe := r.shell("exit 0")
	e.Process.Instances[0].Drain.Probe = &probe
	r.start()
	c := r.dial(r.address("listens"))
	c.small()
	c.ask("/big/400000") // less than the kernel takes at once, and more than the client's buffer
	r.out.await("sent all")
	r.host.Stop("test")
	r.state("edge", supervisor.Stopped)
	c.answered()
	if out := r.wait(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	took := r.reports[len(r.reports)-1].At - r.first1("edge", supervisor.Stopped).At
	if took > patient/2 {
		t.Errorf("the end came %v after the gateway's", took)
	}
	if i := slices.IndexFunc(r.reports, func(rep supervisor.Report) bool {
		return strings.Contains(rep.Cause, "did not reach")
	}); i >= 0 {
		t.Errorf("said %q, and all has come", r.reports[i].Cause)
	}
}

// It is said to whom the kernel owes something, at once, and that it does no more.
func TestOwed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.(*net.TCPConn).SetReadBuffer(32 << 10); err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.(*net.TCPConn).SetWriteBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Write(make([]byte, 300_000)); err != nil {
		t.Fatal(err)
	}
	server.Close()
	where := newPlaces()
	where.add(l.Addr().(*net.TCPAddr).AddrPort())
	v := view{where: where}
	defer v.close()
	owed, err := v.owed()
	if err != nil || len(owed) != 1 || !strings.HasPrefix(owed[0], client.LocalAddr().String()+", ") {
		t.Errorf("owed %q, %v", owed, err)
	}
	buf := make([]byte, 64<<10)
	for n := 0; n < 300_000; {
		m, err := client.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		n += m
	}
	deadline := time.Now().Add(patient)
	for len(owed) > 0 && time.Now().Before(deadline) {
		owed, err = v.owed()
	}
	if err != nil || len(owed) > 0 {
		t.Errorf("owed %q, %v, when all was taken", owed, err)
	}
}

// A vigil is a function of what it sees.
func TestVigil(t *testing.T) {
	const quiet = 500 * time.Millisecond
	began := time.Now()
	holding := func(m sockdiag.Mode) *sight {
		s := &sight{quiet: time.Second, sent: time.Second}
		s.holds[m] = 1
		return s
	}
	at := func(since time.Duration) *sight { return &sight{quiet: since, sent: since} }
	half := at(time.Second)
	half.halfOpen = 1
	owing := at(time.Second)
	owing.owed = 1
	for _, c := range []struct {
		name string
		look lookKind
		see  *sight
		late time.Duration
		lit  light
		over bool
	}{
		{"quiet, silent", forQuiet, at(sockdiag.Forever), 0, lit, true},
		{"quiet, for long", forQuiet, at(quiet), 0, lit, true},
		{"quiet, not long enough", forQuiet, at(quiet - 1), 0, lit, false},
		{"quiet, busy", forQuiet, holding(sockdiag.Quiet), 0, lit, false},
		{"quiet, idle", forQuiet, holding(sockdiag.Exit), 0, lit, true},
		{"quiet, handshake", forQuiet, half, 0, lit, false},
		{"quiet, handshake for long", forQuiet, half, queueBound, lit, true},
		{"quiet, listens nowhere", forQuiet, at(sockdiag.Forever), 0, nothing, true},
		{"quiet, not to be seen", forQuiet, at(sockdiag.Forever), time.Hour, darkness, false},
		{"exit, idle", forExit, holding(sockdiag.Exit), 0, lit, false},
		{"exit, nobody for long", forExit, at(quiet), 0, lit, true},
		{"exit, listens nowhere", forExit, at(sockdiag.Forever), time.Hour, nothing, false},
		{"connections, some", forConnections, holding(sockdiag.Connections), time.Hour, lit, false},
		{"connections, none since now", forConnections, at(0), 0, lit, true},
		{"probe", forProbe, at(sockdiag.Forever), time.Hour, lit, false},
		{"settle, owing", forSettled, owing, time.Hour, lit, false},
		{"settle, sent now", forSettled, at(0), 0, lit, false},
		{"settle, sent before", forSettled, at(lull), 0, lit, true},
		{"settle, not to be seen", forSettled, at(sockdiag.Forever), 0, darkness, true},
	} {
		v := newVigil(c.look, quiet, began)
		if over := v.see(began.Add(c.late), c.see, c.lit); over != c.over {
			t.Errorf("%s: over %v, want %v", c.name, over, c.over)
		}
		if !c.over && (v.next <= 0 || v.next > longLook) {
			t.Errorf("%s: the next look is in %v", c.name, v.next)
		}
	}
	slow := newVigil(forSettled, quiet, began)
	slow.see(began, at(0), lit)
	woken := began.Add(slow.next + 50*time.Millisecond)
	if slow.see(woken, at(lull), lit) {
		t.Error("a look that came late shows that the gateway has sent all, which is as late")
	}
	if !slow.see(woken, at(lull+lateness*50*time.Millisecond), lit) {
		t.Error("it has had its time, and more is waited for")
	}
	v := newVigil(forQuiet, quiet, began)
	busy := holding(sockdiag.Quiet)
	for _, want := range []time.Duration{shortLook, 2 * shortLook, 4 * shortLook, longLook, longLook} {
		if v.see(began, busy, lit); v.next != want {
			t.Errorf("the next look is in %v, want %v", v.next, want)
		}
	}
}
