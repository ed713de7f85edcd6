package held

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Network is the kind of a socket.
type Network string

// The networks.
const (
	TCP  Network = "tcp"
	UDP  Network = "udp"
	Unix Network = "unix" // a stream
)

// Address is where a socket is bound.
type Address struct {
	Network Network
	IP      netip.AddrPort // of TCP and UDP
	Both    bool           // an IP that is not specified, of both families
	Path    string         // of Unix; "@x" is abstract
}

// MaxPath is how long the path of a unix socket may be (unix(7)).
const MaxPath = 107

// Parse reads an address: "host:port", "[v6]:port", "udp:host:port", "unix:/path" or "unix:@name". The host is an
// address of this machine, "localhost" (127.0.0.1), or "*" or nothing, which is all addresses of both families.
// "0.0.0.0" and "[::]" are those of one family.
func Parse(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return parsePath(path)
	}
	a := Address{Network: TCP}
	if rest, ok := strings.CutPrefix(s, "udp:"); ok {
		a.Network, s = UDP, rest
	}
	s = strings.TrimPrefix(s, "tcp:")
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return a, noAddress(s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return a, fmt.Errorf("%q: the port is not between 1 and 65535", s)
	}
	switch host {
	case "", "*":
		a.Both, host = true, "::"
	case "localhost":
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return a, fmt.Errorf("%q: %q is no address of this machine: names are not looked up (such as \"127.0.0.1:%d\", "+
			"or \"*:%d\" for all)", s, host, n, n)
	}
	a.IP = netip.AddrPortFrom(ip.Unmap(), uint16(n))
	return a, nil
}

// noAddress says what may have been meant.
func noAddress(s string) error {
	_, err := strconv.ParseUint(s, 10, 16)
	switch {
	case err == nil:
		return fmt.Errorf("%q is no host:port (did you mean %q?)", s, "127.0.0.1:"+s)
	case strings.HasPrefix(s, "/") || strings.HasPrefix(s, "@") || strings.HasPrefix(s, "./"):
		return fmt.Errorf("%q is no host:port (did you mean %q?)", s, "unix:"+s)
	case strings.Count(s, ":") > 1:
		return fmt.Errorf("%q is no host:port (an IPv6 address stands in brackets, such as \"[::1]:8080\")", s)
	default:
		return fmt.Errorf("%q is no host:port (such as \"127.0.0.1:8080\", \"unix:/run/app.sock\" or \"udp:127.0.0.1:53\")", s)
	}
}

func parsePath(path string) (Address, error) {
	a := Address{Network: Unix, Path: path}
	switch {
	case path == "" || path == "@":
		return a, errors.New(`"unix:" names no path (such as "unix:/run/app.sock")`)
	case len(path) > MaxPath:
		return a, fmt.Errorf("%q: the path of a unix socket has %d bytes at most, and this has %d", "unix:"+path, MaxPath, len(path))
	}
	return a, nil
}

// Abstract says whether it is a unix socket without a file.
func (a Address) Abstract() bool { return a.Network == Unix && strings.HasPrefix(a.Path, "@") }

// String is the address as Parse reads it.
func (a Address) String() string {
	switch {
	case a.Network == Unix:
		return "unix:" + a.Path
	case a.Both:
		return a.prefix() + fmt.Sprintf("*:%d", a.IP.Port())
	default:
		return a.prefix() + a.IP.String()
	}
}

func (a Address) prefix() string {
	if a.Network == UDP {
		return "udp:"
	}
	return ""
}

// Overlaps says whether the kernel would not let two sockets be bound there.
func (a Address) Overlaps(b Address) bool {
	if a.Network != b.Network {
		return false
	}
	if a.Network == Unix {
		return a.Path == b.Path
	}
	return a.IP.Port() == b.IP.Port() && (a.covers(b.IP.Addr()) || b.covers(a.IP.Addr()) || a.Both || b.Both)
}

// Takes says whether a client that connects to ip comes to this address.
func (a Address) Takes(ip netip.AddrPort) bool {
	return a.Network == TCP && a.IP.Port() == ip.Port() && (a.Both || a.covers(ip.Addr().Unmap()))
}

func (a Address) covers(ip netip.Addr) bool {
	return a.IP.Addr() == ip || a.IP.Addr().IsUnspecified() && a.IP.Addr().Is4() == ip.Is4()
}
