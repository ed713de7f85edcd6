package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"lastout/process/quiesce"
	"lastout/supervisor/config"
)

// door is what of a tree's listeners is turned away from, and how.
type door struct {
	ways     []quiesce.Way // empty: none is wanted
	ports    []int         // only these listeners; none: all
	all      []*quiesce.Listener
	held     heldDoor
	open     []string // addresses at which no way works, for people
	released bool
}

func newDoor(drain config.Drain) door {
	d := door{ports: drain.Ports}
	switch way, ok := quiesce.ParseWay(drain.Quiesce); {
	case !ok: // "auto", or not said
		d.ways = quiesce.Best
	case way != quiesce.None:
		d.ways = []quiesce.Way{way}
	}
	return d
}

func (d *door) wanted() bool { return len(d.ways) > 0 }

// shut turns new connections away from the tree's listeners, those that are new since the last call included, and sees
// whether those that are turned away from still are. It returns what does not work here, for people.
func (d *door) shut(at []quiesce.Place, listening map[uint32]bool, inner places) []string {
	said := append(d.keep(listening), d.shutHeld(inner)...)
	found, problems := quiesce.At(at, slices.Concat(d.all, d.held.known)...)
	for _, p := range problems {
		// Of a socket that cannot be had it matters only whether some way works at it all the same.
		if p.What != "" && errors.Is(p.Err, quiesce.ErrUnproven) {
			said = append(said, p.Error())
		}
	}
	for _, l := range found {
		if !d.means(l) {
			l.Close()
			continue
		}
		if inner.has(l.Addr()) {
			said = append(said, ownClient(l))
			l.Close()
			continue
		}
		if _, err := l.Quiesce(d.ways...); err != nil {
			said = append(said, err.Error())
			d.open = append(d.open, l.String())
			l.Close()
			continue
		}
		d.all = append(d.all, l)
	}
	if d.released {
		d.release()
	}
	return said
}

// keep proves again that new connections are turned away where a socket of the program's went, and gives up addresses
// at which the program does not listen any more.
func (d *door) keep(listening map[uint32]bool) []string {
	var said []string
	d.all = slices.DeleteFunc(d.all, func(l *quiesce.Listener) bool {
		left := 0
		inodes := l.Inodes()
		for _, inode := range inodes {
			if listening[uint32(inode)] {
				left++
			}
		}
		switch {
		case left == 0:
			l.Close()
			return true
		case left < len(inodes):
			if err := l.Reprove(); err != nil {
				said = append(said, err.Error())
			}
		}
		return false
	})
	return said
}

// means says whether the configuration means a listener.
func (d *door) means(l *quiesce.Listener) bool {
	return len(d.ports) == 0 || slices.Contains(d.ports, int(l.Addr().Port()))
}

// inodes are the program's sockets that are turned away from.
func (d *door) inodes() map[uint32]bool {
	inodes := map[uint32]bool{}
	for _, l := range d.all {
		for _, inode := range l.Inodes() {
			inodes[uint32(inode)] = true
		}
	}
	for x, how := range d.held.shut {
		if how != "" {
			for _, inode := range x.door.Inodes() {
				inodes[uint32(inode)] = true
			}
		}
	}
	return inodes
}

// how says for people what was done: "filter on 2 listeners".
func (d *door) how() string {
	if !d.wanted() {
		return "not wanted"
	}
	var words []string
	for _, way := range quiesce.Best {
		n := 0
		for _, l := range d.all {
			if l.Way() == way {
				n++
			}
		}
		if n += d.countHeld(way.String()); n > 0 {
			words = append(words, fmt.Sprintf("%v on %s", way, plural(n, "listener")))
		}
	}
	if n := d.countHeld(movedAside); n > 0 {
		words = append(words, movedAside+" on "+plural(n, "unix socket"))
	}
	if len(d.open) > 0 {
		words = append(words, "not possible here on "+strings.Join(d.open, ", "))
	}
	if len(words) == 0 {
		return "nothing listens"
	}
	return strings.Join(words, "; ")
}

// release closes the duplicates; new connections are still turned away.
func (d *door) release() {
	d.released = true
	for _, l := range d.all {
		l.Release()
	}
}

// letIn lets new connections in again at the tree's own listeners; the held ones are the loop's. It returns what does not
// work, for people.
func (d *door) letIn() (said []string) {
	for _, l := range d.all {
		if err := l.Undo(); err != nil {
			said = append(said, err.Error())
		}
		l.Close()
	}
	d.all, d.open, d.released, d.held.shut = nil, nil, false, nil
	return said
}

// close gives everything back: the ports are free.
func (d *door) close() {
	for _, l := range d.all {
		l.Close()
	}
	d.all = nil
}
