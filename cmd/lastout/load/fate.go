package load

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// Fate is what became of a request, as its client saw it.
type Fate string

// The fates. Only what never got a connection counts as refused: once there is one, everything but a whole answer is a
// loss.
const (
	Answered Fate = "answered"
	Refused  Fate = "refused"
	Lost     Fate = "lost"
)

// Request is one request's record. Times count from the begin of the load; the names of the JSON are stable.
type Request struct {
	ID    string        `json:"id"`
	Begin time.Duration `json:"begin"`
	End   time.Duration `json:"end"`
	Fate  Fate          `json:"fate"`
	Why   string        `json:"why,omitempty"` // of a refusal or a loss

	Kept    bool `json:"kept,omitempty"`    // it was sent on a connection that had carried others before
	Retried bool `json:"retried,omitempty"` // that one had been closed before the request arrived: see crossed
	Endless bool `json:"endless,omitempty"` // the answer told no length: that it is whole is only assumed
}

// The bounds of a client's patience.
const (
	knock    = 3 * time.Second  // for a connection
	Patience = 15 * time.Second // for a whole answer that does not come slowly on purpose
)

var errLate = errors.New("no connection before the tree had gone")

// reason puts an error into few words, so that equal ones can be counted.
func reason(err error) string {
	var timeout net.Error
	var alert tls.AlertError
	var number syscall.Errno
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "answer broke off"
	case errors.Is(err, io.EOF):
		return "connection closed without an answer"
	case errors.Is(err, context.Canceled):
		return errLate.Error()
	case errors.As(err, &alert):
		return err.Error()
	case errors.As(err, &timeout) && timeout.Timeout():
		return "nothing came in time"
	case errors.As(err, &number):
		return number.Error()
	}
	return err.Error()
}
