package demo

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// listen opens host:port or unix:PATH; a path that begins with @ is in the abstract namespace and leaves no file. Ports
// are opened with SO_REUSEPORT, so that a second socket of the same address can take over what newly arrives.
func listen(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return net.Listen("unix", path)
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		if err == nil {
			err = failed
		}
		return err
	}}
	config.SetMultipathTCP(false) // such a socket takes no program for its SO_REUSEPORT group
	return config.Listen(context.Background(), "tcp", address)
}

// dialer is the transport's way to a server that may be at the end of a unix socket: unix:PATH.
func dialer(address string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return nil
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
}

// client talks HTTP to one server, given as http://host:port, host:port or unix:PATH. The URL is its root.
func client(address string) (*http.Client, *url.URL, error) {
	transport := &http.Transport{DialContext: dialer(address), MaxIdleConnsPerHost: 256, DisableCompression: true}
	text := address
	switch {
	case transport.DialContext != nil:
		text = "http://unix"
	case !strings.Contains(address, "://"):
		text = "http://" + address
	}
	root, err := url.Parse(text)
	if err != nil || root.Host == "" {
		return nil, nil, fmt.Errorf("cannot use the address %q: it is neither host:port nor unix:PATH", address)
	}
	return &http.Client{Transport: transport}, root, nil
}

// trimUnix is the path of a unix socket, with or without its scheme.
func trimUnix(address string) string { return strings.TrimPrefix(address, "unix:") }

// where is a listener's address as people and programs may use it.
func where(l net.Listener) string {
	if l.Addr().Network() == "unix" {
		return "unix:" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

// sayReady tells whoever started this program that it is ready, if that was asked for (sd_notify(3)): one datagram to
// the socket that NOTIFY_SOCKET names.
func sayReady() error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		return fmt.Errorf("cannot say that it is ready: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("READY=1\n")); err != nil {
		return fmt.Errorf("cannot say that it is ready: %w", err)
	}
	return nil
}
