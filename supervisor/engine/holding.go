package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"lastout/process/held"
	"lastout/process/quiesce"
	"lastout/supervisor/config"
)

// holding is a socket that lastout keeps open for those who are handed it, from before the first of them starts until
// the last of them has left.
type holding struct {
	*held.Socket
	name  string      // of its table
	index int         // of its table, in the configuration
	given *held.Given // of a service manager, which keeps it; nil: lastout's own

	shut   atomic.Bool // the loop wants new connections turned away
	closed bool        // of the loop: nobody will be handed it any more

	mu   sync.Mutex        // held by whoever shuts, opens or closes it, which takes time
	over bool              // it is closed
	door *quiesce.Listener // nil: it takes no connections
}

// openHoldings opens the sockets that somebody is handed, or takes those that a service manager has opened for them.
// Where one cannot be had, none is.
func openHoldings(c *config.Config, given []*held.Given) ([]*holding, error) {
	found := matchGiven(c.Sockets, given)
	var all []*holding
	for i := range c.Sockets {
		s := &c.Sockets[i]
		if !isUsed(c, i) {
			continue
		}
		for _, a := range s.Listen {
			x, err := openHolding(s, i, a, found[wanted{i, a}])
			if err != nil {
				for _, other := range all {
					other.close()
				}
				return nil, fmt.Errorf("socket %q (%s:%d): %w", s.Name, c.File, s.Line, err)
			}
			all = append(all, x)
		}
	}
	return all, nil
}

// isUsed says whether somebody may be handed a socket: a process that has no instances may be given some.
func isUsed(c *config.Config, index int) bool {
	for id := range c.Processes {
		if c.Specs[id].Enabled && slices.Contains(c.Processes[id].Sockets, index) {
			return true
		}
	}
	return false
}

func openHolding(s *config.Socket, index int, a held.Address, given *held.Given) (*holding, error) {
	var socket *held.Socket
	var err error
	if given != nil {
		socket, err = given.Take(s.Options)
	} else {
		socket, err = held.Open(a, s.Options)
	}
	if err != nil {
		return nil, err
	}
	x := &holding{Socket: socket, name: s.Name, index: index, given: given}
	return x, x.makeDoor()
}

// makeDoor makes that by which new connections are turned away. Where it cannot be had, the socket is closed.
func (x *holding) makeDoor() (err error) {
	if x.Address.Network == held.UDP {
		return nil
	}
	if x.door, err = quiesce.Own(int(x.File.Fd())); err != nil {
		x.Close()
	}
	return err
}

// wanted is one address of a configured socket.
type wanted struct {
	index int
	at    held.Address
}

// matchGiven finds which of the sockets that a service manager has opened stand for which configured ones: first by
// their address, then, in order, by the name that the service manager has for them.
func matchGiven(sockets []config.Socket, given []*held.Given) map[wanted]*held.Given {
	found := map[wanted]*held.Given{}
	taken := map[*held.Given]bool{}
	match := func(fits func(s *config.Socket, a held.Address, g *held.Given) bool) {
		for i := range sockets {
			for _, a := range sockets[i].Listen {
				for _, g := range given {
					if w := (wanted{i, a}); found[w] == nil && !taken[g] && fits(&sockets[i], a, g) {
						found[w], taken[g] = g, true
					}
				}
			}
		}
	}
	match(func(_ *config.Socket, a held.Address, g *held.Given) bool { return a == g.Address })
	match(func(s *config.Socket, a held.Address, g *held.Given) bool {
		return s.Name == g.Name && a.Network == g.Address.Network
	})
	return found
}

// dropGiven closes what of the service manager's sockets nobody takes, and says so.
func (h *Host) dropGiven(given []*held.Given) {
	for _, g := range given {
		if !slices.ContainsFunc(h.holdings, func(x *holding) bool { return x.given == g }) {
			g.Close()
			h.unwanted = append(h.unwanted, fmt.Sprintf("the service manager's socket %s is closed: no [socket.NAME] that "+
				"somebody is handed has its name or its address", g))
		}
	}
}

// String names it for people.
func (x *holding) String() string { return x.Address.String() }

// port is where its clients come in; 0: nowhere that could be seen.
func (x *holding) port() (netip.AddrPort, bool) { return x.Address.IP, x.Address.Network == held.TCP }

// movedAside is how new connections are turned away from the file of a unix socket.
const movedAside = "moving its file aside"

// hides says whether new connections are turned away by that.
func (x *holding) hides() bool { return x.Address.Network == held.Unix && !x.Address.Abstract() }

// turnAway turns new connections away, by lastout's own descriptor, whatever may be done to the program's processes.
// Whoever is in, or queued, goes on.
func (x *holding) turnAway(ways []quiesce.Way) (how string, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case !x.shut.Load() || x.over || x.door == nil:
		return "", nil // it was let in again meanwhile, or it is closed
	case x.hides():
		if err := x.Hide(); err != nil {
			return "", err
		}
		return movedAside, nil
	}
	way, err := x.door.Quiesce(ways...)
	return way.String(), err
}

