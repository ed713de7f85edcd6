package config

import (
	"errors"

	"lastout/ordering"
)

// Grow makes more instances of a process, up to a count, as if the file had asked for them. Where that cannot be, nothing
// changes, and the error is an *Error: a port that is another's, a variable that is not set.
func (c *Config) Grow(id ordering.ID, count int) error {
	if c.loader == nil {
		return errors.New("the configuration was handed over by another lastout: reload it first")
	}
	p, l, proc := c.found[id], c.loader, &c.Processes[id]
	before, had := p.instances, proc.Instances
	l.faults = nil
	p.instances = max(count, len(had))
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
