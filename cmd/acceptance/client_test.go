package acceptance

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// ledger is what became of the requests of one load.
type ledger struct {
	mu       sync.Mutex
	answered int
	refused  int      // no connection was had: harmless
	lost     []string // a connection was had, and no whole answer came of it
}

func (l *ledger) String() string {
	return fmt.Sprintf("%d answered, %d refused, %d lost %q", l.answered, l.refused, len(l.lost), l.lost[:min(5, len(l.lost))])
}

// load sends total requests at an even rate, each on a connection of its own, and calls at once half of them are sent.
func load(t testing.TB, url string, total int, every time.Duration, half func()) *ledger {
	t.Helper()
	l := &ledger{}
	var wg sync.WaitGroup
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := range total {
		if i == total/2 {
			wg.Go(half)
		}
		<-tick.C
		wg.Go(func() { l.ask(url, i) })
	}
	wg.Wait()
	return l
}

// ask sends one request and books what became of it. The answer must say the request's own number.
func (l *ledger) ask(url string, id int) {
	dialed := false
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, addr)
			dialed = err == nil
			return c, err
		},
	}}
	answer, err := client.Get(fmt.Sprintf("%s?id=%d", url, id))
	var body []byte
	if err == nil {
		body, err = io.ReadAll(answer.Body)
		answer.Body.Close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !dialed:
		l.refused++
	case err != nil:
		l.lost = append(l.lost, err.Error())
	case answer.StatusCode != http.StatusOK || strings.TrimSpace(string(body)) != fmt.Sprintf("answer to id=%d", id):
		l.lost = append(l.lost, fmt.Sprintf("%s: %.40q", answer.Status, body))
	default:
		l.answered++
	}
}

// freePort is a port nobody listened on a moment ago, for programs that cannot say which one they got.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
