package sockdiag

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestMain is also the helper that benchmarks start, called with -crowd N.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "-crowd" {
		if err := crowd(os.Args[2]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// crowd has so many connections with itself, each of which was answered once. It says its port and holds until its
// input ends.
func crowd(number string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	conns := make([]net.Conn, 0, 2*n)
	for range n {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			return err
		}
		s, err := l.Accept()
		if err != nil {
			return err
		}
		conns = append(conns, c, s)
		for _, way := range [][2]net.Conn{{c, s}, {s, c}} {
			if _, err := way[0].Write([]byte("word")); err != nil {
				return err
			}
			if _, err := io.ReadFull(way[1], make([]byte, 4)); err != nil {
				return err
			}
		}
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	_, err = io.Copy(io.Discard, os.Stdin)
	for _, c := range conns {
		// A reset leaves nothing in the kernel's table, which the next benchmark walks through.
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	return err
}

// startCrowd starts one in a process of its own, because a connection with oneself costs two descriptors.
func startCrowd(b *testing.B, n int) (port uint16, pid int) {
	b.Helper()
	c := exec.Command(os.Args[0], "-crowd", strconv.Itoa(n))
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	p, err := strconv.ParseUint(strings.TrimSpace(line), 10, 16)
	if err != nil {
		b.Skipf("a crowd of %d: %s", n, line)
	}
	return uint16(p), c.Process.Pid
}

// sockopt sets an option of a socket before it is bound.
func sockopt(level, option, value int) func(string, string, syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) error {
		var err error
		if e := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), level, option, value) }); e != nil {
			return e
		}
		return err
	}
}
