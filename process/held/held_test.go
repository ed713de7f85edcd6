package held

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary be who was handed sockets by a service manager.
func TestMain(m *testing.M) {
	if os.Getenv("HELD_TEST") == "given" {
		os.Exit(tellGiven())
	}
	os.Exit(m.Run())
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Address{
		"127.0.0.1:80":            {Network: TCP, IP: netip.MustParseAddrPort("127.0.0.1:80")},
		"tcp:127.0.0.1:80":        {Network: TCP, IP: netip.MustParseAddrPort("127.0.0.1:80")},
		"localhost:80":            {Network: TCP, IP: netip.MustParseAddrPort("127.0.0.1:80")},
		"[::1]:8080":              {Network: TCP, IP: netip.MustParseAddrPort("[::1]:8080")},
		"[::ffff:127.0.0.1]:8080": {Network: TCP, IP: netip.MustParseAddrPort("127.0.0.1:8080")},
		"[fe80::1%lo]:8080":       {Network: TCP, IP: netip.MustParseAddrPort("[fe80::1%lo]:8080")},
		"*:80":                    {Network: TCP, IP: netip.MustParseAddrPort("[::]:80"), Both: true},
		":80":                     {Network: TCP, IP: netip.MustParseAddrPort("[::]:80"), Both: true},
		"[::]:80":                 {Network: TCP, IP: netip.MustParseAddrPort("[::]:80")},
		"udp:0.0.0.0:53":          {Network: UDP, IP: netip.MustParseAddrPort("0.0.0.0:53")},
		"unix:/run/x":             {Network: Unix, Path: "/run/x"},
		"unix:@x":                 {Network: Unix, Path: "@x"},
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%q is written as %q, which is %+v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{
		"", "80", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:http", "::1:80",
		"example.org:80", "/run/x", "unix:", "unix:@", "unix:/" + strings.Repeat("x", 107), "udp:unix:/x",
	} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestOverlaps(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"127.0.0.1:80", "127.0.0.2:80", false},
		{"127.0.0.1:80", "udp:127.0.0.1:80", false},
		{"127.0.0.1:80", "0.0.0.0:80", true},
		{"127.0.0.1:80", "[::]:80", false},
		{"127.0.0.1:80", "*:80", true},
		{"[::1]:80", "*:80", true},
		{"[::]:80", "0.0.0.0:80", false},
		{"unix:/x", "unix:/x", true},
		{"unix:/x", "unix:/y", false},
	} {
		a, err := Parse(test.a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Parse(test.b)
		if err != nil {
			t.Fatal(err)
		}
		if a.Overlaps(b) != test.want || b.Overlaps(a) != test.want {
			t.Errorf("%s and %s: %v, %v, want %v", a, b, a.Overlaps(b), b.Overlaps(a), test.want)
		}
	}
}

// usual are the options of a test.
var usual = Options{Backlog: 16, Mode: 0o640, UID: -1, GID: -1}

func open1(t *testing.T, a Address, o Options) *Socket {
	t.Helper()
	s, err := Open(a, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// free is an address with a port of the kernel's choice.
func free(n Network, ip string) Address {
	return Address{Network: n, IP: netip.AddrPortFrom(netip.MustParseAddr(ip), 0)}
}

// TestTCP looks at what the kernel says of a socket: plain TCP, listening, its address to be had again at once, blocking
// as was asked for, and watched by nobody.
func TestTCP(t *testing.T) {
	for _, block := range []bool{true, false} {
		o := usual
		o.NonBlock = !block
		s := open1(t, free(TCP, "127.0.0.1"), o)
		fd := int(s.File.Fd())
		for opt, want := range map[int]int{
			unix.SO_PROTOCOL: unix.IPPROTO_TCP, unix.SO_ACCEPTCONN: 1, unix.SO_REUSEADDR: 1, unix.SO_REUSEPORT: 0,
		} {
			if got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, opt); err != nil || got != want {
				t.Errorf("option %d is %d, %v; want %d", opt, got, err, want)
			}
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK == 0 != block {
			t.Errorf("flags %#x, %v; it blocks: want %v", flags, err, block)
		}
		if inherited, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || inherited&unix.FD_CLOEXEC == 0 {
			t.Errorf("it is open in every child: %v", err)
		}
		conn, err := net.Dial("tcp", s.Address.IP.String())
		if err != nil {
			t.Fatalf("%s: %v", s.Address, err)
		}
		conn.Close()
		if _, err := Open(s.Address, usual); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("a second one is opened: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		open1(t, s.Address, usual)
	}
}

// TestFamilies has "*" take both families, and an address that is written the one it is of.
func TestFamilies(t *testing.T) {
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		skip(t, fmt.Sprintf("no IPv6 here: %v", err))
	} else {
		l.Close()
	}
	both := free(TCP, "::")
	both.Both = true
	for _, test := range []struct {
		at     Address
		v4, v6 bool
	}{
		{both, true, true}, {free(TCP, "::"), false, true}, {free(TCP, "0.0.0.0"), true, false},
	} {
		s := open1(t, test.at, usual)
		for host, want := range map[string]bool{"127.0.0.1": test.v4, "::1": test.v6} {
			conn, err := net.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(s.Address.IP.Port())))
			if err == nil {
				conn.Close()
			}
			if (err == nil) != want {
				t.Errorf("%s by %s: %v", s.Address, host, err)
			}
		}
	}
}

func TestReusePort(t *testing.T) {
	o := usual
	o.ReusePort = true
	s := open1(t, free(TCP, "127.0.0.1"), o)
	open1(t, s.Address, o)
}

func TestUDP(t *testing.T) {
	s := open1(t, free(UDP, "127.0.0.1"), usual)
	if _, err := Open(s.Address, usual); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("two are bound there, and share what comes: %v", err)
	}
	conn, err := net.Dial("udp", s.Address.IP.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 16)
	n, _, err := unix.Recvfrom(int(s.File.Fd()), buf, 0)
	if err != nil || string(buf[:n]) != "hello" {
		t.Errorf("%q, %v", buf[:max(n, 0)], err)
	}
}

