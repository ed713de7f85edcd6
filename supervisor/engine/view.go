package engine

import (
	"maps"
	"net/netip"
	"strings"
	"time"

	"lastout/process/quiesce"
	"lastout/process/sockdiag"
)

// places are where a tree listens, or has listened: what its clients are connected to. A program that drains itself
// closes its listeners, and its connections are looked at all the same.
type places struct {
	exact map[netip.AddrPort]bool
	whole map[uint16]bool // ports of any address
}

func newPlaces() places { return places{exact: map[netip.AddrPort]bool{}, whole: map[uint16]bool{}} }

func (p places) add(a netip.AddrPort) {
	if a.Addr().IsUnspecified() {
		p.whole[a.Port()] = true
		return
	}
	p.exact[plain(a)] = true
}

func (p places) join(q places) {
	for port := range q.whole {
		p.whole[port] = true
	}
	for a := range q.exact {
		p.exact[a] = true
	}
}

// has says whether a connection's own side is one of them.
func (p places) has(local netip.AddrPort) bool { return p.whole[local.Port()] || p.exact[plain(local)] }

// ports are all their ports, and not nil, which would be a query for all there are.
func (p places) ports() []uint16 {
	ports := []uint16{}
	for port := range p.whole {
		ports = append(ports, port)
	}
	for a := range p.exact {
		ports = append(ports, a.Port())
	}
	return ports
}

// plain is an address as an IPv4 client sees it, without a zone, which the kernel does not tell of connections.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// view is what the kernel shows of a tree's listeners and connections.
type view struct {
	diag  *sockdiag.Diag // opened at the first look
	judge *sockdiag.Judge

	named    bool // the places are those of the configuration
	where    places
	inner    places                        // listeners that it is the client of itself; not among the others
	unix     []string                      // its unix listeners, for people
	unixHeld bool                          // it has unix sockets that lastout holds
	holds    bool                          // and others
	unseen   bool                          // something of it cannot be seen
	told     map[sockdiag.ProblemKind]bool // what of that was said; by which processes it is seen changes
	known    map[uint32]bool               // all listening sockets of the last look, of anybody
	ours     map[uint32]bool               // those of the tree, as far as it was looked into
	at       []quiesce.Place               // who of the tree has them
	families map[string]bool               // of those, tcp4 and tcp6: a connection is of its listener's

	refusal string // why it is not known of some connections who spoke last; they are taken for busy for a while

	buf      []sockdiag.Sample
	holding  map[uint64]bool // connections that held at the last look, by cookie
	vanished map[uint64]bool // those that held and were gone at the next look, until the kernel tells of their end
	ended    time.Time       // when one of those was last seen to be gone
}

func newView(ports []int) view {
	v := view{where: newPlaces(), inner: newPlaces(), named: len(ports) > 0, holding: map[uint64]bool{}}
	v.told, v.vanished, v.families = map[sockdiag.ProblemKind]bool{}, map[uint64]bool{}, map[string]bool{}
	for _, port := range ports {
		v.where.whole[uint16(port)] = true
	}
	return v
}

// hold tells the view where lastout itself listens for the tree: that is known also where its processes cannot be looked
// into.
func (v *view) hold(holdings []*holding) {
	for _, x := range holdings {
		v.unixHeld = v.unixHeld || x.hides()
		if at, ok := x.port(); ok && !v.named {
			v.holds = true
			v.where.add(at)
		}
	}
}

func (v *view) open() error {
	if v.diag != nil {
		return nil
	}
	diag, err := sockdiag.Open()
	if err != nil {
		return err
	}
	v.diag, v.judge = diag, sockdiag.NewJudge(diag)
	return nil
}

func (v *view) close() {
	if v.diag != nil {
		v.diag.Close()
		v.diag = nil
	}
}

// listening looks who listens, and says whether that has changed so that the tree must be looked into: somebody new
// listens, who may be of the tree, or one of the tree does no more.
func (v *view) listening() (changed bool, err error) {
	if err := v.open(); err != nil {
		return v.known == nil, err
	}
	v.buf, err = v.diag.List(sockdiag.Query{States: sockdiag.Of(sockdiag.Listening), NoInfo: true}, v.buf)
	if err != nil {
		return v.known == nil, err
	}
	now := make(map[uint32]bool, len(v.buf))
	for i := range v.buf {
		inode := v.buf[i].Inode
		now[inode] = true
		changed = changed || !v.known[inode]
	}
	for inode := range v.ours {
		changed = changed || !now[inode]
	}
	changed = changed || v.known == nil
	v.known = now
	return changed, nil
}

