package quiesce

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMemberLeaves: when a socket leaves the group, the sentinel's place moves, and Reprove finds it again.
func TestMemberLeaves(t *testing.T) {
	t.Parallel()
	r := start(t, server{Addr: "127.0.0.1:0", Members: 3})
	r.tell("accept")
	l := r.listener()
	if _, err := l.Quiesce(Sentinel); err != nil {
		t.Fatal(err)
	}
	l.Release() // else the duplicate keeps it in the group
	for left := 2; left > 0; left-- {
		r.tell("close")
		if left == 2 && !r.letsIn(32) { // the last of a group takes the place of who leaves
			t.Error("the place did not move, so the test sees nothing")
		}
		if err := l.Reprove(); err != nil {
			t.Fatal(err)
		}
		r.closed()
	}
	if err := l.Undo(); err != nil {
		t.Fatal(err)
	}
	r.served(r.dial()...)
}

// TestMemberJoins: a socket that a program opens at the same address while it is quiesced is found by looking again.
func TestMemberJoins(t *testing.T) {
	for _, way := range Best {
		s := server{Addr: "[::]:0", Members: 1}
		if can(t, way, s) != nil {
			continue // TestWays has its word
		}
		t.Run(way.String(), func(t *testing.T) {
			t.Parallel()
			r := start(t, s)
			r.tell("accept")
			l := r.listener()
			if _, err := l.Quiesce(way); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				r.tell("add")
			}
			found, problems := Listeners([]int{r.pid}, l)
			if len(found) != 0 || (len(problems) > 0) == mayDuplicate() {
				t.Fatalf("found %v anew, with problems %v", found, problems)
			}
			if n := len(l.Inodes()); n != 4 {
				t.Errorf("the listener has %d sockets", n)
			}
			if err := l.Reprove(); err != nil {
				t.Fatal(err)
			}
			for range 4 {
				r.closed()
			}
			if err := l.Undo(); err != nil {
				t.Fatal(err)
			}
			for range 4 {
				r.served(r.dial()...)
			}
		})
	}
}

// TestStrangers: another program in the group, which stays, is not cut off.
func TestStrangers(t *testing.T) {
	t.Parallel()
	one := start(t, server{Addr: "127.0.0.1:0", Members: 2})
	two := start(t, server{Addr: one.addr.String(), Members: 2})
	l := one.listener()
	if _, err := l.Quiesce(Sentinel); !errors.Is(err, ErrShared) {
		t.Errorf("a sentinel beside strangers: %v", err)
	}
	both, _ := Listeners([]int{one.pid, two.pid})
	if len(both) != 1 || len(both[0].Inodes()) != 4 || len(both[0].PIDs()) != 2 {
		t.Fatalf("found %v", both)
	}
	defer both[0].Close()
	if _, err := both[0].Quiesce(Sentinel); err != nil {
		t.Fatal(err)
	}
	one.closed()
	if err := both[0].Undo(); err != nil {
		t.Fatal(err)
	}
	if can(t, Filter, one.server) != nil {
		return
	}
	if _, err := l.Quiesce(Filter); err != nil {
		t.Fatal(err)
	}
	two.tell("accept") // one does not accept, so that who is served is served by two
	if !one.letsIn(32) {
		t.Error("the stranger is cut off")
	}
}

// letsIn says whether one of some clients is let in, who must be served then.
func (r *running) letsIn(tries int) bool {
	r.Helper()
	for range tries {
		if c, err := net.DialTimeout("tcp", r.dialTo()[0], quick); err == nil {
			r.served(c)
			return true
		}
	}
	return false
}

// TestShadow: a wildcard is proven at an address where nobody else listens.
func TestShadow(t *testing.T) {
	t.Parallel()
	any := start(t, server{Addr: "0.0.0.0:0", Members: 1})
	addr := any.dialTo()[0]
	start(t, server{Addr: addr, Members: 1}).tell("accept")
	l := any.listener()
	if _, err := l.Quiesce(Sentinel); err != nil {
		t.Fatal(err)
	}
	c, err := net.DialTimeout("tcp", addr, bound)
	if err != nil {
		t.Fatal(err)
	}
	any.served(c)
	if c, err := net.DialTimeout("tcp", any.dialTo()[1], quick); err == nil {
		c.Close()
		t.Error("the wildcard is open")
	}
}

