package engine

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// bodyRoom is how much of an answer a look takes in.
const bodyRoom = 64 << 10

// httpLook asks for the URL: an answer of 2xx or 3xx is ready. Each look has a connection of its own, no proxy stands
// between, a redirect is an answer and not followed, and the certificate is not checked: the question is whether the
// server answers, not who it is.
//
// A look must not seem to be a client whose answer was cut off: the rest of an answer is taken in beside, and a question
// that is given up is taken back by a reset, else it would wait in the queue of a listener until somebody answers it.
// Those are remembered.
func httpLook(url string, given *givenUp) look {
	client := &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       dialLook,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context) error {
		conn := &lookConn{given: given}
		own, cancel := context.WithTimeout(context.WithValue(context.WithoutCancel(ctx), connKey{}, conn), 2*netLook)
		stop := context.AfterFunc(ctx, cancel)
		req, err := http.NewRequestWithContext(own, http.MethodGet, url, nil)
		if err != nil {
			cancel()
			return err
		}
		req.Header.Set("User-Agent", "lastout")
		answer, err := client.Do(req)
		if err != nil {
			cancel()
			return err
		}
		conn.answered.Store(true)
		stop()
		go func() {
			defer cancel()
			_, _ = io.CopyN(io.Discard, answer.Body, bodyRoom) // the head was all that is asked for
			answer.Body.Close()
		}()
		if answer.StatusCode < 200 || answer.StatusCode > 399 {
			return fmt.Errorf("the answer was %s", answer.Status)
		}
		return nil
	}
}

// connKey finds in a look's context its connection.
type connKey struct{}

// dialLook opens the connection of a look.
func dialLook(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	of := ctx.Value(connKey{}).(*lookConn)
	of.Conn = conn
	return of, nil
}

// lookConn is reset when it is closed without an answer (SO_LINGER of 0: socket(7)).
type lookConn struct {
	net.Conn
	given    *givenUp
	answered atomic.Bool
}

func (c *lookConn) Close() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok && !c.answered.Load() {
		c.given.add(tcp)
		_ = tcp.SetLinger(0) // refused where it is closed already
	}
	return c.Conn.Close()
}
