package engine

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// helperVar makes the test binary be one of the helpers.
const helperVar = "ENGINE_TEST_HELPER"

func TestMain(m *testing.M) {
	if name := os.Getenv(helperVar); name != "" {
		os.Exit(helpers[name](os.Args[1:]))
	}
	// As process.Boot does: what we inherited is nobody else's. Of what is ignored, as nohup leaves SIGHUP, a shell makes
	// no trap.
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// helpers are what the tests' children do. Those that shall become ready wait for a line from the named pipe first.
var helpers = map[string]func(args []string) int{
	"many": manyHelper, "accepts": acceptsHelper, "clients": clientsHelper, "connects": connectsHelper,

	// tcp ADDRESS FIFO listens.
	"tcp": func(args []string) int {
		waitFor(args[1])
		l, err := net.Listen("tcp", args[0])
		if err != nil {
			return fail(err)
		}
		defer l.Close()
		return untilTold()
	},

	// http ADDRESS FIFO answers 503 until it is told, and 204 then.
	"http": func(args []string) int {
		ready := make(chan struct{})
		l, err := net.Listen("tcp", args[0])
		if err != nil {
			return fail(err)
		}
		go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			select {
			case <-ready:
				w.WriteHeader(http.StatusNoContent)
			default:
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		waitFor(args[1])
		close(ready)
		return untilTold()
	},

	// notify FIFO says READY=1 to the socket it was given.
	"notify": func(args []string) int {
		waitFor(args[0])
		if err := sendReady(os.Getenv("NOTIFY_SOCKET")); err != nil {
			return fail(err)
		}
		return untilTold()
	},

	// watchdog says WATCHDOG=1 a few times, and then that it has failed.
	"watchdog": func([]string) int {
		for _, word := range []string{"WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=trigger"} {
			if err := send(os.Getenv("NOTIFY_SOCKET"), word); err != nil {
				return fail(err)
			}
		}
		return untilTold()
	},

	// stranger SOCKET says READY=1 to the socket of another, and ends.
	"stranger": func(args []string) int {
		if err := sendReady(args[0]); err != nil {
			return fail(err)
		}
		return 0
	},

	// noisy FIFO writes until nobody takes it, says so to the pipe, waits for TERM, has last words, and ends.
	"noisy": func(args []string) int {
		if err := fill(1); err != nil {
			return fail(err)
		}
		told := make(chan os.Signal, 1)
		signal.Notify(told, syscall.SIGTERM)
		if err := os.WriteFile(args[0], []byte("full\n"), 0); err != nil {
			return fail(err)
		}
		<-told
		// Longer than what a page of the pipe may have left, so that nobody leaves before it is taken or dropped.
		fmt.Println("last words", strings.Repeat("!", 64<<10))
		return 0
	},

	"gateway": gatewayHelper,
	"held":    heldHelper,
	"nginx":   nginxHelper,

	// flood LINES waits for TERM, writes so many lines, and ends.
	"flood": func(args []string) int {
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return fail(err)
		}
		told := make(chan os.Signal, 1)
		signal.Notify(told, syscall.SIGTERM)
		fmt.Println("flood waits")
		<-told
		out := bufio.NewWriterSize(os.Stdout, 512)
		for i := range n {
			fmt.Fprintf(out, "line %d\n", i)
		}
		if err := out.Flush(); err != nil {
			return fail(err)
		}
		return 0
	},
}

// fill writes lines to a pipe until there has been no room for some time.
func fill(fd int) error {
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	noise := bytes.Repeat([]byte("noise\n"), 600)
	for {
		_, err := unix.Write(fd, noise)
		switch {
		case err == unix.EAGAIN:
			if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 200); n == 0 {
				return unix.SetNonblock(fd, false)
			}
		case err != nil && err != unix.EINTR:
			return err
		}
	}
}

// waitFor says that it waits, and does until a line is there.
func waitFor(fifo string) {
	f, err := os.Open(fifo)
	if err != nil {
		os.Exit(fail(err))
	}
	fmt.Println("waits")
	if _, err := bufio.NewReader(f).ReadString('\n'); err != nil {
		os.Exit(fail(err))
	}
	f.Close()
}

func untilTold() int {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	<-told
	return 0
}

func sendReady(socket string) error {
	return send(socket, "STATUS=up\nREADY=1\n")
}

// send sends a datagram to a notify socket.
func send(socket, text string) error {
	conn, err := net.Dial("unixgram", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(text))
	return err
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 111
}

// skip skips a test that cannot be had here, and fails it where everything is expected to be had.
func skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("LASTOUT_CI") == "1" {
		t.Fatalf("cannot be tested here, and should be: %s", reason)
	}
	t.Skip(reason)
}
