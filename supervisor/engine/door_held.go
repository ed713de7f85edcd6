package engine

import (
	"slices"

	"lastout/process/quiesce"
)

// heldDoor is the part of a door that is lastout's own: held listeners need no look into the tree, nor its leave.
type heldDoor struct {
	known []*quiesce.Listener // all that are held, whoever has them: they are not the tree's
	held  []*holding          // those that go with the tree
	shut  map[*holding]string // of these, how new connections are turned away; nothing: they are not
}

// shutHeld turns new connections away from the held listeners that go with the tree.
func (d *door) shutHeld(inner places) []string {
	var said []string
	if d.held.shut == nil {
		d.held.shut = map[*holding]string{}
	}
	for _, x := range d.held.held {
		if _, done := d.held.shut[x]; done || !d.meansHeld(x) {
			continue
		}
		if at, ok := x.port(); ok && inner.has(at) {
			said = append(said, ownClient(x))
			d.held.shut[x] = ""
			continue
		}
		how, err := x.turnAway(d.ways)
		if err != nil {
			said = append(said, err.Error())
			d.open = append(d.open, x.String())
			how = ""
		}
		d.held.shut[x] = how
	}
	return said
}

func (d *door) meansHeld(x *holding) bool {
	at, ok := x.port()
	return len(d.ports) == 0 || ok && slices.Contains(d.ports, int(at.Port()))
}

// reopenHeld lets new connections in again where the tree is its own client.
func (d *door) reopenHeld(inner places) []string {
	var said []string
	for _, x := range d.held.held {
		if at, ok := x.port(); !ok || !inner.has(at) || d.held.shut[x] == "" {
			continue
		}
		d.held.shut[x] = ""
		x.shut.Store(false)
		said = append(said, ownClient(x))
		if err := x.letIn(); err != nil {
			said = append(said, err.Error())
		}
	}
	return said
}

// countHeld counts the held listeners at which new connections are turned away in one way.
func (d *door) countHeld(way string) int {
	n := 0
	for _, how := range d.held.shut {
		if how == way {
			n++
		}
	}
	return n
}
