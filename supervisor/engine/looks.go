package engine

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"lastout/process/sockdiag"
)

// givenUp are the looks over HTTP that nobody answered in time. Who listens and is not up yet has them in its queue for
// as long as that takes: when they end then, no client was cut off.
type givenUp struct {
	mu   sync.Mutex
	when map[netip.AddrPort]time.Time // by our own address
}

// mostGivenUp is how many are remembered: half an hour of looks that take two seconds each.
const mostGivenUp = 1000

// add remembers a look by its connection, which is about to be reset.
func (g *givenUp) add(conn net.Conn) {
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.when == nil || len(g.when) >= mostGivenUp {
		g.when = make(map[netip.AddrPort]time.Time)
	}
	addr := local.AddrPort()
	g.when[netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())] = time.Now()
}

// has says whether a connection that was looked at is one of them, and not a later one from the same port.
func (g *givenUp) has(s *sockdiag.Sample, at time.Time) bool {
	c := s.Connection()
	g.mu.Lock()
	defer g.mu.Unlock()
	when, ok := g.when[netip.AddrPortFrom(c.Peer.Addr().Unmap().WithZone(""), c.Peer.Port())]
	return ok && at.Add(-c.LastReceived).Before(when)
}
