package sockdiag

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func listen(t *testing.T, network, address string, control func(string, string, syscall.RawConn) error) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{Control: control}).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// mine are the listeners of this process on the given addresses.
func mine(t *testing.T, d *Diag, addresses ...string) map[string][]Listener {
	t.Helper()
	all, problems, err := d.Listeners([]int{os.Getpid()})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	found := make(map[string][]Listener)
	for _, group := range Groups(all) {
		for _, a := range addresses {
			if group[0].String() == a {
				found[a] = group
			}
		}
	}
	return found
}

func TestListeners(t *testing.T) {
	d := open(t)
	plain := listen(t, "tcp4", "127.0.0.1:0", nil)
	shared := sockopt(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	first := listen(t, "tcp4", "127.0.0.1:0", shared)
	second := listen(t, "tcp4", first.Addr().String(), shared)
	path := filepath.Join(t.TempDir(), "s")
	ux := listen(t, "unix", path, nil)
	dial(t, plain)
	dial(t, plain)
	dial(t, ux)

	found := mine(t, d, plain.Addr().String(), first.Addr().String(), "unix:"+path)
	one := found[plain.Addr().String()]
	if len(one) != 1 || one[0].Network != "tcp4" || one[0].Queue != 2 || one[0].Backlog == 0 || one[0].Inode == 0 ||
		one[0].UID != uint32(os.Getuid()) {
		t.Fatalf("%+v", one)
	}
	if diff := cmp.Diff([]Holder{{os.Getpid(), fdOf(t, plain.(*net.TCPListener))}}, one[0].Holders); diff != "" {
		t.Error(diff)
	}
	if two := found[second.Addr().String()]; len(two) != 2 || two[0].Inode >= two[1].Inode {
		t.Errorf("an SO_REUSEPORT group: %+v", two)
	}
	if u := found["unix:"+path]; len(u) != 1 || u[0].Queue != 1 || u[0].Network != "unix" {
		t.Errorf("a UNIX listener: %+v", u)
	}
	ports := Ports(append(one, found["unix:"+path]...))
	if diff := cmp.Diff([]uint16{uint16(plain.Addr().(*net.TCPAddr).Port)}, ports); diff != "" {
		t.Error(diff)
	}
	if ports := Ports(nil); ports == nil {
		t.Error("no listener at all asks for all ports")
	}
}

// TestDualStack has an IPv4 client of an IPv6 listener.
func TestDualStack(t *testing.T) {
	d := open(t)
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		lacking(t, "no IPv6 here: "+err.Error())
	}
	l.Close()
	both := listen(t, "tcp", "[::]:0", nil)
	only := listen(t, "tcp6", "[::1]:0", sockopt(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1))
	found := mine(t, d, both.Addr().String(), only.Addr().String())
	if l := found[both.Addr().String()]; len(l) != 1 || l[0].V6Only || l[0].Network != "tcp6" {
		t.Errorf("for both: %+v", l)
	}
	if l := found[only.Addr().String()]; len(l) != 1 || !l[0].V6Only {
		t.Errorf("for IPv6 only: %+v", l)
	}
	port := uint16(both.Addr().(*net.TCPAddr).Port)
	c, err := net.DialTCP("tcp4", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	samples, err := d.List(Query{Ports: []uint16{port}, States: Serving}, nil)
	if err != nil || len(samples) != 1 {
		t.Fatal(samples, err)
	}
	if got := samples[0].Connection(); !samples[0].IPv6 || got.Peer.String() != c.LocalAddr().String() {
		t.Errorf("the peer is %v, want %v", got.Peer, c.LocalAddr())
	}
}

// TestPortsOnly has connections on more ports than are asked for.
func TestPortsOnly(t *testing.T) {
	d := open(t)
	var ports []uint16
	for range 7 {
		l := listen(t, "tcp4", "127.0.0.1:0", nil)
		dial(t, l)
		ports = append(ports, uint16(l.Addr().(*net.TCPAddr).Port))
	}
	for n := range 4 {
		samples, err := d.List(Query{Ports: ports[:n+1], States: Serving}, nil)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[uint16]int)
		for _, s := range samples {
			seen[s.Local.Port()]++
		}
		want := make(map[uint16]int)
		for _, p := range ports[:n+1] {
			want[p] = 1
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("%d ports: %s", n+1, diff)
		}
	}
	if samples, err := d.List(Query{Ports: []uint16{}}, nil); err != nil || len(samples) != 0 {
		t.Errorf("no port at all: %d sockets, %v", len(samples), err)
	}
	many := make([]uint16, 0, 2*maxRanges+3)
	for p := range cap(many) - 1 {
		many = append(many, uint16(2*p+1))
	}
	samples, err := d.List(Query{Ports: append(many, ports[0]), States: Serving}, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, s := range samples {
		found = found || s.Local.Port() == ports[0]
		if p := s.Local.Port(); p != ports[0] && (p%2 == 0 || p > many[len(many)-1]) {
			t.Errorf("port %d was not asked for", p)
		}
	}
	if !found {
		t.Error("more ports than a filter holds: the connection is not found")
	}
}

func TestUnix(t *testing.T) {
	d := open(t)
	path := filepath.Join(t.TempDir(), "s")
	l := listen(t, "unix", path, nil)
	client := dial(t, l)
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	classes := func() []Class {
		var seen []Class
		if err := d.Unix(Of(Established), func(u *UnixSample) {
			if u.Path == path {
				seen = append(seen, u.Class())
			}
		}); err != nil {
			t.Fatal(err)
		}
		return seen
	}
	if diff := cmp.Diff([]Class{Idle}, classes()); diff != "" {
		t.Error("silent", diff)
	}
	if _, err := client.Write([]byte("GET")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Class{Unread}, classes()); diff != "" {
		t.Error("with a request", diff)
	}
	if _, err := io.ReadFull(server, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Class{Sending}, classes()); diff != "" {
		t.Error("with an answer on its way", diff)
	}
	abstract := listen(t, "unix", "@"+filepath.Base(t.TempDir())+t.Name(), nil)
	name := "unix:" + abstract.Addr().String()
	if got := mine(t, d, name); len(got[name]) != 1 {
		t.Errorf("an abstract listener: %v", got)
	}
}

// asNobody calls f on a thread that has lost its privileges.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		lacking(t, "only root can become somebody else, who may not look at this process")
	}
	done := make(chan syscall.Errno)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		// The system call itself is of one thread; the function of that name is of all.
		_, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534)
		if e == 0 {
			f()
		}
		done <- e
	}()
	if e := <-done; e != 0 {
		t.Fatal(e)
	}
}