func TestErrors(t *testing.T) {
	for _, test := range []struct{ at, want string }{
		{"203.0.113.7:1", "cannot listen at 203.0.113.7:1: cannot assign requested address: this machine has no such address"},
		{"[fe80::1%nowhere0]:1", `cannot listen at [fe80::1%nowhere0]:1: there is no interface "nowhere0"`},
		{"unix:/nowhere/x", "cannot listen at unix:/nowhere/x: no such file or directory: its folder is not there"},
	} {
		a, err := Parse(test.at)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(a, usual); err == nil || err.Error() != test.want {
			t.Errorf("got %v\nwant %s", err, test.want)
		}
	}
}

func at(t *testing.T, name string) Address {
	t.Helper()
	dir, err := os.MkdirTemp("", "held") // t.TempDir may be longer than an address
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return Address{Network: Unix, Path: filepath.Join(dir, name)}
}

func dial(a Address) error {
	conn, err := net.Dial("unix", a.Path)
	if err == nil {
		conn.Close()
	}
	return err
}

func TestUnix(t *testing.T) {
	a := at(t, "x")
	s := open1(t, a, usual)
	info, err := os.Stat(a.Path)
	if err != nil || info.Mode() != os.ModeSocket|0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := dial(a); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Dir(a.Path)); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestUnixOwner(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "only root gives files away")
	}
	a, o := at(t, "x"), usual
	o.UID, o.GID = 65534, 65533
	open1(t, a, o)
	var st unix.Stat_t
	if err := unix.Stat(a.Path, &st); err != nil || st.Uid != 65534 || st.Gid != 65533 {
		t.Errorf("%d:%d, %v", st.Uid, st.Gid, err)
	}
}

