package acceptance

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// three are children that leave at once.
const three = `
[process.c]
command = ["$CHILD", "-record", "$DIR/c", "-ready", "3"]
ready = { fd = 3 }
instances = 3
`

// attack is something that a client of the control socket does to it.
type attack struct {
	name  string
	begin func(t *testing.T, dial func() net.Conn)
}

// send begins a request by hand.
func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

var attacks = []attack{
	{"nothing", func(*testing.T, func() net.Conn) {}},
	{"5,000 idle connections", func(_ *testing.T, dial func() net.Conn) {
		for range 5000 {
			dial()
		}
	}},
	{"500 half-sent requests", func(t *testing.T, dial func() net.Conn) {
		for range 500 {
			send(t, dial(), "POST /v1/down HTTP/1.1\r\nHost: x\r\nContent-Le")
		}
	}},
	{"100 half-sent bodies", func(t *testing.T, dial func() net.Conn) {
		for range 100 {
			send(t, dial(), "POST /v1/down HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{")
		}
	}},
	{"a request of 1 GiB", func(t *testing.T, dial func() net.Conn) {
		conn := dial()
		send(t, conn, "POST /v1/down HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n")
		answer, _ := bufio.NewReader(conn).ReadString('\n')
		if !strings.Contains(answer, " 413 ") {
			t.Errorf("it is answered by %q", answer)
		}
	}},
	{"32 followers that never read", func(t *testing.T, dial func() net.Conn) {
		for i := range 32 {
			path := []string{"/v1/events?follow=true", "/v1/logs?follow=true"}[i%2]
			send(t, dial(), "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		}
	}},
}

// TestControlSocketHoldsNobody attacks the control socket: the tree is supervised as before (who dies is started again),
// status answers, and a shutdown is over as soon as without.
func TestControlSocketHoldsNobody(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < 6000 {
		unable(t, fmt.Sprintf("only %d descriptors: %v", limit.Cur, err))
	}
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "c.sock")
			x := launch(t, three, "--socket", socket)
			x.untilReady(3)
			a.begin(t, func() net.Conn { return dialBlocking(t, socket) })
			if err := syscall.Kill(x.lives("c")[0].pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			x.until("the successor", func(es []entry) bool { return count(es, "ready") == 4 })
			if a.name != "100 half-sent bodies" { // those have the right to be waited for, within their bound
				status(t, socket)
			}
			code, took := x.stop(syscall.SIGTERM)
			if code != 0 || took > 10*time.Second {
				t.Errorf("exit %d after %v", code, took)
			}
			t.Logf("the shutdown took %v", took)
		})
	}
}

// dialBlocking connects as a program without a netpoller does: it waits while the queue of the socket is full.
func dialBlocking(t *testing.T, path string) net.Conn {
	t.Helper()
	for {
		conn, err := (&net.Dialer{}).DialContext(context.Background(), "unix", path)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			return conn
		}
		if err := await(path); err != nil {
			t.Fatal(err)
		}
	}
}

// await waits in the kernel until there is room in the queue of a socket: connect(2) of a blocking one does.
func await(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
}

func status(t *testing.T, socket string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	defer cancel()
	out, err := exec.CommandContext(ctx, lastoutBin, "status", "--socket", socket).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "3/3 ready") {
		t.Errorf("status: %v\n%s", err, out)
	}
}
