package engine

import (
	"fmt"
	"iter"
	"os"
	"regexp"
	"slices"
	"sync"
	"time"

	"lastout/ordering"
	"lastout/process/output"
	"lastout/process/recent"
	"lastout/supervisor/config"
)

const (
	// patience is for how long, in all, a sink that is blocked may hold back what the children write during a shutdown.
	// It is short beside the time a process has to leave: whoever waits for a write cannot.
	patience = time.Second

	// tailBound bounds the handing on of what a run left in its pipe. The run is gone and nobody waits for it.
	tailBound = 30 * time.Second

	// lastFlush and shortFlush bound the wait at the very end for what was taken to be written: the longer where the
	// shutdown's bound leaves room for it.
	lastFlush  = time.Second
	shortFlush = 100 * time.Millisecond
)

// The last of what the children write is kept for whoever asks: so much in all, but for each instance that has written
// anything no less than the one and no more than the other.
const (
	keptOutput = 4 << 20
	keptLeast  = 4 << 10
	keptMost   = 64 << 10
)

// outputs carries what the children write to where it shall go. Its methods may be called from the spawner's thread.
type outputs struct {
	stdout  *output.Sink
	inherit [2]*os.File
	outlive bool // a rescue is to find the pipes' writers alive
	color   bool
	width   int // of the longest instance name, where prefixes are aligned
	shelf   *recent.Shelf

	mu     sync.Mutex // of what follows
	files  []*logFile
	byPath map[string]*logFile
	failed func(error) // told what goes wrong in writing

	tails workers // pipes being finished
}

// nobody is the process of a hook that belongs to the whole tree.
const nobody ordering.ID = -1

// newOutputsOf makes them without the log files.
func newOutputsOf(o HostOptions) *outputs {
	all := &outputs{stdout: o.Stdout, inherit: o.Inherit, color: o.Color, byPath: map[string]*logFile{}}
	all.outlive = o.Config.Guardian
	instances := 0
	for _, p := range o.Config.Processes {
		instances += len(p.Instances)
		for n := range p.Instances {
			all.width = max(all.width, len(p.Instances[n].Name))
		}
	}
	all.shelf = recent.NewShelf(recent.Bounds{All: keptOutput, Least: keptLeast, Most: keptMost}, instances)
	return all
}

// newOutputs opens the log files, each once.
func newOutputs(o HostOptions) (*outputs, error) {
	all := newOutputsOf(o)
	if err := all.addAll(o.Config); err != nil {
		return nil, err
	}
	return all, nil
}

// match is a pattern to look for in what a child writes.
type match struct {
	pattern *regexp.Regexp
	found   func()
}

// open gives a run its descriptors 0 to 2. Where both streams go the same way they are one pipe, so that their order is
// kept.
func (o *outputs) open(c *child, id ordering.ID, log config.Log, inst *config.Instance, m *match) error {
	w := wiring{outputs: o, child: c, id: id, log: log, inst: inst, match: m}
	stdout, err := w.stream(log.Stdout, 0)
	if err != nil {
		return err
	}
	stderr := stdout
	if log.Stderr != log.Stdout || log.Stdout == config.LogInherit {
		if stderr, err = w.stream(log.Stderr, 1); err != nil {
			return err
		}
	}
	c.files = []*os.File{nil, stdout, stderr}
	return nil
}

// openHook does that for a hook: its lines go to our stdout, whatever the log of its process is. A hook of the whole tree
// has the id nobody.
func (o *outputs) openHook(c *child, id ordering.ID) error {
	w, err := o.pipe(c, output.PipeOptions{To: o.stdout, Prefix: o.prefix(c.name, id)})
	c.files = []*os.File{nil, w, w}
	return err
}

// wiring is what the streams of one run are made from.
type wiring struct {
	*outputs
	child *child
	id    ordering.ID
	log   config.Log
	inst  *config.Instance
	match *match
}

// stream is the child's end of a stream, stdout (0) or stderr (1); nil for one that goes nowhere.
func (w *wiring) stream(mode config.LogMode, which int) (*os.File, error) {
	switch mode {
	case config.LogInherit:
		return w.inherit[which], nil
	case config.LogNull:
		return nil, nil
	default:
		return w.piped(mode)
	}
}

