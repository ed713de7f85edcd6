package quiesce

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Way is how new connections are turned away from a listener.
type Way uint8

// The ways, best first. The package's doc says what each does and costs.
const (
	None Way = iota
	Filter
	Sentinel
	MinTTL
)

// Best are the ways in the order in which they are tried where nobody says otherwise.
var Best = []Way{Filter, Sentinel, MinTTL}

func (w Way) String() string {
	switch w {
	case None:
		return "none"
	case Filter:
		return "filter"
	case Sentinel:
		return "sentinel"
	case MinTTL:
		return "minttl"
	default:
		return fmt.Sprintf("way %d", uint8(w))
	}
}

// ParseWay is the other way round.
func ParseWay(s string) (Way, bool) {
	for _, w := range append([]Way{None}, Best...) {
		if w.String() == s {
			return w, true
		}
	}
	return None, false
}

// Refusal says why one way cannot be had.
type Refusal struct {
	Way Way
	Err error
}

// RefusedError says why no way could be had at a listener.
type RefusedError struct {
	Listener string
	Refusals []Refusal
}

func (e *RefusedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cannot turn new connections away from %s", e.Listener)
	if why, same := e.same(); same {
		return b.String() + ": " + why
	}
	for i, r := range e.Refusals {
		b.WriteString([]string{": ", "; "}[min(i, 1)])
		fmt.Fprintf(&b, "%s: %s", r.Way, inLine(r.Err))
	}
	return b.String()
}

// same is why all ways are refused, where it is the same for all.
func (e *RefusedError) same() (why string, same bool) {
	for i, r := range e.Refusals {
		if i > 0 && inLine(r.Err) != why {
			return "", false
		}
		why = inLine(r.Err)
	}
	return why, len(e.Refusals) > 1
}

// inLine is an error of one line: those that were joined are written one after another.
func inLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", ", ") }

func (e *RefusedError) Unwrap() []error {
	errs := make([]error, len(e.Refusals))
	for i, r := range e.Refusals {
		errs[i] = r.Err
	}
	return errs
}

// Errors that say why something cannot be done from outside. They come wrapped, with the system's own error where there
// is one.
var (
	// ErrUnix says that nothing can be done to a unix socket that could be undone, or that the program would not notice.
	ErrUnix = errors.New("no way turns connections away from a unix socket without harm to its program")
	// ErrNamespace says that no own connection can reach the listener to prove anything.
	ErrNamespace = errors.New("it listens in another network namespace")
	// ErrShared says that other processes listen at the same address.
	ErrShared = errors.New("other processes listen at the same address, and would be cut off too")
	// ErrOwnFilter says that the program has a socket filter of its own, which is left alone.
	ErrOwnFilter = errors.New("the program has a socket filter of its own")
	// ErrUnproven says that an own connection did not show that new connections are turned away.
	ErrUnproven = errors.New("not proven")
	// ErrNoDuplicate says that there is no duplicate of the socket.
	ErrNoDuplicate = errors.New("no duplicate of the socket")
)

// explain adds to a system error what it means for people, where that is known.
func explain(what string, err error, words map[unix.Errno]string) error {
	if err == nil {
		return nil
	}
	for errno, why := range words {
		if errors.Is(err, errno) {
			return fmt.Errorf("%s: %w (%s)", what, err, why)
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}
