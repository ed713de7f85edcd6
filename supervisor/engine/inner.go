package engine

import (
	"fmt"

	"lastout/process/sockdiag"
)

// insideMost bounds how many connections from this host to a tree are looked at for whether the tree itself made them.
const insideMost = 512

// findInner learns at which of its listeners a tree is its own client: a router and the workers behind it may be one
// program. Those are left as they are, for what is in hand needs them. Only a client that is seen tells, connected or
// waiting for an answer to its SYN; connected asks for the former too, which takes a while.
func (v *view) findInner(pids func() []int, connected bool) (found bool, err error) {
	if v.named || v.blind() || v.diag == nil {
		return false, nil
	}
	clients, err := v.diag.List(sockdiag.Query{States: sockdiag.Of(sockdiag.SynSent), NoInfo: true}, nil)
	if err == nil && connected {
		clients, err = v.neighbours(clients)
	}
	if err != nil {
		return false, err
	}
	to := map[uint32]*sockdiag.Sample{} // by inode
	for i := range clients {
		if s := &clients[i]; s.Inode != 0 && v.where.has(s.Peer) {
			to[s.Inode] = s
		}
	}
	if len(to) == 0 {
		return false, nil
	}
	holders, _ := v.diag.Descriptors(pids(), func(inode uint32) bool { return to[inode] != nil })
	for inode := range holders {
		peer := plain(to[inode].Peer)
		if v.where.whole[peer.Port()] {
			v.inner.whole[peer.Port()] = true
		} else {
			v.inner.exact[peer] = true
		}
	}
	v.where.drop(v.inner)
	return len(holders) > 0, nil
}

// neighbours adds the other ends of the tree's connections with this host.
func (v *view) neighbours(clients []sockdiag.Sample) ([]sockdiag.Sample, error) {
	var ports []uint16
	established := sockdiag.Query{States: sockdiag.Of(sockdiag.Established), NoInfo: true}
	err := v.each(established, func() { ports = []uint16{} }, func(s *sockdiag.Sample) {
		if len(ports) < insideMost && plain(s.Local).Addr() == plain(s.Peer).Addr() {
			ports = append(ports, s.Peer.Port())
		}
	})
	if err != nil {
		return clients, err
	}
	if len(ports) == 0 {
		return clients, nil
	}
	query := sockdiag.Query{Ports: ports, States: sockdiag.Of(sockdiag.Established), NoInfo: true}
	ends, err := v.diag.List(query, nil)
	return append(clients, ends...), err
}

// drop takes other places out.
func (p places) drop(q places) {
	for port := range q.whole {
		delete(p.whole, port)
	}
	for a := range q.exact {
		delete(p.exact, a)
	}
}

// reopen lets new connections in again where the tree is its own client. It returns what came of it, for people.
func (d *door) reopen(inner places) []string {
	said := d.reopenHeld(inner)
	kept := d.all[:0]
	for _, l := range d.all {
		if !inner.has(l.Addr()) {
			kept = append(kept, l)
			continue
		}
		said = append(said, ownClient(l))
		if err := l.Undo(); err != nil {
			said = append(said, err.Error())
		}
		l.Close()
	}
	d.all = kept
	return said
}

func ownClient(l fmt.Stringer) string {
	return "new connections are not turned away from " + l.String() + ": its own processes connect there"
}