// TestSeveral: one look finds all that several processes listen at, each once, and not what is no listener.
func TestSeveral(t *testing.T) {
	t.Parallel()
	one, two := start(t, server{Addr: "127.0.0.1:0"}), start(t, server{Addr: "[::]:0", Members: 2})
	held := start(t, server{Addr: "127.0.0.1:0", Held: true})
	list, _ := Listeners([]int{one.pid, two.pid, held.pid, 1<<22 + 1}) // the last one is nobody
	want := map[string]int{one.addr.String(): 1, two.addr.String(): 2, held.addr.String(): 1}
	for _, l := range list {
		if want[l.Addr().String()] != len(l.Inodes()) || len(l.PIDs()) != 1 {
			t.Errorf("%v has sockets %v of %v", l, l.Inodes(), l.PIDs())
		}
		delete(want, l.Addr().String())
		l.Close()
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
	again, _ := Listeners([]int{one.pid}, list...)
	for _, l := range again {
		l.Close()
	}
	if len(again) != 1 {
		t.Errorf("a listener that was closed is not found again: %v", again)
	}
}

// TestAnotherUser: root turns connections away from what another user opened, by each way.
func TestAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		_, problems := Listeners([]int{1})
		if len(problems) != 1 || !errors.Is(problems[0], os.ErrPermission) || problems[0].PID != 1 {
			t.Errorf("the listeners of init: %v", problems)
		}
		return
	}
	program := publicSelf(t)
	for _, way := range Best {
		t.Run(way.String(), func(t *testing.T) {
			t.Parallel()
			tryServer(t, server{Addr: "127.0.0.1:0", UID: nobody, program: program}, way)
			tryServer(t, server{Addr: "[::]:0", UID: nobody, Members: 2, program: program}, way)
		})
	}
}

// TestAnotherNamespace: no own connection reaches it, so it is named.
func TestAnotherNamespace(t *testing.T) {
	switch {
	case os.Getenv(worldVar) != "":
		t.Skip("only all of root may make a network namespace")
	case os.Getuid() != 0:
		skip(t, "only root may make a network namespace")
	}
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := cmd.Start(); err != nil {
		skip(t, "no network namespace: "+err.Error())
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	list, problems := Listeners([]int{cmd.Process.Pid})
	if len(list) != 0 || len(problems) != 1 || !errors.Is(problems[0], ErrNamespace) {
		t.Errorf("found %v with problems %v", list, problems)
	}
}

// TestOwnFilter: a program's own filter is left alone, and the next way is taken.
func TestOwnFilter(t *testing.T) {
	if !mayAdmin(t) {
		t.Skip("no program has a filter of its own here, for none may attach one")
	}
	fd, _, err := loopbackListener()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	its := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1}}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, program(its)); err != nil {
		t.Fatal(err)
	}
	l, err := Own(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Quiesce(Filter); !errors.Is(err, ErrOwnFilter) {
		t.Errorf("a filter over a filter: %v", err)
	}
	if way, err := l.Quiesce(); way != Sentinel || err != nil {
		t.Errorf("it is %v: %v", way, err)
	}
	if has, err := filterOf(fd); err != nil || len(has) != 1 || has[0] != its[0] {
		t.Errorf("its own filter is %v now, %v", has, err)
	}
}

// TestFullQueue: an accept queue that is full drops connections too, which is no proof, and Undo expects nothing of it.
func TestFullQueue(t *testing.T) {
	fd, to, err := loopbackListener()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for {
		c, err := net.DialTimeout("tcp", to.addr.String(), quick)
		if err != nil {
			break
		}
		defer c.Close()
	}
	l, err := Own(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, way := range Best {
		if can(t, way, server{Held: true}) != nil {
			continue
		}
		if _, err := l.Quiesce(way); err != nil {
			t.Error(err)
		}
		if err := l.Undo(); err != nil {
			t.Error(err)
		}
	}
}

// TestUnix: a unix socket is found and named, and goes on.
func TestUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b")
	u, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	list, _ := Listeners([]int{os.Getpid()})
	found := false
	for _, l := range list {
		if l.String() == "unix "+path {
			found = true
			if way, err := l.Quiesce(); way != None || !errors.Is(err, ErrUnix) {
				t.Errorf("it is %v: %v", way, err)
			}
		}
		l.Close()
	}
	if !found {
		t.Errorf("not found among %v", list)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestForkHoldsSentinel: a child between fork and exec holds the sentinel too, and Undo does not wait for it.
func TestForkHoldsSentinel(t *testing.T) {
	for _, s := range []server{{Addr: "127.0.0.1:0", Held: true}, {Addr: "127.0.0.1:0", Held: true, MPTCP: true}} {
		t.Run(s.String(), func(t *testing.T) {
			r := start(t, s)
			r.tell("accept")
			l := r.listener()
			if _, err := l.Quiesce(Sentinel); err != nil {
				t.Fatal(err)
			}
			fork, err := unix.FcntlInt(uintptr(l.sentinel.fd), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fork)
			if err := l.Undo(); err != nil {
				t.Fatal(err)
			}
			for range 8 {
				r.served(r.dial()...)
			}
			if _, err := l.Quiesce(Sentinel); err != nil {
				t.Error(err)
			}
			r.closed()
		})
	}
}

// TestKnownIsLeftAlone has several look for listeners at the same time who know one and the same already.
func TestKnownIsLeftAlone(t *testing.T) {
	fd, _, err := loopbackListener()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	own, err := Own(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			found, _ := Listeners([]int{os.Getpid()}, own)
			for _, l := range found {
				if l.Addr() == own.Addr() {
					t.Errorf("%v is found, and was known", l)
				}
				l.Close()
			}
		})
	}
	all.Wait()
	if n := len(own.Inodes()); n != 1 {
		t.Errorf("it has %d sockets", n)
	}
}
