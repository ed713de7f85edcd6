package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

// prober finds out whether a run is ready: true once it is, false when the context ends before, or when there is nothing
// left to look at. It tells saw why it is not ready, from its begin on, so that people can be told when time is over.
type prober func(ctx context.Context, saw func(error)) bool

// look looks once; nil is ready.
type look func(context.Context) error

// poll looks at once, and then at every interval. A look that takes longer than bound has failed.
func poll(interval, bound time.Duration, look look) prober {
	return func(ctx context.Context, saw func(error)) bool {
		ticks := time.NewTicker(interval)
		defer ticks.Stop()
		saw(errors.New("no look has come to its end"))
		for {
			within, cancel := context.WithTimeout(ctx, bound)
			err := look(within)
			late := within.Err() != nil
			cancel()
			switch {
			case err == nil:
				return true
			case ctx.Err() != nil:
				return false
			case late:
				saw(fmt.Errorf("no answer within %v", bound))
			default:
				saw(err)
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
func netProber(p config.Probe, given *givenUp) prober {
	switch {
	case p.TCP != "":
		return poll(p.Interval, netLook, tcpLook(p.TCP))
	case p.HTTP != "":
		return poll(p.Interval, netLook, httpLook(p.HTTP, given))
	default:
		return nil
	}
}

// tcpLook asks whether somebody accepts connections at the address.
func tcpLook(address string) look {
	return func(ctx context.Context) error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// lineProber waits for a newline on the pipe, as s6 defines it; end of file without one says that it will never come.
func lineProber(r *os.File) prober {
	return func(ctx context.Context, saw func(error)) bool {
		stop := context.AfterFunc(ctx, func() { r.SetReadDeadline(time.Unix(1, 0)) })
		defer stop()
		saw(errors.New("no newline came on its readiness descriptor"))
		line := bufio.NewReaderSize(r, 64)
		_, err := line.ReadSlice('\n')
		for err == bufio.ErrBufferFull {
			_, err = line.ReadSlice('\n')
		}
		if err == io.EOF {
			saw(errors.New("it closed its readiness descriptor without a newline"))
		}
		return err == nil
	}
}

// channelProber waits for the channel to be closed: something else, such as the reader of its output, found out. Unseen
// is what there is to say as long as it has not.
func channelProber(found <-chan struct{}, unseen string) prober {
	return func(ctx context.Context, saw func(error)) bool {
		saw(errors.New(unseen))
		select {
		case <-found:
			return true
		case <-ctx.Done():
			return false
		}
	}
}