// TestDenied looks at another user's processes.
func TestDenied(t *testing.T) {
	d := open(t)
	var listeners []Listener
	var problems []Problem
	var err error
	asNobody(t, func() { listeners, problems, err = d.Listeners([]int{1, os.Getppid(), 1 << 30}) })
	if err != nil || len(listeners) != 0 {
		t.Fatal(listeners, err)
	}
	if len(problems) != 1 || problems[0].Kind != Denied || len(problems[0].PIDs) != 2 ||
		!errors.Is(problems[0].Err, os.ErrPermission) {
		t.Fatalf("%+v", problems)
	}
	if text := problems[0].String(); !strings.HasPrefix(text, "cannot see the descriptors of process 1 and 1 more: ") {
		t.Error(text)
	}
}

// TestJudgeDenied may not look into the process that has the doubtful connection.
func TestJudgeDenied(t *testing.T) {
	j := NewJudge(open(t))
	samples := []Sample{served(300, 300, 300)}
	var first, second error
	asNobody(t, func() { first, second = j.Settle(samples, []int{1}), j.Settle(samples, []int{1}) })
	if first == nil || second != nil {
		t.Errorf("said %v, then %v, want it once", first, second)
	}
	if got := j.Class(&samples[0]); got != Unsure {
		t.Errorf("judged %v", got)
	}
}

func TestOtherNamespace(t *testing.T) {
	d := open(t)
	c := exec.Command("cat")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		lacking(t, "cannot make a network namespace: "+err.Error())
	}
	defer func() { in.Close(); _ = c.Wait() }()
	_, problems, err := d.Listeners([]int{os.Getpid(), c.Process.Pid})
	if err != nil || len(problems) != 1 || problems[0].Kind != OtherNamespace {
		t.Fatal(problems, err)
	}
	if text := problems[0].String(); !strings.HasSuffix(text, ": in another network namespace") {
		t.Error(text)
	}
}

func fdOf(t *testing.T, c syscall.Conn) int {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	fd := -1
	if err := raw.Control(func(n uintptr) { fd = int(n) }); err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestConnectionsOf(t *testing.T) {
	v4, v6, ux := Listener{Network: "tcp4"}, Listener{Network: "tcp6"}, Listener{Network: "unix"}
	for _, c := range []struct {
		listeners []Listener
		want      string
	}{
		{[]Listener{v4, ux}, "tcp4"},
		{[]Listener{ux, v6, v6}, "tcp6"},
		{[]Listener{v4, v6}, ""},
	} {
		if q := ConnectionsOf(c.listeners); q.Network != c.want || q.States != Serving || q.Ports == nil {
			t.Errorf("%+v", q)
		}
	}
	d := open(t)
	l := listen(t, "tcp4", "127.0.0.1:0", nil)
	dial(t, l)
	q := ConnectionsOf(mine(t, d, l.Addr().String())[l.Addr().String()])
	for network, want := range map[string]int{"tcp4": 1, "tcp6": 0, "": 1} {
		q.Network = network
		if samples, err := d.List(q, nil); err != nil || len(samples) != want {
			t.Errorf("%q: %d connections, want %d; %v", network, len(samples), want, err)
		}
	}
}
