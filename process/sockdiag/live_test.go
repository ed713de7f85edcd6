package sockdiag

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"flag"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var record = flag.Bool("record", false, "write what the kernel shows of each situation to testdata/samples.jsonl")

// situation makes a connection what its name says; want is what it may be taken for. More than one where the kernel's
// tick decides.
type situation struct {
	name string
	want []Class
	make func(w *world)
}

var situations = []situation{
	{"not accepted, silent", []Class{Waiting}, func(w *world) {}},
	{"not accepted, with a request", []Class{Queued}, func(w *world) { w.say(w.client, "GET") }},
	{"not accepted, with a request, half closed", []Class{Queued}, func(w *world) {
		w.say(w.client, "GET")
		w.must(w.client.CloseWrite())
	}},
	{"not accepted, silent, the client has gone", []Class{Waiting}, func(w *world) { w.must(w.client.CloseWrite()) }},
	{"preconnect", []Class{Preconnect}, func(w *world) { w.accept() }},
	{"preconnect, the client has gone", []Class{Preconnect}, func(w *world) {
		w.accept()
		w.must(w.client.CloseWrite())
	}},
	{"unread", []Class{Unread}, func(w *world) { w.accept(); w.say(w.client, "GET") }},
	{"long poll", []Class{Unanswered}, func(w *world) { w.accept(); w.say(w.client, "GET"); w.hear(w.server, 3) }},
	{"long poll after an answer", []Class{Unanswered}, func(w *world) {
		w.exchange()
		w.tick()
		w.say(w.client, "GET")
		w.hear(w.server, 3)
	}},
	{"next request within the tick of the answer", []Class{Unsure, Unanswered}, func(w *world) {
		for range 3 {
			w.exchange()
		}
		w.say(w.client, "GET")
		w.hear(w.server, 3)
	}},
	{"half upload", []Class{Unanswered}, func(w *world) {
		w.accept()
		for range 4 {
			w.say(w.client, "a part of the body")
			w.hear(w.server, 18)
		}
	}},
	{"half upload, invited by 100 Continue", []Class{Unanswered}, func(w *world) {
		w.exchange()
		w.tick()
		w.say(w.client, "a part of the body")
		w.hear(w.server, 18)
	}},
	{"answered within the tick, first request", []Class{Idle}, func(w *world) { w.exchange() }},
	{"answered within the tick, acknowledged at once", []Class{Idle, Unsure}, func(w *world) {
		for range 3 {
			w.exchange()
		}
	}},
	{"answered within the tick, acknowledged later", []Class{Idle}, func(w *world) {
		w.exchange()
		w.say(w.client, "GET")
		w.hear(w.server, 3)
		w.say(w.server, "answer")
		w.tick()
		w.hear(w.client, 6)
		w.acknowledge()
	}},
	{"idle keep-alive", []Class{Idle}, func(w *world) {
		w.accept()
		w.say(w.client, "GET")
		w.hear(w.server, 3)
		w.tick()
		w.answer()
	}},
	{"answer on its way", []Class{Sending}, func(w *world) {
		w.accept()
		w.say(w.client, "GET")
		w.hear(w.server, 3)
		w.flood()
	}},
	{"half closed by the client, unanswered", []Class{Unanswered}, func(w *world) {
		w.accept()
		w.say(w.client, "GET")
		w.must(w.client.CloseWrite())
		w.hear(w.server, 3)
		w.end(w.server)
	}},
	{"half closed by the client, answered", []Class{Idle}, func(w *world) {
		w.accept()
		w.say(w.client, "GET")
		w.must(w.client.CloseWrite())
		w.hear(w.server, 3)
		w.end(w.server)
		w.tick()
		w.answer()
	}},
	{"closed by the server, all delivered", []Class{None}, func(w *world) {
		w.exchange()
		w.must(w.server.Close())
		w.end(w.client)
		w.acknowledge()
	}},
	{"closed by the server, bytes owed", []Class{Sending}, func(w *world) {
		w.exchange()
		w.flood()
		w.must(w.server.Close())
	}},
	{"lingering close", []Class{Ended}, func(w *world) {
		w.exchange()
		w.must(w.server.CloseWrite())
		w.end(w.client)
		w.acknowledge()
	}},
	{"server-sent events", []Class{Idle}, func(w *world) {
		w.exchange()
		for range 3 {
			w.tick()
			w.answer()
		}
	}},
	{"websocket, the server pushed last", []Class{Idle}, func(w *world) { w.exchange(); w.tick(); w.answer() }},
	{"websocket, the client pinged last", []Class{Unanswered}, func(w *world) {
		w.exchange()
		w.tick()
		w.say(w.client, "ping")
		w.hear(w.server, 4)
	}},
	// Go sends its session tickets before the client's last word, so the client speaks last; OpenSSL sends them
	// after it.
	{"TLS 1.3 handshake with Go, then idle", []Class{Unanswered, Unsure}, func(w *world) {
		w.handshake(tls.VersionTLS13)
	}},
	{"TLS 1.3 handshake, tickets last, then idle", []Class{Idle}, func(w *world) {
		w.handshake(tls.VersionTLS13)
		w.tick()
		w.answer()
	}},
	{"TLS 1.2 handshake, then idle", []Class{Idle, Unsure}, func(w *world) { w.handshake(tls.VersionTLS12) }},
	{"banner, and never a byte from the client", []Class{Preconnect}, func(w *world) { w.accept(); w.answer() }},
}