// find looks into the tree for its listeners. It returns what could not be seen, for people.
func (v *view) find(pids []int) []string {
	if v.diag == nil {
		return nil
	}
	listeners, problems, err := v.diag.Listeners(pids)
	if err != nil {
		return []string{err.Error()}
	}
	v.ours, v.at, v.unix, v.unseen = map[uint32]bool{}, nil, nil, len(problems) > 0
	for i := range listeners {
		l := &listeners[i]
		for _, h := range l.Holders {
			v.at = append(v.at, quiesce.Place{PID: h.PID, FD: h.FD, Inode: uint64(l.Inode)})
		}
		if l.Network == "unix" {
			v.unix = append(v.unix, l.String())
			continue
		}
		v.ours[l.Inode] = true
		v.families[l.Network] = true
		if !v.named && !v.inner.has(l.Addr) {
			v.where.add(l.Addr)
		}
	}
	var said []string
	for _, p := range problems {
		if !v.named && !v.told[p.Kind] {
			v.told[p.Kind] = true
			said = append(said, p.String())
		}
	}
	if len(v.unix) > 0 {
		said = append(said, "cannot see who is connected to "+strings.Join(v.unix, ", "))
	}
	return said
}

// blind says that nothing is known of how the tree's clients come in.
func (v *view) blind() bool { return len(v.where.whole) == 0 && len(v.where.exact) == 0 }

// light is how much of a tree's connections can be seen.
type light uint8

const (
	lit      light = iota
	nothing        // it listens nowhere, or only where connections cannot be seen
	darkness       // it may listen somewhere, but could not be looked into
)

func (v *view) light() light {
	switch {
	case !v.blind():
		return lit
	case v.unseen:
		return darkness
	default:
		return nothing
	}
}

// network is the family of all connections of the tree, empty for both: the kernel walks through its whole table for each
// family that is asked for. Where not everything of the tree is seen, or somebody else listens for it, both are.
func (v *view) network() string {
	if v.named || v.unseen || v.holds || len(v.families) != 1 {
		return ""
	}
	for family := range v.families {
		return family
	}
	return ""
}

// queued counts who waits in the accept queues of the given sockets, and young handshakes on all ports of the tree.
func (v *view) queued(inodes map[uint32]bool) (int, error) {
	if err := v.open(); err != nil {
		return 0, err
	}
	n, err := v.queuedUnix(inodes)
	if err != nil || v.blind() {
		return n, err
	}
	q := sockdiag.Query{
		Network: v.network(), Ports: v.where.ports(), States: sockdiag.Of(sockdiag.Listening, sockdiag.SynRecv), NoInfo: true,
	}
	if v.buf, err = v.diag.List(q, v.buf); err != nil {
		return n, err
	}
	for i := range v.buf {
		s := &v.buf[i]
		switch {
		case s.State == sockdiag.Listening && inodes[s.Inode]:
			n += int(s.Unread)
		case s.State == sockdiag.SynRecv && v.where.has(s.Local) && sockdiag.Classify(s) == sockdiag.HalfOpen:
			n++
		}
	}
	return n, nil
}

// queuedUnix counts who waits in the queues of unix sockets that new connections are turned away from.
func (v *view) queuedUnix(inodes map[uint32]bool) (n int, err error) {
	if !v.unixHeld {
		return 0, nil
	}
	err = v.diag.Unix(sockdiag.Of(sockdiag.Listening), func(u *sockdiag.UnixSample) {
		if inodes[u.Inode] {
			n += int(u.Unread)
		}
	})
	return n, err
}

// sight is one look at the connections.
type sight struct {
	holds    [sockdiag.Exit + 1]int // by mode, half-open handshakes excepted
	halfOpen int
	quiet    time.Duration // since the last thing happened that matters; sockdiag.Forever: nothing ever did
	owed     int           // connections whose client has not acknowledged everything
	sent     time.Duration // since anything was sent last

	preconnects []sockdiag.Sample
}

