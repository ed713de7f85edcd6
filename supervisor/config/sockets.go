package config

import (
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"lastout/process/held"
)

// The defaults of held listeners.
const (
	defaultBacklog = 4096
	defaultMode    = "0660"
)

// socketVariables are the variables by which a program is told of the sockets it is handed.
var socketVariables = []string{"LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "NGINX", "FPM_SOCKETS"}

// sockets reads the held listeners.
func (l *loader) sockets(c *Config, main *table) {
	all := main.table("socket")
	for _, name := range slices.SortedFunc(maps.Keys(all.vals), byLine(all.at)) {
		if all.bad(name) {
			continue
		}
		t := all.table(name)
		s := l.socket(name, t)
		for i, a := range s.Listen {
			l.alone(c.Sockets, s, t, i, a)
		}
		c.Sockets = append(c.Sockets, s)
	}
	l.held = c.Sockets
}

func (l *loader) socket(name string, t *table) Socket {
	b := &builder{l: l, who: fmt.Sprintf("socket %q: ", name), scope: scope{lookup: l.environ.lookup}}
	s := Socket{
		Name: name, Line: t.at.line,
		Options: held.Options{Backlog: t.integer("backlog", defaultBacklog), ReusePort: t.flag("reuseport", false)},
	}
	for _, written := range t.list("listen") {
		if a, ok := b.listen(written); ok {
			s.Listen = append(s.Listen, a)
		}
	}
	if len(t.list("listen")) == 0 && !t.bad("listen") {
		b.fault(t.place("listen"), `listen: an address is missing (such as listen = "127.0.0.1:8080")`)
	}
	s.Mode = b.mode(t)
	s.UID = b.accountNumber(t, "user", lookupUser)
	s.GID = b.accountNumber(t, "group", lookupGroup)
	b.onlyFiles(t, s)
	return s
}

// listen reads one address. The path of a unix socket is relative to the file it is written in.
func (b *builder) listen(written text) (held.Address, bool) {
	s, ok := b.expand(written.at, "listen", written.s)
	if !ok {
		return held.Address{}, false
	}
	if path, ok := strings.CutPrefix(s, "unix:"); ok && path != "" && path[0] != '@' {
		s = "unix:" + abs(written.at, path)
	}
	a, err := held.Parse(s)
	if err != nil {
		b.fault(written.at, "listen: %v", err)
	}
	return a, err == nil
}

func (b *builder) mode(t *table) fs.FileMode {
	s := t.str("mode", defaultMode)
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 {
		b.fault(t.place("mode"), "mode: %q is no mode of a file (such as %q)", s, defaultMode)
	}
	return fs.FileMode(n)
}

// onlyFiles refuses what is about the file of a unix socket where there is none.
func (b *builder) onlyFiles(t *table, s Socket) {
	if slices.ContainsFunc(s.Listen, func(a held.Address) bool { return a.Network == held.Unix && !a.Abstract() }) {
		return
	}
	for _, key := range []string{"mode", "user", "group"} {
		if t.has(key) && !t.bad(key) && len(s.Listen) > 0 {
			b.fault(t.place(key), "%s: it is about the file of a unix socket, and this one has none (leave it out)", key)
		}
	}
}

// alone refuses an address that is taken already.
func (l *loader) alone(others []Socket, s Socket, t *table, i int, a held.Address) {
	for _, other := range append(slices.Clone(others), Socket{Name: s.Name, Listen: s.Listen[:i]}) {
		for _, taken := range other.Listen {
			if a.Overlaps(taken) {
				l.fault(t.place("listen"), fmt.Sprintf("socket %q: listen: %s is taken by %s of socket %q", s.Name, a, taken,
					other.Name))
				return
			}
		}
	}
}

// handed finds the sockets that a process is handed, and in which way it is told of them.
func (l *loader) handed(p *process) {
	if !p.t.has("sockets") || p.t.bad("sockets") {
		return
	}
	p.built.Dialect = ListenFDs
	if p.preset != nil {
		p.built.Dialect = p.preset.Sockets
	}
	if p.built.Dialect == NoSockets {
		l.fault(p.t.place("sockets"), p.who+fmt.Sprintf("sockets: %s opens its own and takes none that are open already "+
			"(leave it out)", p.preset.Name))
	}
	next := held.FirstFD
	for _, item := range p.t.list("sockets") {
		i := slices.IndexFunc(l.held, func(s Socket) bool { return s.Name == item.s })
		switch {
		case i < 0:
			l.fault(item.at, p.who+fmt.Sprintf("sockets: there is no [socket.%s]%s", item.s, nearWord(item.s, l.socketNames())))
			continue
		case slices.Contains(p.built.Sockets, i):
			l.fault(item.at, p.who+fmt.Sprintf("sockets: %q is there twice", item.s))
			continue
		}
		p.built.Sockets = append(p.built.Sockets, i)
		next += len(l.held[i].Listen)
	}
	if fd := p.t.table("ready").integer("fd", next); fd < next {
		l.fault(p.t.table("ready").place("fd"), p.who+fmt.Sprintf("ready.fd: descriptors 3 to %d are its sockets "+
			"(did you mean %d?)", next-1, next))
	}
}

func (l *loader) socketNames() []string {
	names := make([]string, len(l.held))
	for i, s := range l.held {
		names[i] = s.Name
	}
	return names
}

// shareSockets sees what concerns a socket and all who have it.
func (l *loader) shareSockets(c *Config, found []*process) {
	for id, p := range found {
		c.Specs[id].Held = len(p.built.Sockets) > 0
		for _, i := range p.built.Sockets {
			// nginx takes it for granted that its listeners do not block; whoever else cares sees to it.
			c.Sockets[i].NonBlock = c.Sockets[i].NonBlock || p.built.Dialect == NginxFDs
		}
		for _, inst := range p.built.Instances {
			l.readyBefore(p, inst.Probe.TCP)
		}
	}
}

// readyBefore refuses a probe that is true before anybody accepts: the kernel takes connections for a held listener from
// the start.
func (l *loader) readyBefore(p *process, probe string) {
	at, err := netip.ParseAddrPort(strings.Replace(probe, "localhost:", "127.0.0.1:", 1))
	if err != nil {
		return
	}
	for _, s := range l.held {
		for _, a := range s.Listen {
			if a.Takes(at) {
				l.fault(p.t.table("ready").place("tcp"), p.who+fmt.Sprintf("ready.tcp: %s is held by lastout (socket %q), and "+
					"accepts before any program does (did you mean ready.http, or ready.log?)", probe, s.Name))
				return
			}
		}
	}
}

// lintSockets warns of listeners that nobody is handed, and of queues that the kernel will cut.
func (l *loader) lintSockets(c *Config, found []*process) {
	most := maxBacklog()
	for i, s := range c.Sockets {
		t := l.main.table("socket").table(s.Name)
		if !slices.ContainsFunc(found, func(p *process) bool { return slices.Contains(p.built.Sockets, i) }) {
			l.warn(t.at, "socket %q: no process is handed it: it is not opened (sockets = [%q])", s.Name, s.Name)
		}
		if t.has("backlog") && most > 0 && s.Backlog > most {
			l.warn(t.place("backlog"), "socket %q: backlog: the kernel cuts %d to %d (net.core.somaxconn)", s.Name, s.Backlog, most)
		}
	}
}

// maxBacklog is what listen(2) cuts a backlog to; 0: not known.
func maxBacklog() int {
	text, err := readFile("/proc/sys/net/core/somaxconn")
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}

// lintDialect warns of a program that is known by its name, and is told of its sockets in a way it does not understand.
func (l *loader) lintDialect(p *process) {
	known := p.known()
	if p.preset != nil || known == nil || len(p.built.Sockets) == 0 {
		return
	}
	switch known.Sockets {
	case NginxFDs, FPMFDs:
		l.warn(p.t.place("sockets"), "%ssockets: %s does not take them as LISTEN_FDS (did you mean preset = %q?)", p.who,
			known.Name, known.Name)
	case NoSockets:
		l.warn(p.t.place("sockets"), "%ssockets: %s opens its own and takes none that are open already", p.who, known.Name)
	case ListenFDs, OwnFDs:
	}
}