// recorded is a line of testdata/samples.jsonl.
type recorded struct {
	Name   string
	Class  string
	Sample Sample
}

// TestSituations makes each situation on the real kernel, over IPv4 and IPv6.
func TestSituations(t *testing.T) {
	d := open(t)
	var records []recorded
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, s := range situations {
			t.Run(host+"/"+s.name, func(t *testing.T) {
				w := newWorld(t, host)
				s.make(w)
				sample := w.sample(d)
				got := Classify(&sample)
				if !slices.Contains(s.want, got) {
					t.Errorf("taken for %v, want %v: %+v", got, s.want, sample)
				}
				records = append(records, recorded{host + " " + s.name, got.String(), sample})
			})
		}
	}
	if *record {
		var out bytes.Buffer
		for _, r := range records {
			if err := json.NewEncoder(&out).Encode(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile("testdata/samples.jsonl", out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHalfOpen has a handshake that the server does not finish: a listener with TCP_DEFER_ACCEPT waits for data.
func TestHalfOpen(t *testing.T) {
	d := open(t)
	l, err := (&net.ListenConfig{Control: sockopt(unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 5)}).
		Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := find(t, d, c)
	if got := Classify(&s); s.State != SynRecv || s.Inode != 0 || got != HalfOpen || !got.Holds(Quiet) {
		t.Errorf("taken for %v: %+v", got, s)
	}
	if age := s.Connection().Age; age < 0 || age > time.Second {
		t.Errorf("a handshake just begun is %v old", age)
	}
	expire(t, 1100*time.Millisecond)
	s = find(t, d, c)
	if got := Classify(&s); got != HalfOpenLate || got.Holds(Exit) {
		t.Errorf("after a second taken for %v: %+v", got, s)
	}
	if _, err := c.Write([]byte("GET")); err != nil {
		t.Fatal(err)
	}
	s = find(t, d, c)
	if got := Classify(&s); got != Queued {
		t.Errorf("after its first bytes taken for %v: %+v", got, s)
	}
}

// pair is a connection of which the last word is known.
type pair struct {
	*world
	pending bool
}

func (p pair) want() Class {
	if p.pending {
		return Unanswered
	}
	return Idle
}

// TestWhoSpokeLast lets many connections exchange as fast as they can, and leaves half of them with a request that
// is not answered. No sample may take one of those for idle, and the kernel's interactive mode settles what no
// sample can.
func TestWhoSpokeLast(t *testing.T) {
	d := open(t)
	var pairs []pair
	for i := range 60 {
		w := newWorld(t, "127.0.0.1")
		for range 1 + i/2 {
			w.exchange()
		}
		if i%2 == 1 {
			w.say(w.client, "GET")
			w.hear(w.server, 3)
		}
		pairs = append(pairs, pair{w, i%2 == 1})
	}
	expire(t, Settled)
	judge, unsure := NewJudge(d), 0
	samples := make([]Sample, len(pairs))
	for i, p := range pairs {
		samples[i] = p.sample(d)
		class := Classify(&samples[i])
		if class == Unsure {
			unsure++
		}
		if want := p.want(); class != want && class != Unsure {
			t.Errorf("connection %d is %v, want %v: %+v", i, class, want, samples[i])
		}
	}
	if err := judge.Settle(samples, []int{os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	for i, p := range pairs {
		if got, want := judge.Class(&samples[i]), p.want(); got != want {
			t.Errorf("connection %d is judged %v, want %v: %+v", i, got, want, samples[i])
		}
	}
	t.Logf("%d of %d were unsure", unsure, len(pairs))
	if sum := judge.Summarise(samples); sum.Holds(Quiet) != 30 || sum.Idle() != 30 {
		t.Errorf("%+v", sum)
	}
	if err := judge.Settle(samples[:2], nil); err != nil || len(judge.known) > 2 {
		t.Errorf("%d verdicts of 2 connections; %v", len(judge.known), err)
	}
}