// letIn lets new connections in again, unless the loop wants otherwise by now.
func (x *holding) letIn() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.shut.Load() || x.over {
		return nil
	}
	return x.open()
}

func (x *holding) open() error {
	if err := x.Show(); err != nil || x.door == nil {
		return err
	}
	return x.door.Undo()
}

// close lets go of it. One that somebody else opened, and keeps, takes connections again; of our own nobody gets in at
// the last moment, for the listener goes before what keeps them out.
func (x *holding) close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	var err error
	if x.given != nil {
		err = x.open()
	}
	if x.door != nil {
		x.door.Release()
	}
	x.Close()
	if x.door != nil {
		x.door.Close()
	}
	return err
}

// Held says which sockets are held, for the log.
func (h *Host) Held() []string {
	var all []string
	for _, x := range h.holdings {
		from := ""
		if x.given != nil {
			from = ", the service manager's"
		}
		all = append(all, fmt.Sprintf("holds %s (socket %q%s)", x, x.name, from))
	}
	return append(all, h.unwanted...)
}

// handedTo are the sockets that a process is handed, in the order of its descriptors.
func (h *Host) handedTo(proc *config.Process) []*holding {
	var all []*holding
	for _, i := range proc.Sockets {
		for _, x := range h.holdings {
			if x.index == i {
				all = append(all, x)
			}
		}
	}
	return all
}

// hand gives a run its sockets, and tells it of them in its dialect.
func (h *Host) hand(c *child, proc *config.Process) {
	holdings := h.handedTo(proc)
	if len(holdings) == 0 {
		return
	}
	for len(c.files) < held.FirstFD {
		c.files = append(c.files, nil)
	}
	var names, nginx, fpm []string
	for i, x := range holdings {
		c.files = append(c.files, x.File)
		names = append(names, x.name)
		nginx = append(nginx, fmt.Sprintf("%d;", held.FirstFD+i))
		fpm = append(fpm, fmt.Sprintf("%s=%d", fpmName(x.Address), held.FirstFD+i))
	}
	switch proc.Dialect {
	case config.NginxFDs:
		c.env = withEnv(c.env, "NGINX="+strings.Join(nginx, ""))
	case config.FPMFDs:
		c.env = withEnv(c.env, "FPM_SOCKETS="+strings.Join(fpm, ","))
	case config.ListenFDs, config.OwnFDs, config.NoSockets:
		c.env = withEnv(c.env, fmt.Sprintf("LISTEN_FDS=%d", len(holdings)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
		c.ownPID = []string{"LISTEN_PID"}
	}
}

// fpmName is an address as php-fpm writes it.
func fpmName(a held.Address) string {
	if a.Network == held.Unix {
		return a.Path
	}
	return a.IP.String()
}

// doors are all held listeners as the package quiesce knows them.
func (h *Host) doors() []*quiesce.Listener {
	var all []*quiesce.Listener
	for _, x := range h.holdings {
		if x.door != nil {
			all = append(all, x.door)
		}
	}
	return all
}

// users are the runs that have a socket.
func (h *Host) users(x *holding) []*life {
	var all []*life
	for _, c := range h.runs {
		l, ok := c.part.(*life)
		if ok && slices.Contains(l.set.proc.Sockets, x.index) {
			all = append(all, l)
		}
	}
	return all
}

// closing are the sockets of a run that new connections are turned away from with it. One that others take connections
// from too is left to them, unless all are on their way out.
func (h *Host) closing(run *life) []*holding {
	var all []*holding
	for _, x := range h.handedTo(run.set.proc) {
		stays := slices.ContainsFunc(h.users(x), func(l *life) bool { return l != run && !l.isShut() })
		if h.down || !stays {
			x.shut.Store(true)
			all = append(all, x)
		}
	}
	return all
}

func (l *life) isShut() bool { return l.drainer != nil && l.drainer.orders.Load().shut }

// leave sees to the sockets of a run that has left. At the end of the tree those that nobody has any more are closed;
// else they are kept, and who is let in waits for the next run.
func (h *Host) leave(proc *config.Process) {
	for _, x := range h.handedTo(proc) {
		users := h.users(x)
		switch {
		case h.down && len(users) == 0:
			h.drop(x)
		case !h.down && x.shut.Load() && !slices.ContainsFunc(users, (*life).isShut):
			x.shut.Store(false)
			h.drainers.Go(func() { h.noteError(x.letIn()) })
		}
	}
}

// dropUnused closes the sockets that nobody has, when nobody will be started any more.
func (h *Host) dropUnused() {
	for _, x := range h.holdings {
		if len(h.users(x)) == 0 {
			h.drop(x)
		}
	}
}

func (h *Host) drop(x *holding) {
	if !x.closed {
		x.closed = true
		h.drainers.Go(func() { h.noteError(x.close()) })
	}
}

func (h *Host) noteError(err error) {
	if err != nil {
		h.noteOnce(err.Error())
	}
}
