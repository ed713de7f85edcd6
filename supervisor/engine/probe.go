package engine

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"time"

	"lastout/supervisor/config"
)

// A look is given up after this time and the next one begins, so that one lost packet or one hung answer does not use up
// the whole time a process has to become ready. A program is given longer: a client in a managed language takes seconds
// to begin.
const (
	netLook  = 2 * time.Second
	execLook = 10 * time.Second
)

// prober finds out whether a run is ready. It returns true once it is, and false when the context ended, or when there
// is nothing left to look at.
type prober func(context.Context) bool

// poll looks at once, and then at every interval. A look that takes longer than bound has failed.
func poll(interval, bound time.Duration, look prober) prober {
	return func(ctx context.Context) bool {
		ticks := time.NewTicker(interval)
		defer ticks.Stop()
		for {
			within, cancel := context.WithTimeout(ctx, bound)
			ready := look(within)
			cancel()
			if ready {
				return true
			}
			select {
			case <-ctx.Done():
				return false
			case <-ticks.C:
			}
		}
	}
}

// netProber is the prober of a configuration that looks from outside, over the network; nil where it is another kind.
func netProber(p config.Probe) prober {
	switch {
	case p.TCP != "":
		return poll(p.Interval, netLook, tcpLook(p.TCP))
	case p.HTTP != "":
		return poll(p.Interval, netLook, httpLook(p.HTTP))
	default:
		return nil
	}
}

// tcpLook asks whether somebody accepts connections at the address.
func tcpLook(address string) prober {
	return func(ctx context.Context) bool {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}
}

// httpLook asks for the URL: an answer of 2xx or 3xx is ready. Each look has a connection of its own, no proxy stands
// between, a redirect is an answer and not followed, and the certificate is not checked: the question is whether the
// server answers, not who it is.
func httpLook(url string) prober {
	client := &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context) bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false
		}
		req.Header.Set("User-Agent", "lastout")
		answer, err := client.Do(req)
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode >= 200 && answer.StatusCode < 400
	}
}

// lineProber waits for a newline on the pipe, as s6 defines it; end of file without one says that it will never come.
func lineProber(r *os.File) prober {
	return func(ctx context.Context) bool {
		stop := context.AfterFunc(ctx, func() { r.SetReadDeadline(time.Unix(1, 0)) })
		defer stop()
		line := bufio.NewReaderSize(r, 64)
		for {
			switch c, err := line.ReadByte(); {
			case err != nil:
				return false
			case c == '\n':
				return true
			}
		}
	}
}

// channelProber waits for the channel to be closed: something else, such as the reader of its output, found out.
func channelProber(found <-chan struct{}) prober {
	return func(ctx context.Context) bool {
		select {
		case <-found:
			return true
		case <-ctx.Done():
			return false
		}
	}
}
