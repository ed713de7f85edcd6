package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"lastout/supervisor"
)

// The defaults of the whole.
const (
	defaultTimeout     = 30 * time.Second
	defaultReserve     = 2 * time.Second
	defaultKillTimeout = 5 * time.Second
	defaultLinger      = 2 * time.Second
	defaultHook        = 5 * time.Second
)

// settings reads what is about the tree as a whole.
func (l *loader) settings(main *table) *Config {
	l.version(main)
	log := main.table("log")
	c := &Config{
		File:    filepath.Join(main.at.file.dir, filepath.Base(main.at.file.path)),
		Name:    l.treeName(main),
		Options: l.shutdown(main),
		Log:     LogSettings{Level: log.str("level", "info"), Format: log.str("format", "auto")},
	}
	c.Guardian = main.table("guardian").flag("enabled", false)
	l.guarded = c.Guardian
	hooks := main.table("hooks")
	b := &builder{l: l, dir: main.at.file.dir, env: l.inherited.list(), scope: scope{lookup: l.environ.lookup}}
	b.death = l.orphaned()
	c.Before, c.Options.Before = b.treeHook(hooks, "before_shutdown")
	c.Linger = main.table("shutdown").duration("linger", defaultLinger)
	c.After, c.Options.After = b.treeHook(hooks, "after_shutdown")
	c.Control = l.control(main, b)
	return c
}

func (b *builder) treeHook(hooks *table, key string) (*Command, time.Duration) {
	if !hooks.has(key) {
		return nil, 0
	}
	t := hooks.table(key)
	command := b.program(t, "hooks."+key)
	return &command, t.duration("timeout", defaultHook)
}

// version refuses a file of a later format: its keys may mean something else.
func (l *loader) version(t *table) {
	switch v := t.integer("version", 1); {
	case v > 1:
		l.fault(t.place("version"), fmt.Sprintf("version: %d is written for a newer lastout (this one reads version 1)", v))
	case v < 1:
		l.fault(t.place("version"), fmt.Sprintf("version: there is no %d (did you mean 1?)", v))
	}
}

var treeName = regexp.MustCompile(`^[a-z0-9_-]+$`)

// treeName is the name of the tree: made of the folder's where the file gives none.
func (l *loader) treeName(t *table) string {
	name := t.str("name", "")
	if t.has("name") && !t.bad("name") {
		if !treeName.MatchString(name) {
			near := near(name)
			l.fault(t.place("name"), fmt.Sprintf(
				"name: %q has others than small letters, digits, _ and - (did you mean %q?)", name, near))
		}
		return name
	}
	return near(filepath.Base(t.at.file.dir))
}

// near makes a tree's name of any text.
func near(s string) string {
	s = strings.Trim(regexp.MustCompile(`[^a-z0-9_-]+`).ReplaceAllString(strings.ToLower(s), "-"), "-")
	if s == "" {
		return "lastout"
	}
	return s
}

// shutdown reads the bounds of the whole.
func (l *loader) shutdown(main *table) supervisor.Options {
	t := main.table("shutdown")
	o := supervisor.Options{
		Timeout:     t.duration("timeout", defaultTimeout),
		Reserve:     t.duration("reserve", defaultReserve),
		Delay:       t.duration("delay", 0),
		KillTimeout: t.duration("kill_timeout", defaultKillTimeout),
		ClassOnly:   t.str("exit_code", "auto") == "class",
		Stay:        t.str("when_done", "exit") == "stay",
	}
	if o.Timeout > 0 && o.Delay >= o.Timeout {
		l.fault(t.place("delay"), fmt.Sprintf(
			"shutdown.delay: %v leaves nothing of the shutdown.timeout of %v (make the timeout longer)", o.Delay, o.Timeout))
	}
	if o.Timeout > 0 && o.Reserve > o.Timeout {
		l.warn(t.place("reserve"), "shutdown.reserve: %v is more than the whole shutdown.timeout of %v: every step will be "+
			"squeezed", o.Reserve, o.Timeout)
	}
	return o
}
