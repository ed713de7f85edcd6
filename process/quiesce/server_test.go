package quiesce

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// server is what a helper listens at.
type server struct {
	Addr    string // with port 0
	V6Only  bool
	Members int  // sockets with SO_REUSEPORT; 0 is one without
	MPTCP   bool // as Go's own listeners are by default
	Held    bool // the socket is opened by the test and handed over
	UID     int

	program string // the helper's file, where it is not our own
}

func (s server) String() string {
	out := s.Addr
	for word, on := range map[bool]string{s.V6Only: "-v6only"} {
		if word {
			out += on
		}
	}
	if s.Members > 0 {
		out += fmt.Sprintf("-group-of-%d", s.Members)
	}
	if s.MPTCP {
		out += "-mptcp"
	}
	if s.Held {
		out += "-held"
	}
	return out
}

// open opens a listening socket, of the family that the address is written in: a mapped one is of IPv6.
func (s server) open(addr netip.AddrPort) (int, error) {
	domain, proto := unix.AF_INET6, unix.IPPROTO_TCP
	if addr.Addr().Is4() {
		domain = unix.AF_INET
	}
	if s.MPTCP {
		proto = unix.IPPROTO_MPTCP
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return -1, err
	}
	var errs []error
	set := func(level, opt, val int) { errs = append(errs, unix.SetsockoptInt(fd, level, opt, val)) }
	set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if s.Members > 0 {
		set(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	if domain == unix.AF_INET6 {
		only := 0
		if s.V6Only {
			only = 1
		}
		set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only)
	}
	errs = append(errs, unix.Bind(fd, toSockaddr(domain, addr)), unix.Listen(fd, 256))
	return fd, errors.Join(errs...)
}

// answerSize is more than one segment over the loopback takes.
const answerSize = 1 << 16

// serve is the helper: it listens, says where, and does what it is told on its input until that ends. It begins to
// accept at "accept"; "close" closes its first socket and "add" adds one to the group.
func serve(spec string) error {
	var s server
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		return err
	}
	var lists []net.Listener
	add := func(fd int) error {
		f := os.NewFile(uintptr(fd), "listener")
		defer f.Close()
		l, err := net.FileListener(f)
		lists = append(lists, l)
		return err
	}
	addr := netip.MustParseAddrPort(s.Addr)
	for i := range max(s.Members, 1) {
		fd, err := 3, error(nil)
		if !s.Held {
			fd, err = s.open(addr)
		}
		if err == nil {
			err = add(fd)
		}
		if err != nil {
			return err
		}
		if i == 0 {
			a := lists[0].Addr().(*net.TCPAddr).AddrPort()
			addr = netip.AddrPortFrom(addr.Addr(), a.Port())
			fmt.Println(addr)
		}
	}
	fmt.Println("listening")
	return s.obey(&lists, addr, add)
}

func (s server) obey(lists *[]net.Listener, addr netip.AddrPort, add func(int) error) error {
	accepting := false
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "accept":
			accepting = true
			for _, l := range *lists {
				go acceptAll(l)
			}
		case "close":
			(*lists)[0].Close()
			*lists = (*lists)[1:]
		case "add":
			fd, err := s.open(addr)
			if err == nil {
				err = add(fd)
			}
			if err != nil {
				return err
			}
			if accepting {
				go acceptAll((*lists)[len(*lists)-1])
			}
		}
		fmt.Println("done")
	}
	return nil
}

// acceptAll answers each request of a line by the line, over and over.
func acceptAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			line, err := bufio.NewReader(c).ReadString('\n')
			if err == nil {
				_, _ = io.WriteString(c, strings.Repeat(line, answerSize/len(line)))
			}
		}()
	}
}

// running is a helper under test.
type running struct {
	testing.TB
	server
	addr netip.AddrPort
	pid  int
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	held *os.File
}

func start(t testing.TB, s server) *running {
	t.Helper()
	r := &running{TB: t, server: s}
	spec, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	r.cmd = exec.Command(self(), "-serve", string(spec))
	r.cmd.Stderr = os.Stderr
	if s.UID != 0 {
		r.cmd.Path = s.program
		r.cmd.Dir = "/"
		r.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(s.UID), Gid: uint32(s.UID)}}
	}
	if s.Held {
		fd, err := s.open(netip.MustParseAddrPort(s.Addr))
		if err != nil {
			t.Fatal(err)
		}
		r.held = os.NewFile(uintptr(fd), "held")
		r.cmd.ExtraFiles = []*os.File{r.held}
		t.Cleanup(func() { r.held.Close() })
	}
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.out = bufio.NewReader(out)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	r.pid = r.cmd.Process.Pid
	r.addr = netip.MustParseAddrPort(r.line())
	r.line()
	return r
}

