package quiesce

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
)

// servers are the kinds of listeners that each way is tried at.
var servers = []server{
	{Addr: "127.0.0.1:0"},
	{Addr: "0.0.0.0:0"},
	{Addr: "[::1]:0"},
	{Addr: "[::]:0"},
	{Addr: "[::]:0", V6Only: true},
	{Addr: "[::ffff:127.0.0.1]:0"},
	{Addr: "127.0.0.1:0", Members: 1},
	{Addr: "0.0.0.0:0", Members: 3},
	{Addr: "[::]:0", Members: 2},
	{Addr: "[::]:0", Members: 2, V6Only: true},
	{Addr: "127.0.0.1:0", MPTCP: true},
	{Addr: "[::]:0", MPTCP: true},
	{Addr: "127.0.0.1:0", Held: true},
	{Addr: "[::]:0", Held: true},
}

// TestWays forces each way at each kind of listener. Who was connected before is served, who was queued is served, who
// comes after is not let in, and is after Undo. Where a way cannot be had, it says why and does no harm.
func TestWays(t *testing.T) {
	for _, s := range servers {
		for _, way := range Best {
			t.Run(s.String()+"/"+way.String(), func(t *testing.T) {
				t.Parallel()
				tryServer(t, s, way)
			})
		}
	}
}

func tryServer(t *testing.T, s server, way Way) {
	r := start(t, s)
	before := r.dial()
	l := r.listener()
	got, err := l.Quiesce(way)
	if want := can(t, way, s); want != nil {
		var refused *RefusedError
		if got != None || !errors.Is(err, want) || !errors.As(err, &refused) {
			t.Fatalf("it is %v with error %v, and should be refused by %v", got, err, want)
		}
		r.tell("accept")
		r.served(before...)
		r.served(r.dial()...)
		return
	}
	if err != nil || got != way || l.Way() != way {
		t.Fatalf("it is %v, %v with error %v", got, l.Way(), err)
	}
	r.closed()
	r.tell("accept")
	r.served(before...)
	r.closed()
	if err := l.Reprove(); err != nil {
		t.Error(err)
	}
	for range 2 { // and once more over
		if err := l.Undo(); err != nil {
			t.Fatal(err)
		}
		r.served(r.dial()...)
		if _, err := l.Quiesce(way); err != nil {
			t.Fatal(err)
		}
		r.closed()
	}
}

// TestPortIsFreeAtOnce: with the duplicates released before and the sentinel closed after the end of a program, its
// port is free for its next life. It runs alone, for a fork holds all descriptors for a moment.
func TestPortIsFreeAtOnce(t *testing.T) {
	for _, s := range []server{{Addr: "127.0.0.1:0"}, {Addr: "[::]:0", Members: 2}, {Addr: "127.0.0.1:0", Held: true}} {
		for _, way := range Best {
			if can(t, way, s) != nil {
				continue // TestWays has its word
			}
			t.Run(s.String()+"/"+way.String(), func(t *testing.T) {
				r := start(t, s)
				r.tell("accept")
				l := r.listener()
				if _, err := l.Quiesce(way); err != nil {
					t.Fatal(err)
				}
				l.Release()
				r.closed()
				r.stop()
				if r.held != nil {
					r.held.Close()
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				again, err := net.Listen("tcp", r.addr.String())
				if err != nil {
					t.Fatalf("the port is not free at once: %v", err)
				}
				again.Close()
			})
		}
	}
}

// TestNothingLeaks counts descriptors.
func TestNothingLeaks(t *testing.T) {
	r := start(t, server{Addr: "[::]:0"})
	r.tell("accept")
	r.served(r.dial()...) // and Go's own descriptors are open
	Probe()
	before := openFDs(t)
	for range 3 {
		for _, way := range Best {
			list, _ := Listeners([]int{r.pid, os.Getpid()})
			for _, l := range list {
				if _, err := l.Quiesce(way); err == nil {
					if err := l.Undo(); err != nil {
						t.Error(err)
					}
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if after := openFDs(t); len(after) != len(before) {
		t.Errorf("descriptors before: %q\nafter: %q", before, after)
	}
}

// TestAt takes what is known to listen, without a look at all descriptors.
func TestAt(t *testing.T) {
	r := start(t, server{Addr: "127.0.0.1:0", Members: 2})
	want := r.listener()
	var places []Place
	for fd := range 64 {
		if ino, ok := socketInode(fmt.Sprintf("/proc/%d/fd/%d", r.pid, fd)); ok {
			places = append(places, Place{PID: r.pid, FD: fd, Inode: ino})
		}
	}
	places = append(places, Place{PID: r.pid, FD: 1000, Inode: want.Inodes()[0]}, Place{PID: 1 << 30, Inode: want.Inodes()[0]})
	list, problems := At(places)
	sorted := func(l *Listener) []uint64 { return slices.Sorted(slices.Values(l.Inodes())) }
	if len(list) != 1 || list[0].String() != want.String() || !slices.Equal(sorted(list[0]), sorted(want)) {
		t.Fatalf("%v, want %v", list, want)
	}
	for _, p := range problems {
		if mayDuplicate() {
			t.Error(p)
		}
	}
	if more, _ := At(places, list...); len(more) != 0 {
		t.Errorf("%v is new", more)
	}
	list[0].Close()
}
