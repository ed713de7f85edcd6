package control

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastout/supervisor"
)

// answers says that the server answers within its bounds, whatever else goes on.
func (s *served) answers() {
	s.t.Helper()
	client := NewClient(s.path)
	defer client.Close()
	if _, err := client.Status(within(s.t), nil, false); err != nil {
		s.t.Errorf("no answer: %v", err)
	}
}

// closes says that the server ends, though those at the other end do nothing to that end.
func (s *served) closes() {
	s.t.Helper()
	ended := make(chan struct{})
	go func() {
		s.Server.Close(100 * time.Millisecond)
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		s.t.Fatal("it does not end")
	}
}

// Thousands of connections of which nothing comes: who came last is served, and only so many are kept.
func TestIdleCrowd(t *testing.T) {
	const many = 5000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Max < many+1000 {
		skip(t, fmt.Sprintf("only %d descriptors", limit.Max))
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		skip(t, fmt.Sprintf("cannot have more descriptors: %v", err))
	}
	s := serveOurs(t, newFake())
	conns := make([]net.Conn, many)
	for i := range conns {
		if i%500 == 0 {
			s.answers() // so the queue of those who wait to be accepted is empty
		}
		conns[i] = s.dial()
		if i%2 == 0 {
			fmt.Fprint(conns[i], "GET /v1/status HTTP/1.1\r\nHost: x\r\n") // half a request
		}
	}
	s.answers()
	for _, conn := range conns[:many-2*maxConnections] {
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil || isTimeout(err) {
			t.Fatalf("an old connection is kept: %v", err)
		}
	}
	s.answers()
	s.closes()
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// A request of 1 GiB is refused at its head, or as soon as it is too large.
func TestHugeRequests(t *testing.T) {
	s := serveOurs(t, newFake())
	for name, head := range map[string]string{
		"announced": "POST /v1/down HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n",
		"chunked":   "POST /v1/down HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\n",
		"head":      "GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Long: ",
	} {
		conn := s.dial()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		sent := make(chan int64)
		go func() {
			n, _ := io.Copy(conn, io.MultiReader(strings.NewReader(head), io.LimitReader(blanks{}, 1<<30)))
			sent <- n
		}()
		answer, _ := io.ReadAll(conn)
		if !strings.Contains(string(answer), " 413 ") && !strings.Contains(string(answer), " 431 ") {
			t.Errorf("%s is answered by %.200q", name, answer)
		}
		conn.Close()
		if n := <-sent; n > 8<<20 {
			t.Errorf("%s: %d bytes were taken", name, n)
		}
	}
	if len(s.stopped) > 0 {
		t.Errorf("it was stopped: %q", s.stopped)
	}
	s.answers()
}

type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// Followers that never read fill their sockets and hold nobody: there are places for so many, the others are told so, and
// the end cuts them off.
func TestFollowersThatNeverRead(t *testing.T) {
	s := serveOurs(t, newFake())
	for range maxFollowers {
		conn := s.dial()
		fmt.Fprint(conn, "GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := conn.Read(make([]byte, 16)); err != nil { // it has its place
			t.Fatal(err)
		}
	}
	long := strings.Repeat("x", 4<<10)
	for range 5000 {
		s.report(supervisor.Report{Kind: supervisor.KindNote, Cause: long})
	}
	if status, _, text := s.ask("GET", "/v1/events?follow=true", ""); status != 503 || !strings.Contains(text, "no place") {
		t.Errorf("one more gets %d %s", status, text)
	}
	const stop = `{"names": ["api"], "wait": true}`
	if status, _, text := s.ask("POST", "/v1/stop", stop); status != 503 || !strings.Contains(text, "no place") || len(s.asked) > 0 {
		t.Errorf("who wants to wait gets %d %s; begun were %v", status, text, s.asked)
	}
	s.answers()
	s.Recorder.Close()
	s.closes()
}

// Whoever has gone gives his place back.
func TestPlacesComeBack(t *testing.T) {
	s := serveOurs(t, newFake())
	for range 3 * maxFollowers {
		ctx, cancel := context.WithCancel(within(t))
		if err := s.client.Follow(ctx, func() error { cancel(); return ctx.Err() }, nil); err == nil {
			t.Fatal("it went on")
		}
		for len(s.followers) == maxFollowers { // the server hears of it when the kernel tells it
			s.report(supervisor.Report{Kind: supervisor.KindNote})
		}
	}
}

// One who reads slowly misses some, and is told so.
func TestSlowFollower(t *testing.T) {
	s := serveOurs(t, newFake())
	long := strings.Repeat("x", 4<<10)
	gap := false
	n := 0
	err := s.client.Follow(within(t), func() error {
		for range 5000 {
			s.report(supervisor.Report{Kind: supervisor.KindNote, Cause: long})
		}
		s.Recorder.Close()
		return nil
	}, func(r supervisor.Report) error {
		n++
		gap = gap || strings.HasPrefix(r.Cause, "events are missing here")
		return nil
	})
	if err != nil || n < 10 || n > 4990 && !gap {
		t.Errorf("got %d, gap %v: %v", n, gap, err)
	}
}
