package sockdiag

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Listener is a listening socket of which a tree has a descriptor.
type Listener struct {
	Network string         // tcp4, tcp6 or unix
	Addr    netip.AddrPort // of tcp
	V6Only  bool           // of tcp6: it takes no IPv4 clients
	Path    string         // of unix; an abstract one begins with @
	Inode   uint32
	UID     uint32   // of tcp
	Queue   uint32   // connections that wait to be accepted
	Backlog uint32   // how many may
	Holders []Holder // whoever has it, in the order in which the processes were given
}

// String is the address by which a configuration would name it.
func (l *Listener) String() string {
	if l.Network == "unix" {
		return "unix:" + l.Path
	}
	return l.Addr.String()
}

// Listeners finds the listening sockets of a tree, sorted by network, address and inode: TCP, and UNIX sockets that
// keep connections. Several with one address are an SO_REUSEPORT group. What could not be seen is told by problems,
// one of a kind; err is of the dump itself.
func (d *Diag) Listeners(pids []int) (listeners []Listener, problems []Problem, err error) {
	all := make(map[uint32]Listener)
	tcp, err := d.List(Query{States: Of(Listening), NoInfo: true}, nil)
	if err != nil {
		return nil, nil, err
	}
	for i := range tcp {
		l := tcpListener(&tcp[i])
		all[l.Inode] = l
	}
	// Where there is no unix_diag, TCP will do.
	if err := d.unixListeners(all); err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, nil, err
	}
	holders, problems := d.Descriptors(pids, func(inode uint32) bool { _, ok := all[inode]; return ok })
	for inode, h := range holders {
		l := all[inode]
		l.Holders = h
		listeners = append(listeners, l)
	}
	slices.SortFunc(listeners, func(a, b Listener) int {
		return cmp.Or(compareAddress(&a, &b), cmp.Compare(a.Inode, b.Inode))
	})
	return listeners, problems, nil
}

func tcpListener(s *Sample) Listener {
	network := "tcp4"
	if s.IPv6 {
		network = "tcp6"
	}
	return Listener{
		Network: network, Addr: s.Local, V6Only: s.V6Only, Inode: s.Inode, UID: s.UID,
		Queue: s.Unread, Backlog: s.Unsent,
	}
}

func (d *Diag) unixListeners(into map[uint32]Listener) error {
	return Repeat(func() error {
		return d.Unix(Of(Listening), func(u *UnixSample) {
			into[u.Inode] = Listener{
				Network: "unix", Path: u.Path, Inode: u.Inode, Queue: u.Unread, Backlog: u.Unsent,
			}
		})
	})
}

func compareAddress(a, b *Listener) int {
	return cmp.Or(cmp.Compare(a.Network, b.Network), a.Addr.Compare(b.Addr), cmp.Compare(a.Path, b.Path))
}

// Groups puts listeners with the same address together, in the order of Listeners. More than one in a group share its
// connections by SO_REUSEPORT.
func Groups(listeners []Listener) [][]Listener {
	sorted := slices.Clone(listeners)
	slices.SortStableFunc(sorted, func(a, b Listener) int { return compareAddress(&a, &b) })
	var groups [][]Listener
	for i, l := range sorted {
		if i == 0 || compareAddress(&sorted[i-1], &l) != 0 {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], l)
	}
	return groups
}

// ConnectionsOf is the query for all connections of listeners, those that wait to be accepted included. An IPv6
// listener may have IPv4 clients, but all its connections are IPv6 sockets.
func ConnectionsOf(listeners []Listener) Query {
	q := Query{Ports: Ports(listeners), States: Serving}
	has := func(network string) bool {
		return slices.ContainsFunc(listeners, func(l Listener) bool { return l.Network == network })
	}
	switch v4, v6 := has("tcp4"), has("tcp6"); {
	case v4 && !v6:
		q.Network = "tcp4"
	case v6 && !v4:
		q.Network = "tcp6"
	}
	return q
}

// Ports are the TCP ports of listeners, each once: what a query for their connections wants.
func Ports(listeners []Listener) []uint16 {
	ports := []uint16{} // not nil, which would be a query for all ports there are
	for _, l := range listeners {
		if l.Network != "unix" {
			ports = append(ports, l.Addr.Port())
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}
