package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"lastout/cmd/lastout/guardian"
	"lastout/process"
	"lastout/process/register"
	"lastout/supervisor/config"
	"lastout/supervisor/image"
	"lastout/supervisor/journal"
)

// willFormat is the format of a will. It is raised as that of an estate is.
const willFormat = 1

// will is what whoever takes the tree down must know when lastout was killed: the plan of a register.
type will struct {
	Version    string
	Config     *config.Config
	Trees      process.Trees
	Header     journal.Header
	Journals   []willedJournal
	ReportFile string
	Socket     string // as the flag says it
	Register   string // the path of the file; empty: there is none
}

// willedJournal is a journal that was written to.
type willedJournal struct {
	Path    string
	Unasked bool // it is one that is kept for lastout report

	// Device and Inode are those of one that was asked for: a name such as /dev/fd/3 may mean another file by then.
	Device, Inode uint64
}

// registry is the register of the tree that runs. A nil register in it keeps nothing.
type registry struct {
	*register.Register
	path   string // of the file; empty: there is none
	file   *os.File
	socket string // the flag

	mu      sync.Mutex // held while a will is written
	written uint64     // which of them is
	last    uint64     // which was asked for last; of the loop
}

// openRegister begins the register: in a file beside the control socket, or else where the journals are kept, for the
// next start to find, and in the memory file of a guardian. Where there can be none, that is said. What an earlier one
// tells is cleared up before that.
func (r *runner) openRegister(socket, state string) error {
	r.registry = &registry{socket: socket}
	var files []*os.File
	if f := guardians(); f != nil {
		files = append(files, f)
	}
	path, err := r.registerPath(state)
	if err == nil && path != "" {
		if r.registry.file, err = register.Open(path); err == nil {
			r.registry.path, files = path, append(files, r.registry.file)
		}
	}
	if err != nil {
		r.log.info(fmt.Sprintf("should lastout be killed, the next start will not know what to clear up: %v", err))
	}
	if r.registry.path != "" {
		if err := r.clearUp(r.registry.file); err != nil {
			return err
		}
	}
	if len(files) == 0 {
		return nil
	}
	owner, err := process.Self()
	if err == nil {
		r.registry.Register, err = register.New(owner, r.unregistered, files...)
	}
	if err != nil {
		r.log.warn(fmt.Sprintf("should lastout be killed, nobody will know what it has left: %v", err))
		r.registry.remove()
	}
	return nil
}

// guardians is the memory file of a guardian; nil: there is none.
func guardians() *os.File {
	fd, err := strconv.Atoi(os.Getenv(guardian.RegisterVariable))
	_ = os.Unsetenv(guardian.RegisterVariable)
	if err != nil || fd <= 2 {
		return nil
	}
	return os.NewFile(uintptr(fd), "register")
}

// registerPath is where the next start looks for it; empty: nothing will be left to be cleared up.
func (r *runner) registerPath(state string) (string, error) {
	if r.first() {
		return "", nil // when PID 1 ends, the kernel ends everybody (pid_namespaces(7))
	}
	if r.control.socket != nil {
		return r.control.socket.Path + ".register", nil
	}
	if state == noState {
		return "", errors.New("there is neither a control socket nor --state")
	}
	root, err := stateDir(state)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, r.config.Name)
	return filepath.Join(dir, "register"), os.MkdirAll(dir, 0o700)
}

// unregistered is told once that a run is not on record.
func (r *runner) unregistered(err error) {
	r.log.warn(fmt.Sprintf("should lastout be killed, not all that it has left will be known: the register: %v", err))
}

// bequeath writes the will, before anybody is started.
func (r *runner) bequeath() {
	if r.registry.Register == nil {
		return
	}
	text, err := r.will(r.config)
	if err == nil {
		err = r.registry.Plan(text)
	}
	if err != nil {
		r.unregistered(err)
	}
}

// rewrite writes it anew, for another configuration. It is called on the loop, which does not wait for a disk.
func (r *runner) rewrite(cfg *config.Config) {
	g := r.registry
	if g.Register == nil {
		return
	}
	text, err := r.will(cfg)
	if err != nil {
		r.unregistered(err)
		return
	}
	g.last++
	number := g.last
	go func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if number < g.written {
			return
		}
		g.written = number
		if err := g.Plan(text); err != nil {
			r.unregistered(err)
		}
	}()
}

func (r *runner) will(cfg *config.Config) ([]byte, error) {
	version, _ := buildVersion()
	w := &will{
		Version: version, Config: cfg, Trees: r.host.Trees(), Header: r.header, ReportFile: r.reportFile,
		Socket: r.registry.socket, Register: r.registry.path,
	}
	for _, j := range r.journals {
		w.Journals = append(w.Journals, j.will())
	}
	return image.Encode(willFormat, w)
}

// remove takes the file away: nothing is left to be cleared up.
func (g *registry) remove() {
	if g != nil && g.path != "" {
		_ = os.Remove(g.path) // it is locked, so it is ours
		g.path = ""
	}
}

// keptRegistry is the register for a successor.
type keptRegistry struct {
	Path   string
	Socket string
	FDs    []int
}

func (g *registry) keep() *keptRegistry {
	if g == nil || g.Register == nil {
		return nil
	}
	return &keptRegistry{Path: g.path, Socket: g.socket, FDs: g.Keep()}
}

// restoreRegister goes on with a kept one.
func (r *runner) restoreRegister(k *keptRegistry) {
	r.registry = &registry{}
	if k == nil {
		return
	}
	kept, err := register.Restore(r.unregistered, k.FDs)
	if err != nil {
		r.unregistered(err)
		return
	}
	r.registry.Register, r.registry.path, r.registry.socket = kept, k.Path, k.Socket
}
