package quiesce

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Foresee says which of the ways (Best, if none is given) will turn new connections away from a listener, without
// touching it: by what works on own sockets, by what the listener is, and for a sentinel by one that is bound beside it
// and does not listen. What it returns is what Quiesce will, unless something changes; an error is a RefusedError.
func (l *Listener) Foresee(c Capabilities, ways ...Way) (Way, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return first(l.String(), ways, func(way Way) error { return l.foresee(c, way) })
}

// Foresee says the same of a listener that is not there yet: one of plain TCP, whose socket can be duplicated if
// duplicate is nil.
func (c Capabilities) Foresee(duplicate error, ways ...Way) (Way, error) {
	return first("a listener", ways, func(way Way) error {
		if duplicate != nil {
			s := socket{fd: -1, refused: duplicate}
			return s.missing()
		}
		return c.Way(way)
	})
}

// first is the first way that nothing speaks against.
func first(listener string, ways []Way, against func(Way) error) (Way, error) {
	refused := &RefusedError{Listener: listener}
	if len(ways) == 0 {
		ways = Best
	}
	for _, way := range ways {
		err := against(way)
		if err == nil {
			return way, nil
		}
		refused.Refusals = append(refused.Refusals, Refusal{Way: way, Err: err})
	}
	return None, refused
}

func (l *Listener) foresee(c Capabilities, way Way) error {
	if l.domain == unix.AF_UNIX {
		return ErrUnix
	}
	if way == Sentinel {
		return l.foreseeSentinel(c)
	}
	for _, s := range l.sockets {
		if err := s.foresee(way); err != nil {
			return err
		}
	}
	return c.Way(way)
}

// foresee says what about a socket speaks against a filter or a minimum TTL.
func (s *socket) foresee(way Way) error {
	if err := s.missing(); err != nil {
		return err
	}
	plain := detachable(s.fd)
	switch {
	case !plain && way == Filter:
		return explain("cannot attach a filter", unix.EOPNOTSUPP, filterWords)
	case !plain:
		return explain("cannot set a minimum TTL", unix.EOPNOTSUPP, ttlWords)
	case way == Filter:
		_, err := filtered(s.fd)
		return err
	default:
		return nil
	}
}

// foreseeSentinel binds a sentinel that does not listen. Where it finds the address in use, that is for want of
// SO_REUSEPORT, which can be set on duplicates.
func (l *Listener) foreseeSentinel(c Capabilities) error {
	if c.Sentinel != nil {
		return c.Sentinel
	}
	if err := l.alone(); err != nil {
		return err
	}
	err := l.eachGuess(func() error {
		err := l.bindBeside()
		if errors.Is(err, unix.EADDRINUSE) && l.duplicated() {
			return nil
		}
		return err
	})
	return errors.Join(err, l.closeSentinel())
}