// TestUnixStale has the file of a dead listener replaced, also one that was moved aside, and nothing else.
func TestUnixStale(t *testing.T) {
	a := at(t, "x")
	dead := open1(t, a, usual)
	if err := dead.Hide(); err != nil {
		t.Fatal(err)
	}
	dead.File.Close()
	again := open1(t, a, usual)
	if err := again.Show(); err != nil {
		t.Error(err)
	}
	again.File.Close()
	s := open1(t, a, usual)
	if names, err := filepath.Glob(filepath.Dir(a.Path) + "/.*"); err != nil || len(names) > 0 {
		t.Errorf("left: %v, %v", names, err)
	}
	_, err := Open(a, usual)
	if !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d (", os.Getpid())) {
		t.Errorf("a living one: %v", err)
	}
	if err := dial(s.Address); err != nil {
		t.Error(err)
	}
	plain := at(t, "plain")
	if err := os.WriteFile(plain.Path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(plain, usual); err == nil || !strings.Contains(err.Error(), "it is no socket") {
		t.Errorf("a plain file: %v", err)
	}
}

// TestHide turns new clients away from a unix socket, and lets them in again; whoever is queued goes on.
func TestHide(t *testing.T) {
	a := at(t, "x")
	s := open1(t, a, usual)
	queued, err := net.Dial("unix", a.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer queued.Close()
	for range 2 {
		if err := s.Hide(); err != nil {
			t.Fatal(err)
		}
		if err := dial(a); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a new one gets in: %v", err)
		}
		if err := s.Hide(); err != nil || !s.Hidden() {
			t.Errorf("twice: %v", err)
		}
		if err := s.Show(); err != nil || s.Hidden() {
			t.Fatal(err)
		}
		if err := dial(a); err != nil {
			t.Errorf("a new one does not get in: %v", err)
		}
	}
	fd, _, err := unix.Accept(int(s.File.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte("well")); err != nil {
		t.Fatal(err)
	}
	if err := queued.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 16)
	if n, err := queued.Read(buf); err != nil || string(buf[:n]) != "well" {
		t.Errorf("%q, %v", buf[:n], err)
	}
}

// TestHideOthers leaves the file of somebody else alone, who took the place of ours.
func TestHideOthers(t *testing.T) {
	a := at(t, "x")
	s := open1(t, a, usual)
	if err := os.Remove(a.Path); err != nil {
		t.Fatal(err)
	}
	open1(t, a, usual)
	if err := s.Hide(); !errors.Is(err, ErrNoFile) {
		t.Errorf("hidden: %v", err)
	}
	s.Close()
	if err := dial(a); err != nil {
		t.Errorf("it was removed: %v", err)
	}
	abstract := Address{Network: Unix, Path: fmt.Sprintf("@held-test-%d", os.Getpid())}
	if err := open1(t, abstract, usual).Hide(); !errors.Is(err, ErrNoFile) {
		t.Errorf("hidden: %v", err)
	}
	if err := dial(abstract); err != nil {
		t.Error(err)
	}
}

// tellGiven tells what a service manager handed to this process.
func tellGiven() int {
	env := slices.DeleteFunc(os.Environ(), func(e string) bool { return e == "LISTEN_PID=own" })
	if len(env) < len(os.Environ()) {
		env = append(env, fmt.Sprintf("LISTEN_PID=%d", os.Getpid()))
	}
	all, err := FromManager(env)
	if err != nil {
		fmt.Println("error:", err)
	}
	for _, g := range all {
		s, err := g.Take(usual)
		if err != nil {
			fmt.Println("error:", err)
			continue
		}
		on, _ := unix.GetsockoptInt(int(s.File.Fd()), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		fmt.Println(g, on)
	}
	return 0
}

// TestFromManager has another process take what it is handed: by its own pid only, and what can be held only.
func TestFromManager(t *testing.T) {
	web, dns, path := open1(t, free(TCP, "127.0.0.1"), usual), open1(t, free(UDP, "127.0.0.1"), usual), open1(t, at(t, "x"), usual)
	both := free(TCP, "::")
	both.Both = true
	wide := open1(t, both, usual)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	run := func(pid string) string {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "HELD_TEST=given", "LISTEN_FDS=5", "LISTEN_PID="+pid, "LISTEN_FDNAMES=web:dns::x")
		cmd.ExtraFiles = []*os.File{web.File, null, dns.File, path.File, wide.File}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	want := fmt.Sprintf("error: cannot take descriptor 4 of the service manager: socket operation on non-socket\n"+
		"%s (web) 1\n%s 0\n%s (x) 1\n%s 1\n", web.Address, dns.Address, path.Address, wide.Address)
	if got := run("own"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := run("1"); got != "" {
		t.Errorf("meant for another process, and taken: %s", got)
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