func newSight() *sight { return &sight{quiet: sockdiag.Forever, sent: sockdiag.Forever} }

// look reads the connections.
func (v *view) look(pids func() []int) (*sight, error) {
	if err := v.open(); err != nil {
		return nil, err
	}
	if v.blind() {
		return newSight(), nil
	}
	var s *sight
	var holding, left map[uint64]bool
	take := func(x *sockdiag.Sample, c sockdiag.Class) {
		s.add(x, c)
		if c.Holds(sockdiag.Quiet) && c != sockdiag.HalfOpen {
			holding[x.Cookie] = true
		}
		if c != sockdiag.None {
			delete(left, x.Cookie)
		}
	}
	// There may be tens of thousands, of which nothing is kept but those that are for a judge.
	err := v.each(sockdiag.Query{States: sockdiag.Serving}, func() {
		s, holding, left, v.buf = newSight(), map[uint64]bool{}, maps.Clone(v.holding), v.buf[:0]
	}, func(x *sockdiag.Sample) {
		if c := sockdiag.Classify(x); c != sockdiag.Unsure {
			take(x, c)
			return
		}
		v.buf = append(v.buf, *x)
	})
	if err != nil {
		return nil, err
	}
	if len(v.buf) > 0 {
		if err := v.judge.Settle(v.buf, pids()); err != nil {
			v.refusal = err.Error()
		}
	}
	for i := range v.buf {
		take(&v.buf[i], v.judge.Class(&v.buf[i]))
	}
	for cookie := range left { // it is gone, and leaves no trace of its last activity
		v.ended, v.vanished[cookie] = time.Now(), true
	}
	v.holding = holding
	if !v.ended.IsZero() {
		s.quiet = min(s.quiet, time.Since(v.ended))
	}
	return s, nil
}

// heard takes the kernel's word that a connection has ended.
func (v *view) heard(cookie uint64) {
	if v.holding[cookie] {
		v.ended = time.Now()
	}
	delete(v.holding, cookie)
	delete(v.vanished, cookie)
}

// each shows the connections of the tree that a query names beside its ports. It may begin anew; begin is called first
// each time.
func (v *view) each(q sockdiag.Query, begin func(), visit func(*sockdiag.Sample)) error {
	q.Ports, q.Network = v.where.ports(), v.network()
	return sockdiag.Repeat(func() error {
		begin()
		return v.diag.TCP(q, func(s *sockdiag.Sample) {
			if v.where.has(s.Local) {
				visit(s)
			}
		})
	})
}

// samples are the connections of the tree that are in some states.
func (v *view) samples(states sockdiag.States) ([]sockdiag.Sample, error) {
	err := v.each(sockdiag.Query{States: states}, func() { v.buf = v.buf[:0] }, func(s *sockdiag.Sample) {
		v.buf = append(v.buf, *s)
	})
	return v.buf, err
}

// add takes one connection into the sight. Who waits to be accepted and has not said a word is nothing that happened:
// own connections, by which it is proven that others are turned away, wait so too.
func (s *sight) add(x *sockdiag.Sample, c sockdiag.Class) {
	switch c {
	case sockdiag.None, sockdiag.Waiting, sockdiag.HalfOpenLate:
		return
	case sockdiag.HalfOpen:
		s.halfOpen++
		return
	case sockdiag.Preconnect:
		s.preconnects = append(s.preconnects, *x)
	case sockdiag.Queued, sockdiag.Unread, sockdiag.Unanswered, sockdiag.Unsure, sockdiag.Sending, sockdiag.Idle,
		sockdiag.Ended:
	}
	for _, mode := range []sockdiag.Mode{sockdiag.Quiet, sockdiag.Connections, sockdiag.Exit} {
		if c.Holds(mode) {
			s.holds[mode]++
		}
	}
	s.quiet = min(s.quiet, x.Since())
	if x.Owed() > 0 {
		s.owed++
	}
	if x.Info.Size > 0 && x.Info.BytesAcked > 0 {
		s.sent = min(s.sent, time.Duration(x.Info.LastSent)*time.Millisecond)
	}
}
