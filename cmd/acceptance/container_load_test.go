package acceptance

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// crowd is the clients of one address in a network namespace, and what became of their requests.
type crowd struct {
	from *space
	to   netip.AddrPort
	page string // what every answer says; nothing: which request it is to
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
	case said != c.wanted(id):
		c.lost = append(c.lost, fmt.Sprintf("%.60q", said))
	default:
		c.answered++
	}
}

func (c *crowd) wanted(id int) string {
	if c.page != "" {
		return "200 OK " + c.page
	}
	return fmt.Sprintf("200 OK answer to id=%d", id)
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

// hold sends requests whose answers are not read yet.
func (c *crowd) hold(t testing.TB, n int) []net.Conn {
	t.Helper()
	var all []net.Conn
	for range n {
		conn, err := c.from.dial(c.to, clientPatience)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			err = conn.SetDeadline(time.Now().Add(clientPatience))
		}
		if err == nil {
			_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, conn)
	}
	return all
}

// wantAnswer reads a whole answer.
func wantAnswer(t testing.TB, conn net.Conn) {
	t.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Errorf("no answer: %v", err)
		return
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("it is answered by %s, %v", answer.Status, err)
	}
}
