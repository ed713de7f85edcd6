package engine

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"lastout/process"
	"lastout/process/held"
	"lastout/process/output"
	"lastout/process/recent"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// Kept is a tree with its Host, for a successor: another program in the same process, after an exec. Package image can
// write it. It is whole only while the Host is held.
type Kept struct {
	Machine *supervisor.Machine
	Config  *config.Config

	began   int64 // its instant 0, by CLOCK_MONOTONIC, which an exec does not change
	at      supervisor.Instant
	lastTag uint64
	lastOp  supervisor.Op
	coming  map[supervisor.Op]*config.Config // of reloads under way
	reaper  *process.Kept
	stdout  output.KeptSink
	files   []keptFile
	holding []keptHolding
	live    []keptChild
	queued  []keptOrder
	where   places
	noted   map[string]bool
	shelf   *recent.Shelf // the last of what the children wrote
}

type keptFile struct {
	options output.FileOptions
	first   string
	shared  bool
	sink    output.KeptSink
}

type keptHolding struct {
	socket held.Kept
	name   string
	index  int
	given  bool
}

// Runs tells how many runs are kept.
func (k *Kept) Runs() (n int) {
	for i := range k.live {
		if k.live[i].spawn != nil {
			n++
		}
	}
	return n
}

// Began is the time of the engine's instant 0.
func (k *Kept) Began() time.Time {
	return At(k.began)
}

// Descriptors are those that the successor needs.
func (k *Kept) Descriptors() []int {
	fds := k.reaper.Descriptors()
	for i := range k.files {
		fds = append(fds, k.files[i].sink.File.FD)
	}
	for i := range k.holding {
		fds = append(fds, k.holding[i].socket.FD)
	}
	for i := range k.live {
		c := &k.live[i]
		fds = append(fds, c.notify, c.ready)
		for _, p := range c.pipes {
			fds = append(fds, p.pipe.FD)
		}
	}
	return slices.DeleteFunc(fds, func(fd int) bool { return fd <= 2 })
}

// Check says whether it can be gone on with, as far as that shows without the descriptors.
func (k *Kept) Check() error {
	if k.Machine == nil || k.Config == nil || k.Config.Graph == nil || k.reaper == nil || k.shelf == nil {
		return errors.New("a part of it is missing")
	}
	if err := k.Machine.Check(); err != nil {
		return err
	}
	for i := range k.live {
		if c := &k.live[i]; c.tag == 0 || c.tag > k.lastTag {
			return fmt.Errorf("%s has tag %d of %d", c.name, c.tag, k.lastTag)
		}
	}
	return k.reaper.Check()
}

// keep tells what there is, on the loop of a Host at rest.
func (h *Host) keep(m *supervisor.Machine) (*Kept, error) {
	reaper, err := h.reaper.Keep()
	if err != nil {
		return nil, err
	}
	k := &Kept{
		Machine: m, Config: h.config, began: monotonicOf(h.box.began), at: h.at,
		lastTag: lastTag.Load(), lastOp: h.tickets.issued(), coming: h.coming, reaper: reaper, where: h.where, noted: h.noted, stdout: h.outputs.stdout.Keep(),
		shelf: h.outputs.shelf,
	}
	for _, f := range h.outputs.files {
		k.files = append(k.files, keptFile{options: f.options, first: f.first, shared: f.shared, sink: f.Keep()})
	}
	for _, x := range h.holdings {
		k.holding = append(k.holding, keptHolding{
			socket: x.Keep(), name: x.name, index: x.index, given: x.given != nil,
		})
	}
	for _, c := range h.children {
		if err := h.keepChild(k, c); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(k.live, func(a, b keptChild) int { return int(a.tag) - int(b.tag) })
	slices.SortFunc(k.queued, func(a, b keptOrder) int { return int(a.tag) - int(b.tag) })
	return k, nil
}

// Restore is NewHost for the successor of a Host. What the options say of the tree counts for nothing.
func Restore(o HostOptions, k *Kept) (*Host, error) {
	o.Config = k.Config
	outputs, err := restoreOutputs(o, k)
	if err != nil {
		return nil, err
	}
	h := newHost(o, outputs)
	h.at, h.where, h.noted = k.at, k.where, k.noted
	lastTag.Store(k.lastTag)
	h.tickets.last = k.lastOp
	if k.coming != nil {
		h.coming = k.coming
	}
	for i := range k.holding {
		x, err := restoreHolding(&k.holding[i])
		if err != nil {
			return nil, err
		}
		h.holdings = append(h.holdings, x)
	}
	// What the reaper tells waits in the mailbox until the children are known.
	if h.reaper, err = process.Restore(process.Options{
		Name: o.Config.Name, Notify: h.notify, Register: o.Register,
	}, k.reaper); err != nil {
		return nil, fmt.Errorf("cannot watch over children: %w", err)
	}
	for i := range k.live {
		h.restoreChild(&k.live[i])
	}
	outputs.onError(func(err error) { h.onLoop(func() { h.note(err.Error()) }) })
	outputs.heed(k.Config)
	for i := range k.queued {
		h.Do(k.queued[i].action())
	}
	return h, nil
}

func restoreOutputs(o HostOptions, k *Kept) (*outputs, error) {
	all := newOutputsOf(o)
	all.shelf = k.shelf
	all.shelf.Rejoin()
	all.stdout.Restore(k.stdout)
	for i := range k.files {
		f := &k.files[i]
		file := &logFile{Sink: output.RestoreFile(f.options, f.sink), options: f.options, first: f.first, shared: f.shared}
		all.files = append(all.files, file)
		all.byPath[f.options.Path] = file
	}
	return all, nil
}

func restoreHolding(k *keptHolding) (*holding, error) {
	socket, err := held.Restore(k.socket)
	if err != nil {
		return nil, err
	}
	x := &holding{Socket: socket, name: k.name, index: k.index}
	if k.given {
		x.given = &held.Given{Name: k.name, Address: socket.Address}
	}
	return x, x.makeDoor()
}

// restorePipe goes on with a pipe. Where it was a match that readiness is known by, it is looked for still.
func (h *Host) restorePipe(c *child, k *keptPipe, m *match) {
	o := output.PipeOptions{Recent: h.outputs.shelf.Of(k.recent)}
	var f *logFile
	switch {
	case k.sink == toStdout:
		o.To = h.outputs.stdout
	case k.sink >= 0 && k.sink < len(h.outputs.files):
		f = h.outputs.files[k.sink]
		o.To = f.Sink
	}
	if k.recent == "" {
		o.Recent = nil
	}
	if m != nil {
		o.Match, o.OnMatch = m.pattern, m.found
	}
	pipe, err := output.RestorePipe(o, k.pipe)
	if err != nil {
		h.onLoop(func() { h.note(fmt.Sprintf("%s: %v", c.name, err)) })
		return
	}
	c.pipes = append(c.pipes, pipe)
	if f != nil {
		h.outputs.feeds(pipe, f)
	}
}

// file makes a file of a kept descriptor.
func file(fd int, name string) *os.File { return os.NewFile(uintptr(fd), name) }
