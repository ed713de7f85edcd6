package config

import (
	"fmt"
	"net"
	"net/netip"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"lastout/process/held"
)

// Control is how a running tree is looked at and operated.
type Control struct {
	Socket string        // the path of the control socket, absolute; NoSocket: there is none; empty: the usual place
	Listen string        // host:port where health and metrics are shown; empty: nowhere
	Users  []ControlUser // who may use the socket beside root and its owner
}

// NoSocket is the Socket of a tree that has none.
const NoSocket = "off"

// ControlUser is one whom control.allow_users names.
type ControlUser struct {
	Name  string // as it is written
	UID   uint32
	Reads bool // he may look, and nothing else
}

// control reads the control plane's settings.
func (l *loader) control(main *table, b *builder) Control {
	t := main.table("control")
	c := Control{Socket: b.socketPath(t), Listen: b.controlAddress(t)}
	for _, entry := range t.list("allow_users") {
		if u, ok := b.controlUser(entry); ok {
			c.Users = append(c.Users, u)
		}
	}
	if len(c.Users) > 0 && c.Socket == NoSocket {
		l.warn(t.place("allow_users"), `control.allow_users: nobody can use a socket that is "off"`)
	}
	return c
}

func (b *builder) socketPath(t *table) string {
	s, ok := b.expand(t.place("socket"), "control.socket", t.str("socket", ""))
	if !ok || s == "" || s == NoSocket {
		if ok && s == "" && t.has("socket") && !t.bad("socket") {
			b.fault(t.place("socket"), `control.socket: it is empty (a path, or "off")`)
		}
		return s
	}
	path := abs(t.place("socket"), s)
	if len(path) > held.MaxPath {
		b.fault(t.place("socket"), "control.socket: the path of %q has %d bytes, and that of a socket may have %d", s, len(path), held.MaxPath)
	}
	return path
}

// controlAddress checks host:port. A port of 0 lets the kernel choose.
func (b *builder) controlAddress(t *table) string {
	s, ok := b.expand(t.place("listen"), "control.listen", t.str("listen", "off"))
	if !ok || s == "off" {
		return ""
	}
	host, port, err := net.SplitHostPort(s)
	n, bad := strconv.Atoi(port)
	switch {
	case err != nil && bareNumber.MatchString(s):
		b.fault(t.place("listen"), "control.listen: %q is no host:port (did you mean %q?)", s, "127.0.0.1:"+s)
	case err != nil || strings.ContainsAny(s, "/ "):
		b.fault(t.place("listen"), "control.listen: %q is no host:port (such as \"127.0.0.1:9180\")", s)
	case bad != nil || n < 0 || n > 65535:
		b.fault(t.place("listen"), "control.listen: %q: the port is not between 1 and 65535", s)
	case !loopback(host):
		b.l.warn(t.place("listen"), "control.listen: whoever reaches %s sees the names and states of all processes "+
			"(127.0.0.1 is for this machine only)", s)
	}
	return s
}

// loopback says whether only this machine reaches a host.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// controlUser reads "NAME", who may do everything, or "NAME:read"; NAME may be a number.
func (b *builder) controlUser(entry text) (ControlUser, bool) {
	name, rights, limited := strings.Cut(entry.s, ":")
	if limited && rights != "read" {
		b.fault(entry.at, `control.allow_users: %q: %q is no right ("NAME" may do everything, "NAME:read" may look)`,
			entry.s, rights)
		return ControlUser{}, false
	}
	u := ControlUser{Name: name, Reads: limited}
	id := name
	if _, err := strconv.ParseUint(name, 10, 32); err != nil {
		known, err := user.Lookup(name)
		if err != nil {
			b.fault(entry.at, "control.allow_users: there is no user %q here", name)
			return ControlUser{}, false
		}
		id = known.Uid
	}
	uid, err := strconv.ParseUint(id, 10, 32)
	u.UID = uint32(uid)
	return u, err == nil
}

// Location is what leads to the control socket of the tree of a configuration.
type Location struct {
	Name   string // of the tree
	Socket string // as in Control
}

// Locate reads no more of a configuration than what leads to its control socket: who wants to look at a running tree
// must be able to, whatever is wrong with the file by now. Env is as in LoadOptions.
func Locate(file string, env []string) (Location, error) {
	text, err := readFile(file)
	if err != nil {
		return Location{}, fmt.Errorf("cannot read %s: %s", file, plainReason(err))
	}
	var written struct {
		Name    string
		Control struct{ Socket string }
	}
	if _, err := toml.Decode(string(text), &written); err != nil {
		return Location{}, fmt.Errorf("cannot read %s: %w (lastout check says more)", file, err)
	}
	full, err := filepath.Abs(file)
	if err != nil {
		return Location{}, err
	}
	at := Location{Name: written.Name, Socket: written.Control.Socket}
	if at.Name == "" {
		at.Name = near(filepath.Base(filepath.Dir(full)))
	}
	if at.Socket == "" || at.Socket == NoSocket {
		return at, nil
	}
	sc := scope{lookup: parseEnviron(env).lookup}
	path, problems := sc.expand(at.Socket)
	if len(problems) > 0 {
		return at, fmt.Errorf("cannot read %s: control.socket: %s", file, problems[0])
	}
	at.Socket = abs(&place{file: &source{dir: filepath.Dir(full)}}, path)
	return at, nil
}