func (w *wiring) piped(mode config.LogMode) (*os.File, error) {
	o := w.options(mode)
	if mode != config.LogFile {
		return w.pipe(w.child, o)
	}
	f, err := w.add(w.log, w.inst)
	if err != nil {
		return nil, err
	}
	o.To = f.Sink
	if w.sharing(f) {
		o.Prefix = []byte(w.inst.Name + " | ")
	}
	end, err := w.pipe(w.child, o)
	if err == nil {
		w.feeds(w.child.pipes[len(w.child.pipes)-1], f)
	}
	return end, err
}

// options are those of a pipe for a stream.
func (w *wiring) options(mode config.LogMode) output.PipeOptions {
	p := output.PipeOptions{Timestamps: w.log.Timestamps}
	if mode == config.LogPrefix || mode == config.LogFile {
		p.Recent = w.shelf.Of(w.inst.Name)
	}
	if w.match != nil {
		p.Match, p.OnMatch = w.match.pattern, w.match.found
	}
	if mode == config.LogPrefix {
		p.To, p.Prefix = w.stdout, w.prefix(w.inst.Name, w.id)
	}
	return p
}

func (o *outputs) pipe(c *child, p output.PipeOptions) (*os.File, error) {
	p.Outlive = o.outlive
	pipe, w, err := output.NewPipe(p)
	if err != nil {
		return nil, fmt.Errorf("cannot make a pipe for its output: %w", err)
	}
	c.pipes = append(c.pipes, pipe)
	c.ours = append(c.ours, w)
	return w, nil
}

// finish hands on what a run left in its pipes, and closes them. It does not wait.
func (o *outputs) finish(pipes []*output.Pipe) {
	for _, p := range pipes {
		o.tails.Go(func() {
			p.Finish(tailBound)
			o.closeUnused()
		})
	}
}

// The colours of the processes, by their place in the configuration. Red is for what went wrong.
var palette = []string{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}

// prefix stands before each line of a child: "api.1 | ". On a terminal it has its process's colour and all are equally
// long.
func (o *outputs) prefix(name string, id ordering.ID) []byte {
	switch {
	case !o.color:
		return []byte(name + " | ")
	case id == nobody:
		return fmt.Appendf(nil, "%-*s | ", o.width, name)
	default:
		return fmt.Appendf(nil, "\x1b[%sm%-*s |\x1b[0m ", palette[int(id)%len(palette)], o.width, name)
	}
}

// hurry says that a shutdown began: a sink that is blocked must not hold it up.
func (o *outputs) hurry() {
	for s := range o.sinks() {
		s.Hurry(patience)
	}
}

// reopen opens the log files anew.
func (o *outputs) reopen() {
	for s := range o.sinks() {
		s.Reopen()
	}
}

// onError has f told what goes wrong in writing.
func (o *outputs) onError(f func(error)) {
	o.mu.Lock()
	o.failed = f
	o.mu.Unlock()
	for s := range o.sinks() {
		s.OnError(f)
	}
}

// pause has all sinks write nothing and hold nobody back, until resume.
func (o *outputs) pause() error {
	for s, name := range o.sinks() {
		if !s.Pause(restBound) {
			return fmt.Errorf("%s does not take what is written to it", name)
		}
	}
	return nil
}

func (o *outputs) resume() {
	for s := range o.sinks() {
		s.Resume()
	}
}

// close closes the log files. Our stdout is the caller's.
func (o *outputs) close() {
	for s := range o.sinks() {
		if s != o.stdout {
			s.Close(0)
		}
	}
}

// settle waits, for bound at most, until all that was taken is written, closes the log files, and says for people what
// was lost.
func (o *outputs) settle(bound time.Duration) []string {
	end := time.Now().Add(bound)
	var said []string
	if !o.tails.WaitFor(bound) {
		said = append(said, "the output of processes that are gone was not all taken: it was blocked")
	}
	for s, name := range o.sinks() {
		if s == o.stdout {
			if !s.Flush(time.Until(end)) {
				said = append(said, name+" is blocked: the last lines were not written")
			}
		} else {
			s.Close(time.Until(end))
		}
		if text := lostIn(s, name); text != "" {
			said = append(said, text)
		}
	}
	return said
}

// sinks are our stdout and the log files, each with its name for people.
func (o *outputs) sinks() iter.Seq2[*output.Sink, string] {
	return func(yield func(*output.Sink, string) bool) {
		if !yield(o.stdout, "stdout") {
			return
		}
		o.mu.Lock()
		files := slices.Clone(o.files)
		o.mu.Unlock()
		for _, f := range files {
			if !yield(f.Sink, f.options.Path) {
				return
			}
		}
	}
}
