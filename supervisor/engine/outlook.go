package engine

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"lastout/process/quiesce"
	"lastout/process/shim"
	"lastout/process/sockdiag"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// Outlook is what a drain of a gateway can do from outside here, as far as that is known before it begins: tried, not
// guessed.
type Outlook struct {
	Gateway     string   `json:"gateway"`
	Quiesce     []string `json:"quiesce"`           // the ways, best first, one for each that a listener takes; none: no way works
	Preconnects string   `json:"preconnects"`       // "shutdown", "destroy", "keep"
	Seen        bool     `json:"connections"`       // its connections are seen
	Missing     []string `json:"missing,omitempty"` // what does not work, and why
}

// How is for people: what works, and nothing where nothing does.
func (o *Outlook) How() string {
	var words []string
	if len(o.Quiesce) > 0 {
		words = append(words, "turns new connections away by "+strings.Join(o.Quiesce, " and "))
	}
	if o.Preconnects != keepThem {
		words = append(words, "ends preconnects by "+o.Preconnects)
	}
	if o.Seen {
		words = append(words, "sees its connections")
	}
	if len(words) == 0 {
		return ""
	}
	return "a drain here " + strings.Join(words, ", ")
}

const keepThem = "keep"

// outlook is what is known of a gateway whose sockets can be duplicated if duplicate is nil, but for its listeners.
func outlook(name string, drain *config.Drain, caps quiesce.Capabilities, duplicate error) Outlook {
	o := Outlook{Gateway: name, Quiesce: []string{}, Preconnects: keepThem, Seen: caps.See == nil}
	switch {
	case drain.KeepPreconnects:
	case duplicate == nil:
		o.Preconnects = "shutdown"
	case caps.Destroy == nil:
		o.Preconnects = "SOCK_DESTROY"
	default:
		o.Missing = append(o.Missing, keptWords(errors.Join(duplicate, caps.Destroy)))
	}
	if caps.See != nil {
		o.Missing = append(o.Missing, "cannot see its connections: "+caps.See.Error())
	}
	return o
}

// blinded notes that connections are seen by the listeners of a tree, and those by /proc.
func (o *Outlook) blinded() {
	if err := sockdiag.NoProc(); err != nil && o.Seen {
		o.Seen = false
		o.Missing = append(o.Missing, "cannot see its connections: "+err.Error())
	}
}

// keptWords says why connections that never carried a byte cannot be ended.
func keptWords(err error) string {
	return "cannot end connections that never carried a byte: " + strings.ReplaceAll(err.Error(), "\n", "; ")
}

// turns notes by which way new connections will be turned away from one of its listeners.
func (o *Outlook) turns(way quiesce.Way, err error) {
	if err != nil {
		o.Missing = append(o.Missing, err.Error())
		return
	}
	o.by(way.String())
}

func (o *Outlook) by(way string) {
	if !slices.Contains(o.Quiesce, way) {
		o.Quiesce = append(o.Quiesce, way)
	}
}

// turnsHeld notes by which way new connections will be turned away from a held listener.
func (o *Outlook) turnsHeld(x *holding, caps quiesce.Capabilities, ways []quiesce.Way) {
	if x.hides() {
		o.by(movedAside)
		return
	}
	o.turns(x.door.Foresee(caps, ways...))
}

// Foresee says what the drains of a configuration's gateways can do here, by trials on own sockets and on an own child
// that lives for a moment. Nobody listens yet, so each gateway is taken to listen as most programs do.
func Foresee(c *config.Config) []Outlook {
	var all []Outlook
	var caps quiesce.Capabilities
	var duplicate error
	for id := range c.Processes {
		p := &c.Processes[id]
		if !c.Specs[id].Drain.Quiesce || len(p.Instances) == 0 {
			continue
		}
		if all == nil {
			caps, duplicate = quiesce.Probe(), tryChild()
		}
		drain := &p.Instances[0].Drain
		o := outlook(p.Name, drain, caps, duplicate)
		if len(p.Sockets) > 0 { // they are lastout's own
			o.turns(caps.Foresee(nil, newDoor(*drain).ways...))
		} else {
			o.turns(caps.Foresee(duplicate, newDoor(*drain).ways...))
			o.blinded()
		}
		all = append(all, o)
	}
	return all
}

// tryChild says whether the sockets of an own child can be duplicated.
func tryChild() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("cannot try it on a child: %w", err)
	}
	defer null.Close()
	fd := null.Fd()
	pid, err := syscall.ForkExec(shim.Self(), []string{"lastout", "version"}, &syscall.ProcAttr{
		Files: []uintptr{fd, fd, fd}, Env: os.Environ(),
	})
	if err != nil {
		return fmt.Errorf("cannot try it on a child: %w", err)
	}
	refused := quiesce.MayDuplicate(pid)
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for {
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != syscall.EINTR {
			return refused
		}
	}
}

// foresee says once, beside the start and not on its way, what the drain of a gateway that is ready can do here. A
// gateway that listens later is told of as by Foresee.
func (h *Host) foresee(r supervisor.Report) {
	c := h.runs[r.Run]
	if c == nil || r.State != supervisor.Ready || h.down {
		return
	}
	l, ok := c.part.(*life)
	if !ok || !l.set.spec.Drain.Quiesce {
		return
	}
	drain, pid := &l.set.inst.Drain, c.pid
	holdings, known := h.handedTo(l.set.proc), h.doors()
	h.drainers.Go(func() {
		o := h.outlookOf(c, pid, drain, holdings, known)
		h.onLoop(func() {
			if how := o.How(); how != "" && !h.noted[c.name+how] {
				h.noted[c.name+how] = true
				h.say(supervisor.Report{
					At: h.at, Kind: supervisor.KindOutlook, Process: r.Process, Instance: r.Instance, Cause: how,
				})
			}
		})
		for _, text := range o.Missing {
			h.noteOnce(c.name + ": " + text)
		}
	})
}

// outlookOf looks at a gateway's listeners, and leaves them as they are.
func (h *Host) outlookOf(c *child, pid int, drain *config.Drain, holdings []*holding, known []*quiesce.Listener) Outlook {
	caps, duplicate := quiesce.Probe(), quiesce.MayDuplicate(pid)
	pids, refused := h.pids(c.tag), duplicate
	for _, pid := range pids { // connections are held by any of its processes
		if refused != nil {
			break
		}
		if err := quiesce.MayDuplicate(pid); !errors.Is(err, syscall.ESRCH) {
			refused = err
		}
	}
	o := outlook(c.name, drain, caps, refused)
	meant := 0
	door := newDoor(*drain)
	for _, x := range holdings {
		if x.door != nil && door.meansHeld(x) {
			o.turnsHeld(x, caps, door.ways)
			meant++
		}
	}
	listeners, _ := quiesce.Listeners(pids, known...)
	for _, l := range listeners {
		if door.means(l) {
			o.turns(l.Foresee(caps, door.ways...))
			meant++
		}
		l.Close()
	}
	if meant == 0 {
		o.turns(caps.Foresee(duplicate, door.ways...))
		o.blinded()
	}
	if errors.Is(quiesce.MayDuplicate(pid), syscall.ESRCH) { // it left while we looked, and what was missing is its own
		return Outlook{}
	}
	return o
}
