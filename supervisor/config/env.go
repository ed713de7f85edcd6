package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/joho/godotenv"

	"lastout/process/shim"
)

// environment is a list of variables in the order they were first set, with the value each was set to last. It may lie
// over another one, whose entries all that lie over it share: a thousand instances inherit the same strings.
type environment struct {
	below   *environment // nil: none; it has none below itself
	names   []string     // those that are not set below
	entries map[string]string
}

func newEnvironment(below *environment) *environment {
	return &environment{below: below, entries: map[string]string{}}
}

func (e *environment) set(name, value string) {
	if _, known := e.lookup(name); !known {
		e.names = append(e.names, name)
	}
	e.entries[name] = name + "=" + value
}

func (e *environment) lookup(name string) (string, bool) {
	if entry, ok := e.entries[name]; ok {
		return entry[len(name)+1:], true
	}
	if e.below != nil {
		return e.below.lookup(name)
	}
	return "", false
}

// list is the environment as execve(2) wants it.
func (e *environment) list() []string {
	var list []string
	if e.below != nil {
		list = make([]string, 0, len(e.below.names)+len(e.names))
		for _, name := range e.below.names {
			if entry, ok := e.entries[name]; ok {
				list = append(list, entry)
			} else {
				list = append(list, e.below.entries[name])
			}
		}
	}
	for _, name := range e.names {
		list = append(list, e.entries[name])
	}
	return list
}

// parseEnviron reads lastout's own environment.
func parseEnviron(environ []string) *environment {
	e := newEnvironment(nil)
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			e.set(name, value)
		}
	}
	return e
}

// inheritable is what children get of lastout's own environment. Variables by which a service manager speaks to lastout
// itself, or lastout to a child, would mislead those they are not meant for.
func (e *environment) inheritable() *environment {
	kept := newEnvironment(nil)
	for _, name := range e.names {
		if name != "NOTIFY_SOCKET" && !strings.HasPrefix(name, "WATCHDOG_") && !strings.HasPrefix(name, "LISTEN_") && !ours(name) {
			kept.names = append(kept.names, name)
			kept.entries[name] = e.entries[name]
		}
	}
	return kept
}

// ours says whether a variable is one by which lastout speaks to its children.
func ours(name string) bool { return strings.HasPrefix(name, "LASTOUT_") }

// dotenv is a file of variables that was read.
type dotenv struct {
	vars map[string]string
	err  error
}

// readDotenv reads a file of variables, once.
func (l *loader) readDotenv(path string) dotenv {
	if read, ok := l.dotenvs[path]; ok {
		return read
	}
	var read dotenv
	text, err := readPart(path)
	if err != nil {
		read.err = err
	} else if read.vars, err = godotenv.UnmarshalBytes(text); err != nil {
		// What follows these words in the library's message is text of the file, and it may be a secret.
		problem, _, _ := strings.Cut(err.Error(), " near ")
		if strings.HasPrefix(problem, "unterminated quoted value") {
			problem = "unterminated quoted value"
		}
		read.err = errors.New(problem)
	}
	l.dotenvs[path] = read
	return read
}

// environ builds an instance's environment: inherited < who it runs as < files < env < ours. A string may name the variables of the
// layers below its own, and those of lastout itself even where the child does not inherit them.
func (b *builder) environ(p *process, who *account) *environment {
	env := newEnvironment(b.l.inherited)
	if p.t.flag("clear_env", false) {
		env = newEnvironment(nil)
	}
	b.scope.lookup = func(name string) (string, bool) {
		if v, ok := env.lookup(name); ok {
			return v, true
		}
		return b.l.environ.lookup(name)
	}
	who.variables(env)
	for _, file := range p.t.list("env_file") {
		vars := b.variables(file)
		for _, name := range slices.Sorted(maps.Keys(vars)) {
			env.set(name, vars[name])
		}
	}
	b.ownVariables(p, env)
	env.set("LASTOUT_PROCESS", p.name)
	env.set("LASTOUT_INSTANCE", strconv.Itoa(b.scope.instance))
	if b.scope.port != 0 {
		env.set("PORT", strconv.Itoa(b.scope.port))
	}
	return env
}

// variables reads an env_file; "?x" may be missing.
func (b *builder) variables(file text) map[string]string {
	expanded, ok := b.expand(file.at, "env_file", file.s)
	if !ok {
		return nil
	}
	name, optional := strings.CutPrefix(expanded, "?")
	if name == "" {
		b.fault(file.at, "env_file: the name of a file is wanted")
		return nil
	}
	read := b.l.readDotenv(abs(file.at, name))
	switch {
	case errors.Is(read.err, fs.ErrNotExist) && optional:
		return nil
	case errors.Is(read.err, fs.ErrNotExist):
		b.fault(file.at, "env_file: cannot read %s: no such file (write %q if it may be missing)", name, "?"+name)
	case read.err != nil:
		b.fault(file.at, "env_file: cannot read %s: %s", name, plainReason(read.err))
	}
	return read.vars
}

// ownVariables sets the variables of `env`. They do not see one another, so that their order does not matter.
func (b *builder) ownVariables(p *process, env *environment) {
	t := p.t.table("env")
	set := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(t.vals)) {
		v := t.vals[name]
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			b.fault(v.at, "env: %q is no name of a variable", name)
		case ours(name):
			b.fault(v.at, "env: %s is lastout's own (names that begin with LASTOUT_ are)", name)
		case p.t.has("sockets") && slices.Contains(socketVariables, name):
			b.fault(v.at, "env: %s is set by sockets (leave it out)", name)
		case name == "PORT" && b.scope.port != 0:
			b.fault(v.at, "env: PORT is set by port = %d (leave one of them out)", p.port)
		default:
			s, _ := v.is.(string)
			set[name], _ = b.expand(v.at, "env."+name, s)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		env.set(name, set[name])
	}
}

// abs is a path of a configuration: relative to the folder of the file it is written in.
func abs(at *place, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(at.file.dir, path)
}

// self is the running program: what a command "lastout" means, so that a tree of demo programs needs no PATH.
func self() (string, error) { return shim.Executable() }

// plainReason is an error of the file system without the name that the message has already.
func plainReason(err error) string {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		return inner.Err.Error()
	}
	return fmt.Sprint(err)
}
