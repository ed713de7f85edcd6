package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Domain is a group that was given to us, with a folder of ours below it in which each run has its own group. One
// goroutine at a time may use it.
type Domain struct {
	Home string // the group we were started in
	Root string // ours, below it
	State

	// Mine says whether a process in Home may be moved with us.
	Mine func(pid int) bool
	// Hybrid says whether a controller belongs to version 1 on this machine, for people.
	Hybrid func(controller string) bool

	fs    files
	tried map[string]error
}

// State is what was changed, and is to be taken back.
type State struct {
	On    []string // controllers that we switched on for Home
	Moved []int    // who went from Home to our leaf
}

// Open makes a Domain of a folder that is made already.
func Open(home, root string, state State) *Domain {
	return &Domain{Home: home, Root: root, State: state, fs: kernel, tried: map[string]error{}}
}

// Found is the State that somebody left behind who could not take it back. Where there is no leaf nothing was changed in
// Home, as far as can be seen.
func Found(root string) (s State) {
	if leaf := leafOf(root); kernel.has(leaf) {
		s.Moved = kernel.members(leaf)
		s.On = kernel.words(filepath.Join(root, "cgroup.subtree_control"))
	}
	return s
}

// leafOf is where we go ourselves.
func leafOf(root string) string { return filepath.Join(root, "lastout") }

func (d *Domain) leaf() string { return leafOf(d.Root) }

// Enable switches a controller on for the groups of runs. It is tried once.
func (d *Domain) Enable(controller string) error {
	err, known := d.tried[controller]
	if !known {
		err = d.enable(controller)
		d.tried[controller] = err
	}
	return err
}

func (d *Domain) enable(controller string) error {
	switches := filepath.Join(d.Root, "cgroup.subtree_control")
	if d.fs.lists(switches, controller) {
		return nil
	}
	if !d.fs.lists(filepath.Join(d.Root, "cgroup.controllers"), controller) {
		if err := d.enableHome(controller); err != nil {
			return err
		}
	}
	return d.toggle(d.Root, "+"+controller)
}

// enableHome switches a controller on for our own folder, and gets us out of the way where that is needed.
func (d *Domain) enableHome(controller string) error {
	if err := d.Lacks(controller); err != nil {
		return err
	}
	if !d.isRoot() && len(d.Moved) == 0 {
		if err := d.retreat(); err != nil {
			d.advance()
			return err
		}
	}
	if err := d.toggle(d.Home, "+"+controller); err != nil {
		if len(d.On) == 0 {
			d.advance()
		}
		return err
	}
	d.On = append(d.On, controller)
	return nil
}

// isRoot says whether Home is the root of the whole hierarchy, the only group without a cgroup.type. It may have both
// processes and controllers.
func (d *Domain) isRoot() bool {
	_, err := d.fs.Read(filepath.Join(d.Home, "cgroup.type"))
	return errors.Is(err, fs.ErrNotExist)
}

// Lacks says why Home has not got a controller; nil: it has.
func (d *Domain) Lacks(controller string) error {
	have := d.fs.words(filepath.Join(d.Home, "cgroup.controllers"))
	switch {
	case slices.Contains(have, controller):
		return nil
	case d.Hybrid != nil && d.Hybrid(controller):
		return fmt.Errorf("this machine has the %s controller on cgroup v1", controller)
	case len(have) == 0:
		return fmt.Errorf("no controller is delegated to %s", d.Home)
	}
	return fmt.Errorf("the %s controller is not delegated to %s (it has %s)", controller, d.Home, strings.Join(have, ", "))
}

func (d *Domain) toggle(dir, word string) error {
	path := filepath.Join(dir, "cgroup.subtree_control")
	if err := d.fs.Write(path, word); err != nil {
		return fmt.Errorf("cannot write %s to %s: %w", word, path, reason(err))
	}
	return nil
}

// retreat moves us, and who is ours, from Home to the leaf. Nobody may be left: a controller of memory could not be
// switched on then, and one of threads (pids, cpu) would turn Home into a group whose groups hold threads only.
func (d *Domain) retreat() error {
	if err := d.fs.Mkdir(d.leaf()); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("cannot make %s: %w", d.leaf(), reason(err))
	}
	for _, pid := range d.fs.members(d.Home) {
		if !d.mine(pid) {
			continue
		}
		err := d.move(pid, d.leaf())
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
		d.Moved = append(d.Moved, pid)
	}
	if others := d.others(); others != "" {
		return fmt.Errorf("%s holds processes that are not of lastout: %s", d.Home, others)
	}
	return nil
}

// advance moves back whom retreat moved.
func (d *Domain) advance() {
	for _, pid := range d.fs.members(d.leaf()) {
		_ = d.move(pid, d.Home) // where that is not possible we stay: nothing else depends on it
	}
	d.Moved = nil
	_ = d.fs.Rmdir(d.leaf())
}

func (d *Domain) move(pid int, dir string) error {
	path := filepath.Join(dir, "cgroup.procs")
	if err := d.fs.Write(path, fmt.Sprint(pid)); err != nil {
		return fmt.Errorf("cannot write %d to %s: %w", pid, path, reason(err))
	}
	return nil
}

func (d *Domain) mine(pid int) bool { return pid > 0 && d.Mine != nil && d.Mine(pid) }

// others names who is in Home and not ours.
func (d *Domain) others() string {
	var words []string
	for _, pid := range d.fs.members(d.Home) {
		switch {
		case d.mine(pid):
		case pid == 0:
			words = append(words, "one outside this container")
		default:
			words = append(words, fmt.Sprintf("pid %d", pid))
		}
		if len(words) == 3 {
			break
		}
	}
	return strings.Join(words, ", ")
}

// Close takes back what was changed. The groups of runs must be removed already.
func (d *Domain) Close() {
	for _, controller := range d.On {
		_ = d.toggle(d.Root, "-"+controller)
		_ = d.toggle(d.Home, "-"+controller)
	}
	d.On = nil
	d.advance()
}
