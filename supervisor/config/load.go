package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// LoadOptions is what a configuration depends on beside its files.
type LoadOptions struct {
	Env      []string // lastout's own environment, as os.Environ gives it
	Profiles []string // the active profiles
}

// Load reads a configuration, its includes and its env files, and checks everything that can be checked before
// anything is started. The error is an *Error with every fault; there is no Config then.
func Load(file string, o LoadOptions) (*Config, error) {
	l := &loader{options: o, environ: parseEnviron(o.Env), dotenvs: map[string]dotenv{}}
	l.inherited = l.environ.inheritable()
	c := l.load(file)
	if len(l.faults) > 0 {
		return nil, &Error{Faults: tidy(l.faults)}
	}
	c.Warnings, c.options, c.loader = tidy(l.warnings), &o, l
	return c, nil
}

// loader gathers what one Load finds.
type loader struct {
	options   LoadOptions
	environ   *environment
	inherited *environment
	dotenvs   map[string]dotenv
	main      *table // the main file
	defaults  *table
	held      []Socket
	guarded   bool // guardian.enabled
	faults    []Fault
	warnings  []Fault
}

func (l *loader) fault(at *place, text string) {
	l.faults = append(l.faults, Fault{File: at.file.path, Line: at.line, Text: visible(text)})
}

func (l *loader) warn(at *place, format string, args ...any) {
	l.warnings = append(l.warnings, Fault{File: at.file.path, Line: at.line, Text: visible(fmt.Sprintf(format, args...))})
}

func (l *loader) load(file string) *Config {
	main := l.read(file, readFile)
	if main == nil {
		return nil
	}
	c := l.settings(main)
	l.main, l.defaults = main, main.table("defaults")
	found := l.processes(main, l.include(main))
	l.sockets(c, main)
	if len(found) == 0 && len(l.faults) == 0 {
		l.fault(&place{file: main.at.file}, "there is no [process.NAME] in it: nothing to run")
	}
	l.build(c, found)
	return c
}

// read decodes and walks one file; nil: it cannot be read, and that is said.
func (l *loader) read(file string, reader func(path string) ([]byte, error)) *table {
	src := &source{path: file}
	if full, err := filepath.Abs(file); err == nil {
		src.dir = filepath.Dir(full)
	}
	top := &place{file: src}
	text, err := reader(file)
	if err != nil {
		l.fault(top, fmt.Sprintf("cannot read it: %s", plainReason(err)))
		return nil
	}
	at, deep := index(src, string(text))
	if deep > 0 {
		l.fault(&place{file: src, line: deep}, fmt.Sprintf("values are nested more than %d deep", maxDepth))
		return nil
	}
	var decoded map[string]any
	if _, err := toml.Decode(string(text), &decoded); err != nil {
		l.syntax(at, err)
		return nil
	}
	w := &walker{fault: l.fault}
	return w.table(rules(), decoded, at, "")
}

// syntax says where a file is not TOML.
func (l *loader) syntax(at *place, err error) {
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		l.fault(&place{file: at.file}, fmt.Sprintf("it is not TOML: %v", err))
		return
	}
	text := "it is not TOML: " + strings.TrimSuffix(parse.Message, ".")
	if m := definedTwice.FindStringSubmatch(parse.Message); m != nil {
		for _, name := range strings.Split(m[1], ".") {
			at = at.key(name)
		}
		text = fmt.Sprintf("%s is there already, at line %d", m[1], at.line)
	} else if parse.LastKey != "" {
		text += fmt.Sprintf(" (near key %q)", parse.LastKey)
	}
	l.fault(&place{file: at.file, line: parse.Position.Line}, text)
}

var definedTwice = regexp.MustCompile(`^Key '(.*)' has already been defined\.$`)

// maxFile bounds what is read: a configuration of ten thousand processes is smaller.
const maxFile = 16 << 20

// readPart reads a file that a configuration names. It must be a plain one: others may never come to their end.
func readPart(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() && path != os.DevNull {
		err = errors.New("it is no plain file")
	}
	if err != nil {
		return nil, err
	}
	return readFile(path)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("it is larger than %d MiB", maxFile>>20)
	}
	return text, err
}

// include reads the files that the main file names.
func (l *loader) include(main *table) []*table {
	var tables []*table
	seen := map[string]bool{}
	if full, err := filepath.Abs(main.at.file.path); err == nil {
		seen[full] = true
	}
	b := &builder{l: l, scope: scope{lookup: l.environ.lookup}}
	for _, pattern := range main.list("include") {
		for _, file := range b.matches(pattern) {
			full := abs(pattern.at, file)
			if seen[full] {
				continue
			}
			seen[full] = true
			if t := l.read(file, readPart); t != nil {
				l.onlyProcesses(t)
				tables = append(tables, t)
			}
		}
	}
	return tables
}

// matches are the files of one pattern, spelled as people shall see them. A name without a pattern must be there.
func (b *builder) matches(pattern text) []string {
	glob, ok := b.expand(pattern.at, "include", pattern.s)
	if !ok {
		return nil
	}
	if !filepath.IsAbs(glob) {
		glob = filepath.Join(filepath.Dir(pattern.at.file.path), glob)
	}
	files, err := filepath.Glob(glob)
	switch {
	case err != nil:
		b.fault(pattern.at, "include: %q is no pattern: %v", pattern.s, err)
	case len(files) == 0 && !strings.ContainsAny(glob, `*?[\`):
		b.fault(pattern.at, "include: cannot read %s: no such file", pattern.s)
	}
	return files
}

// onlyProcesses refuses the settings of the whole in an included file: they would depend on which file is read last.
func (l *loader) onlyProcesses(t *table) {
	l.version(t)
	for key, v := range t.vals {
		if key != "process" && key != "version" && !t.bad(key) {
			l.fault(v.at, fmt.Sprintf("%s belongs in the main file (an included file holds [process.NAME] tables)", key))
		}
	}
}

// processes gathers the processes of all files, in the order they are written in.
func (l *loader) processes(main *table, included []*table) []*process {
	var all []*process
	first := map[string]*place{}
	for _, file := range append([]*table{main}, included...) {
		t := file.table("process")
		for _, name := range slices.SortedFunc(maps.Keys(t.vals), byLine(t.at)) {
			if t.bad(name) {
				continue
			}
			own := t.table(name)
			if at, twice := first[name]; twice {
				l.fault(own.at, fmt.Sprintf("process %q: it is there already, at %s:%d", name, at.file.path, at.line))
				continue
			}
			first[name] = own.at
			all = append(all, l.process(name, own))
		}
	}
	return all
}
