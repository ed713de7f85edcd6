package acceptance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// balanced is HAProxy before two instances of a Node application. $DRAIN is what the gateway's table has beside its preset.
const balanced = `
[shutdown]
timeout = "25s"
[process.api]
command = ["node", "$DIR/app.js"]
instances = 2
port = $PORT
env = { LEDGER = "$DIR/ledger", HOST = "$HOST" }
ready = { tcp = "$HOST:{port}", interval = "20ms" }
[process.edge]
role = "gateway"
preset = "haproxy"
command = ["haproxy", "-db", "-f", "$DIR/haproxy.cfg"]
depends_on = ["api"]
ready = { tcp = "$ADDR", interval = "20ms" }
$DRAIN
`

// haproxy is that town, with a drain of its own if there is one.
func haproxy(drain string) town {
	return town{
		files: []string{"app.js", "haproxy.cfg"}, ready: 3, conf: strings.ReplaceAll(balanced, "$DRAIN", drain),
		first: []worker{{"api.1", syscall.SIGTERM}, {"api.2", syscall.SIGTERM}}, last: []worker{{"edge", syscall.SIGUSR1}},
	}
}

// Requests at an even pace, and visitors who keep their connections, across the stop of both workers.
func TestHAProxy(t *testing.T) {
	needs(t, "haproxy", "node")
	t.Parallel()
	scene{town: haproxy(""), answered: 80, play: func(s *site) {
		for range 5 {
			s.clients.wg.Go(func() { s.clients.visit(3*time.Millisecond, wish{path: "/?ms=20"}) })
		}
		s.clients.flow(150, 5*time.Millisecond, wish{}, 100, s.stop)
	}}.run(t, 10)
}

// A stream and a WebSocket are silent for almost as long as other connections must be to count as idle, and both are
// carried to their ends while others come late, for their drain is over when every connection is gone.
func TestHAProxyStreams(t *testing.T) {
	needs(t, "haproxy", "node")
	t.Parallel()
	drain := `drain = { until = "connections", timeout = "15s", quiet = "100ms" }`
	scene{town: haproxy(drain), answered: 4, play: func(s *site) {
		s.clients.each(2, wish{path: "/stream", judge: wholeStream})
		s.clients.each(2, wish{path: "/socket", upgrade: true, judge: wholeSocket})
		s.untilStarted(4)
		s.clients.wg.Go(func() { s.clients.late(50*time.Millisecond, wish{}) })
		s.stop()
	}}.run(t, 10)
}

// wholeStream reads a stream to its end, of which only the last word tells.
func wholeStream(_ *bufio.Reader, resp *http.Response) error {
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasSuffix(string(text), "tick 1\nover\n") {
		return fmt.Errorf("the stream broke off after %q: %w", text, err)
	}
	return nil
}

// wholeSocket reads the frames of a WebSocket to the one that closes it (RFC 6455, 5.2).
func wholeSocket(rd *bufio.Reader, resp *http.Response) error {
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return errors.New("answered " + resp.Status)
	}
	for {
		var head [2]byte
		if _, err := io.ReadFull(rd, head[:]); err != nil {
			return fmt.Errorf("the WebSocket broke off: %w", err)
		}
		if _, err := rd.Discard(int(head[1])); err != nil {
			return fmt.Errorf("the WebSocket broke off: %w", err)
		}
		const closing = 0x88
		if head[0] == closing {
			return nil
		}
	}
}
