package config

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"lastout/ordering"
	"lastout/supervisor"
)

// Grow makes more instances of a process, up to a count, as if the file had asked for them. Where that cannot be, nothing
// changes, and the error says why: an *Error where it is a port that is another's, or a variable that is not set.
func (c *Config) Grow(id ordering.ID, count int) error {
	proc := &c.Processes[id]
	had := proc.Instances
	if count <= len(had) {
		return nil
	}
	if c.loader == nil {
		if err := c.loadAgain(); err != nil {
			return fmt.Errorf("cannot make more instances before a reload: %w", err)
		}
	}
	p, l := c.found[id], c.loader
	before := p.instances
	l.faults = nil
	p.instances = count
	for n := len(had) + 1; n <= count && len(l.faults) == 0; n++ {
		proc.Instances = append(proc.Instances, l.instance(p, n))
	}
	l.sharePorts(c.found)
	if len(l.faults) > 0 {
		p.instances, proc.Instances = before, had
		return &Error{Faults: tidy(l.faults)}
	}
	p.built.Instances = proc.Instances
	return nil
}

// loadAgain brings back what a configuration that was handed over by another lastout has not got with it. The files are
// believed only where every process of theirs is the one that is in force: nobody asked for another one.
func (c *Config) loadAgain() error {
	if c.options == nil {
		return errors.New("the configuration was handed over by a lastout that did not say how it was loaded")
	}
	// Who reads a pipe waits for its writer, and here the whole tree would.
	if info, err := os.Stat(c.File); err != nil {
		return fmt.Errorf("cannot read the configuration again: %w", err)
	} else if !info.Mode().IsRegular() {
		return fmt.Errorf("cannot read the configuration again: %s is no plain file", c.File)
	}
	now, err := Load(c.File, *c.options)
	if err != nil {
		return fmt.Errorf("cannot read the configuration again: %w", err)
	}
	changed := func(what supervisor.Change) bool { return what != supervisor.Unchanged }
	if len(now.Processes) != len(c.Processes) || slices.ContainsFunc(Compare(c, now), changed) {
		return errors.New("the configuration has changed since it was loaded")
	}
	found := make([]*process, len(c.Processes))
	for id := range c.Processes {
		other, _ := now.Graph.Lookup(c.Processes[id].Name)
		found[id] = now.found[other]
		found[id].instances = max(found[id].instances, len(c.Processes[id].Instances))
		found[id].built.Instances = c.Processes[id].Instances
	}
	c.loader, c.found = now.loader, found
	return nil
}
