package config

import (
	"cmp"
	"fmt"
	"slices"
)

// sharePorts refuses ports that two processes would share. One that is not enabled may well be another's stand-in.
func (l *loader) sharePorts(found []*process) {
	var byPort []*process
	for _, p := range found {
		if p.port == 0 || !p.enabled || p.instances == 0 {
			continue
		}
		byPort = append(byPort, p)
		if p.lastPort() > 65535 {
			l.fault(p.t.place("port"), p.who+fmt.Sprintf("port: %d instances from %d on go beyond 65535", p.instances, p.port))
		}
	}
	slices.SortStableFunc(byPort, func(a, b *process) int { return cmp.Compare(a.port, b.port) })
	for i := 1; i < len(byPort); i++ {
		first, p := byPort[0], byPort[i] // first is, of those below p, the one that reaches highest
		if p.port <= first.lastPort() {
			l.fault(p.t.place("port"), p.who+fmt.Sprintf("port: %s overlaps with %s of process %q",
				p.ports(), first.ports(), first.name))
		}
		if p.lastPort() > first.lastPort() {
			byPort[0] = p
		}
	}
}

// lastPort is the port of the last copy.
func (p *process) lastPort() int { return p.port + p.instances - 1 }

func (p *process) ports() string {
	if p.instances == 1 {
		return fmt.Sprint(p.port)
	}
	return fmt.Sprintf("%d to %d", p.port, p.lastPort())
}
