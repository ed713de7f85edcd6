package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// RequestID is the header that carries a request's name.
const RequestID = "X-Request-Id"

// A slow reader takes a piece of the answer at a time, some 256 KiB a second.
const (
	slowPiece = 8 << 10
	slowPause = 31 * time.Millisecond
)

// manner is how one request is sent.
type manner struct{ kept, slow bool }

// send sends one request and sees what becomes of it.
func (l *Load) send(ctx context.Context, id string, m manner) Request {
	r := Request{ID: id, Begin: time.Since(l.begin)}
	var err error
	var c *conn
	if m.kept && !m.slow {
		c = l.pool.take()
	}
	if c != nil {
		r.Kept = true
		before, known := c.acked()
		err = l.exchange(c, &r, m)
		if err != nil && known && l.crossed(c, before, err) {
			r.Retried, r.Kept = true, false
		}
		c.release(l, err, m)
	}
	if c == nil || r.Retried {
		if c, err = l.dial(ctx, m.slow); err == nil {
			err = l.exchange(c, &r, m)
			c.release(l, err, m)
		}
	}
	r.End = time.Since(l.begin)
	why, door := refused(err)
	switch {
	case err == nil:
		r.Fate = Answered
	case door:
		r.Fate, r.Why = Refused, why
	default:
		r.Fate, r.Why = Lost, reason(err)
	}
	return r
}

// crossed says that the request and the end of its kept connection crossed on the way: no byte of an answer came, and
// the server's kernel has acknowledged not a byte of the request, so that no server ever saw it. Clients repeat such a
// request on a new connection by themselves (RFC 9110, 9.2.2), unless it is a POST. Once a byte was acknowledged the
// request was the server's, and what the transports of many clients repeat in silence then is a loss here.
func (l *Load) crossed(c *conn, before uint64, err error) bool {
	var silent *silence
	if l.o.Body > 0 || !errors.As(err, &silent) {
		return false
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return false
	}
	now, known := c.acked()
	return known && now == before
}

// silence is the end of a connection before the first byte of an answer.
type silence struct{ error }

func (s *silence) Unwrap() error { return s.error }

// release keeps the connection for the next request, or closes it.
func (c *conn) release(l *Load, err error, m manner) {
	if err == nil && c.used && m.kept && !m.slow {
		l.pool.give(c)
		return
	}
	c.Close()
}

// exchange is content with nothing but a whole answer. Whether the connection can be used again is in c.used.
func (l *Load) exchange(c *conn, r *Request, m manner) error {
	patience := l.o.Patience
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	req, err := l.request(r.ID, m)
	if err != nil {
		return err
	}
	c.used = false
	sent := req.Write(c) // an early answer to a POST may come although this fails
	if _, err := c.r.Peek(1); err != nil {
		if sent != nil && !errors.Is(sent, err) {
			err = sent
		}
		return &silence{err}
	}
	resp, err := readResponse(c, req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	r.Endless = resp.ContentLength < 0 && len(resp.TransferEncoding) == 0
	n, err := l.read(c, resp.Body, m)
	switch {
	case err != nil:
		return fmt.Errorf("answer broke off after %d bytes: %w", n, err)
	case resp.StatusCode >= http.StatusInternalServerError:
		return errors.New("answered " + resp.Status)
	case l.o.Check != nil:
		if err := l.o.Check(r.ID, resp, n); err != nil {
			return err
		}
	}
	c.used = !resp.Close && !req.Close && sent == nil
	return nil
}

// request is a GET, or a POST where a body is wanted.
func (l *Load) request(id string, m manner) (*http.Request, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if l.o.Body > 0 {
		method, body = http.MethodPost, bytes.NewReader(make([]byte, l.o.Body))
	}
	req, err := http.NewRequest(method, l.o.URL.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set(RequestID, id)
	req.Close = !m.kept || m.slow
	return req, nil
}

// readResponse passes over what only announces the answer (1xx).
func readResponse(c *conn, req *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(c.r, req)
		if err != nil {
			if _, end := c.r.Peek(1); errors.Is(end, io.EOF) { // whatever else is wrong with half a header
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("cannot read the answer's header: %w", err)
		}
		if resp.StatusCode >= http.StatusOK || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
}

// read takes the whole answer, slowly where that is wanted. A slow reader is patient as long as something comes.
func (l *Load) read(c *conn, body io.Reader, m manner) (int64, error) {
	if !m.slow {
		return io.Copy(io.Discard, body)
	}
	var all int64
	for {
		if err := c.SetDeadline(time.Now().Add(l.o.Patience)); err != nil {
			return all, err
		}
		n, err := io.CopyN(io.Discard, body, slowPiece)
		all += n
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		<-time.After(slowPause)
	}
}
