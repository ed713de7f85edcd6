package config

import (
	"fmt"
	"os"
	"syscall"

	"lastout/process/cgroup"
	"lastout/process/shim"
)

// builder makes the commands of one instance, or those of the whole tree.
type builder struct {
	l     *loader
	who   string // `process "api": `, or nothing
	scope scope
	env   []string
	dir   string // absolute

	around *shim.Circumstances
	death  syscall.Signal
	group  *cgroup.Limits
}

func (b *builder) fault(at *place, format string, args ...any) {
	b.l.fault(at, b.who+fmt.Sprintf(format, args...))
}

// expand resolves what a string names; false: there were problems, which are faults now.
func (b *builder) expand(at *place, name, s string) (string, bool) {
	expanded, problems := b.scope.expand(s)
	for _, problem := range problems {
		b.fault(at, "%s: %s", name, problem)
	}
	return expanded, len(problems) == 0
}

// program makes the command of a table with `command` or `shell`.
func (b *builder) program(t *table, name string) Command {
	switch {
	case t.broken || t.bad("command") || t.bad("shell"):
		return Command{}
	case t.has("command"):
		return b.command(t.place("command"), t.list("command"), join(name, "command"))
	case t.has("shell"):
		return b.shell(t, join(name, "shell"))
	}
	text := "command or shell is missing"
	if name != "" {
		text = name + ": " + text
	}
	b.fault(t.at, "%s (such as command = [\"./run\", \"--now\"])", text)
	return Command{}
}

// either makes the command of a key whose value is an array, or a table as above.
func (b *builder) either(t *table, key, name string) Command {
	if _, ok := t.vals[key].is.(*table); ok || t.bad(key) {
		return b.program(t.table(key), name)
	}
	return b.command(t.place(key), t.list(key), name)
}

// command makes a command of its arguments. The program "lastout", without a slash, is the running one, so that a tree
// may use its built-in commands wherever it is installed.
func (b *builder) command(at *place, items []text, name string) Command {
	if len(items) == 0 {
		b.fault(at, "%s: it is empty (such as [\"./run\", \"--now\"])", name)
		return Command{}
	}
	argv := make([]string, len(items))
	for i, item := range items {
		var ok bool
		if argv[i], ok = b.expand(item.at, name, item.s); !ok && i == 0 {
			return Command{}
		}
	}
	switch argv[0] {
	case "":
		b.fault(items[0].at, "%s: the program's name is empty", name)
	case "lastout":
		path, err := self()
		if err != nil {
			b.fault(items[0].at, "%s: cannot find the running program: %v", name, err)
		}
		argv[0] = path
	}
	return Command{Argv: argv, Dir: b.dir, Env: b.env, Line: at.line, Around: b.around, DeathSignal: b.death, Group: b.group}
}

// shell hands a command line to the shell as it is written: the shell expands it.
func (b *builder) shell(t *table, name string) Command {
	line := t.str("shell", "")
	if line == "" {
		b.fault(t.place("shell"), "%s: it is empty", name)
	}
	return Command{
		Argv: []string{"/bin/sh", "-c", line}, Dir: b.dir, Env: b.env, Line: t.place("shell").line, Around: b.around,
		DeathSignal: b.death, Group: b.group,
	}
}

// cwd is the directory the instance runs in.
func (b *builder) cwd(t *table) string {
	if !t.has("cwd") {
		return t.at.file.dir
	}
	at := t.place("cwd")
	written, ok := b.expand(at, "cwd", t.str("cwd", ""))
	dir := abs(at, written)
	if !ok {
		return dir
	}
	switch info, err := os.Stat(dir); {
	case err != nil:
		b.fault(at, "cwd: cannot use %q: %s (a relative path begins at the folder of the file)", written, plainReason(err))
	case !info.IsDir():
		b.fault(at, "cwd: %q is no directory", written)
	}
	return dir
}
