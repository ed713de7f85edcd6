package acceptance

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// crowd is the clients of one address in a network namespace, and what became of their requests.
type crowd struct {
	from *space
	to   netip.AddrPort
	wg   sync.WaitGroup

	mu       sync.Mutex
	stopped  bool // the stop has begun
	answered int
	refused  int      // no connection was had, after the stop had begun: harmless
	lost     []string // no whole answer came
}

func (c *crowd) String() string {
	return fmt.Sprintf("%d answered, %d refused, %d lost %q", c.answered, c.refused, len(c.lost), c.lost[:min(5, len(c.lost))])
}

// pace is the time between two requests.
const pace = 4 * time.Millisecond

// press sends requests at an even pace, each on a connection of its own, and calls stop when it has sent so many before.
func (c *crowd) press(before, after int, stop func()) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for i := range before + after {
		if i == before {
			c.wg.Go(func() {
				c.mu.Lock()
				c.stopped = true
				c.mu.Unlock()
				stop()
			})
		}
		<-tick.C
		c.wg.Go(func() { c.ask(i) })
	}
	c.wg.Wait()
}

// clientPatience is how long a client waits for an answer.
const clientPatience = 20 * time.Second

// ask sends one request. The answer must be to that very one.
func (c *crowd) ask(id int) {
	conn, err := c.from.dial(c.to, 2*time.Second) // a SYN is sent again after one
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.stopped {
			c.lost = append(c.lost, "before the stop: "+err.Error())
		} else {
			c.refused++
		}
		return
	}
	defer conn.Close()
	said, err := c.exchange(conn, id)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.lost = append(c.lost, err.Error())
	case said != fmt.Sprintf("200 OK answer to id=%d", id):
		c.lost = append(c.lost, fmt.Sprintf("%.60q", said))
	default:
		c.answered++
	}
}

func (c *crowd) exchange(conn net.Conn, id int) (string, error) {
	if err := conn.SetDeadline(time.Now().Add(clientPatience)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(conn, "GET /?id=%d HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", id); err != nil {
		return "", err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.Status + " " + string(body), err
}