func (r *running) line() string {
	r.Helper()
	line, err := r.out.ReadString('\n')
	if err != nil {
		r.Fatalf("the helper said nothing: %v", err)
	}
	return strings.TrimSpace(line)
}

func (r *running) tell(what string) {
	r.Helper()
	if _, err := io.WriteString(r.in, what+"\n"); err != nil {
		r.Fatal(err)
	}
	r.line()
}

// stop ends the helper and waits for it.
func (r *running) stop() {
	if r.cmd == nil {
		return
	}
	r.in.Close()
	if err := r.cmd.Wait(); err != nil {
		r.Errorf("the helper ended badly: %v", err)
	}
	r.cmd = nil
}

// listener is the one that the helper has.
func (r *running) listener() *Listener {
	r.Helper()
	if r.Held {
		l, err := Own(int(r.held.Fd()))
		if err != nil {
			r.Fatal(err)
		}
		r.Cleanup(func() { l.Close() })
		return l
	}
	list, problems := Listeners([]int{r.pid})
	if len(list) != 1 || (len(problems) > 0) == mayDuplicate() {
		r.Fatalf("found %v with problems %v", list, problems)
	}
	r.Cleanup(func() { list[0].Close() })
	return list[0]
}

// dialTo is where clients go, in each family that the server takes.
func (r *running) dialTo() []string {
	port := fmt.Sprint(r.addr.Port())
	switch ip := r.addr.Addr(); {
	case !ip.IsUnspecified():
		return []string{netip.AddrPortFrom(ip.Unmap(), r.addr.Port()).String()}
	case ip.Is4():
		return []string{"127.0.0.1:" + port, "127.0.0.9:" + port}
	case r.V6Only:
		return []string{"[::1]:" + port}
	default:
		return []string{"[::1]:" + port, "127.0.0.1:" + port}
	}
}

func (r *running) dial() []net.Conn {
	r.Helper()
	var conns []net.Conn
	for _, to := range r.dialTo() {
		c, err := net.DialTimeout("tcp", to, bound)
		if err != nil {
			r.Fatal(err)
		}
		conns = append(conns, c)
	}
	return conns
}

// quick is how long a client waits that must not be let in: far longer than a connection over the loopback takes.
const quick = 50 * time.Millisecond

// closed demands that no new connection is established. A SYN that is dropped leaves its client waiting, so the wait
// must be cut.
func (r *running) closed() {
	r.Helper()
	for _, to := range r.dialTo() {
		if c, err := net.DialTimeout("tcp", to, quick); err == nil {
			c.Close()
			r.Errorf("a new connection to %s got in", to)
		} else if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
			r.Errorf("a new connection to %s was not left waiting: %v", to, err)
		}
	}
}

// served demands that connections get their whole answer, and closes them.
func (r *running) served(conns ...net.Conn) {
	r.Helper()
	for _, c := range conns {
		if err := request(c, "hello\n"); err != nil {
			r.Errorf("a client was not served: %v", err)
		}
	}
}

func request(c net.Conn, line string) error {
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(bound)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, line); err != nil {
		return fmt.Errorf("cannot send: %w", err)
	}
	got, err := io.ReadAll(c)
	if err != nil {
		return fmt.Errorf("cannot read on after %d bytes: %w", len(got), err)
	}
	if want := strings.Repeat(line, answerSize/len(line)); string(got) != want {
		return fmt.Errorf("the answer has %d bytes of %d", len(got), len(want))
	}
	return nil
}

// publicSelf copies this program to where everybody may run it. No other test may run meanwhile: a fork would hold the
// file open for writing, so that it cannot be run.
func publicSelf(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "quiesce")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data, err := os.ReadFile(self())
	if err == nil {
		err = os.WriteFile(dir+"/helper", data, 0o755)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir + "/helper"
}

func prctlFilter(prog *unix.SockFprog) error {
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(prog)), 0, 0)
}
