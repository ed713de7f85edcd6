package sockdiag

import (
	"encoding/json"
	"io"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRecorded judges what a kernel once showed of each situation (go test -run Situations -record).
func TestRecorded(t *testing.T) {
	f, err := os.Open("testdata/samples.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := make(map[string]bool)
	for in := json.NewDecoder(f); ; {
		var r recorded
		if err := in.Decode(&r); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen[r.Name] = true
		if got := Classify(&r.Sample); got.String() != r.Class {
			t.Errorf("%s: taken for %v, want %s", r.Name, got, r.Class)
		}
	}
	for _, s := range situations {
		if !seen["127.0.0.1 "+s.name] || !seen["::1 "+s.name] {
			t.Errorf("%s was not recorded", s.name)
		}
	}
}

// served is an accepted connection that got 100 bytes and sent 1000, which were acknowledged; its times are
// milliseconds ago.
func served(received, sent, acked uint32) Sample {
	return Sample{State: Established, Inode: 7, Info: Info{
		Size: 280, RTO: 204000, LastReceived: received, LastSent: sent, LastAck: acked,
		BytesReceived: 100, BytesAcked: 1000, SegmentsIn: 9, DataIn: 3, SegmentsOut: 6, DataOut: 6,
	}}
}

func with(s Sample, change func(*Sample)) Sample { change(&s); return s }

func TestClassify(t *testing.T) {
	state := func(st State, inode, unread, unsent uint32) Sample {
		return with(served(20, 8, 8), func(s *Sample) { s.State, s.Inode, s.Unread, s.Unsent = st, inode, unread, unsent })
	}
	silent := func(st State, inode uint32, received uint64) Sample {
		return Sample{State: st, Inode: inode, Info: Info{Size: 280, BytesReceived: received}}
	}
	old := func(size uint16, received, sent, acked uint32) Sample {
		s := served(received, sent, acked)
		s.Info.Size = size
		if size < 160 {
			s.Info.DataIn, s.Info.DataOut = 0, 0
		}
		if size < 136 {
			s.Info.BytesAcked, s.Info.BytesReceived = 0, 0
		}
		return s
	}
	for _, c := range []struct {
		name   string
		sample Sample
		want   Class
	}{
		{"listener with a queue", Sample{State: Listening, Inode: 3, Unread: 2, Unsent: 4096}, None},
		{"TIME_WAIT", Sample{State: TimeWait}, None},
		{"outgoing handshake", Sample{State: SynSent, Inode: 3}, None},
		{"handshake", Sample{State: SynRecv, Timer: 1, Expires: 900}, HalfOpen},
		{"handshake, asked again", Sample{State: SynRecv, Timer: 1, Retransmits: 1, Expires: 1900}, HalfOpenLate},
		{"handshake, deferred", Sample{State: SynRecv, Timer: 1, Expires: 1900}, HalfOpenLate},
		{"fast open with data", silent(SynRecv, 0, 5), Queued},
		{"queued, end only", with(silent(CloseWait, 0, 1), func(s *Sample) { s.Unread = 1 }), Waiting},
		{"queued, one byte and end", with(silent(CloseWait, 0, 2), func(s *Sample) { s.Unread = 2 }), Queued},
		{"accepted, end only", with(silent(CloseWait, 4, 1), func(s *Sample) { s.Unread = 1 }), Preconnect},
		{"banner on its way", with(silent(Established, 4, 0), func(s *Sample) { s.Unsent = 9 }), Sending},

		{"server last", served(20, 16, 16), Idle},
		{"client last", served(16, 20, 16), Unanswered},
		{"never acknowledged, server later", with(served(20, 16, 16), func(s *Sample) { s.Info.BytesAcked = 0 }), Unanswered},
		{"unread is stronger than idle", state(Established, 7, 1, 0), Unread},
		{"owed", state(Established, 7, 0, 1), Sending},
		{"client ended, data and end unread", state(CloseWait, 7, 2, 0), Unread},
		{"client ended, end unread", state(CloseWait, 7, 1, 0), Idle},

		{"tie, acknowledged later", served(20, 20, 16), Idle},
		{"tie, all in one tick", served(20, 20, 20), Unsure},
		{"tie, first request", with(served(20, 20, 20), func(s *Sample) { s.Info.DataIn = 1 }), Idle},
		{"tie, just before doubt ends", served(9999, 9999, 9999), Unsure},
		{"tie, doubt is over", served(10000, 10000, 10000), Idle},

		{"FIN on its way, no byte owed", state(FinWait1, 0, 0, 1), None},
		{"FIN on its way, one byte owed", state(FinWait1, 0, 0, 2), Sending},
		{"FIN on its way, descriptor open", state(FinWait1, 7, 0, 1), Ended},
		{"both ended, bytes owed", state(LastAck, 0, 0, 2), Sending},
		{"both ended at once, bytes owed", state(Closing, 0, 0, 2), Sending},
		{"both ended, nothing owed", state(LastAck, 0, 0, 1), None},
		{"lingering close, unread bytes", state(FinWait2, 7, 10, 0), Ended},
		{"closed and acknowledged", Sample{State: FinWait2}, None},

		{"no byte counts (before 4.1), client last", old(104, 16, 20, 16), Unanswered},
		{"no byte counts, server last", old(104, 20, 16, 16), Idle},
		{"no byte counts, tie", old(104, 20, 20, 20), Unsure},
		{"no byte counts, tie, acknowledged later", old(104, 20, 20, 16), Idle},
		{"no data segments (before 4.6), tie", old(152, 20, 20, 20), Unsure},
		{"no data segments, client last", old(152, 16, 20, 20), Unanswered},
		{"a state of the future", Sample{State: 14}, None},
	} {
		if got := Classify(&c.sample); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestHolds(t *testing.T) {
	want := map[Class][3]bool{ // quiet, connections, exit
		None: {}, HalfOpenLate: {}, Waiting: {}, Preconnect: {},
		HalfOpen: {true, true, true}, Queued: {true, true, true}, Unread: {true, true, true},
		Unanswered: {true, true, true}, Unsure: {true, true, true}, Sending: {true, true, true},
		Idle: {false, true, true}, Ended: {false, true, true},
	}
	for c := range Class(classes) {
		for m := Quiet; m <= Exit; m++ {
			if got := c.Holds(m); got != want[c][m] {
				t.Errorf("%v holds in mode %d: %v", c, m, got)
			}
		}
		if c.String() == "" || c.String() == "unknown" {
			t.Errorf("class %d has no name", c)
		}
	}
	if Class(99).Holds(Exit) || Class(99).String() != "unknown" {
		t.Error("a class that there is not holds, or has a name")
	}
}

func TestSince(t *testing.T) {
	for _, c := range []struct {
		name   string
		sample Sample
		want   time.Duration
	}{
		{"data came last", served(16, 20, 12), 12 * time.Millisecond},
		{"an acknowledgement within the retransmission timeout", served(500, 300, 100), 100 * time.Millisecond},
		{"a probe much later", served(9000, 8000, 4), 8 * time.Second},
		{"preconnect", Sample{
			State: Established, Inode: 1, Info: Info{Size: 280, LastSent: 70, LastReceived: 70, LastAck: 70},
		}, 70 * time.Millisecond},
		{"handshake", Sample{State: SynRecv}, Forever},
	} {
		if got := c.sample.Since(); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestSummary(t *testing.T) {
	var none Summary
	if none.QuietFor(Quiet) != Forever || none.Holds(Exit) != 0 {
		t.Error("a tree without connections is not quiet for ever")
	}
	idle, young := served(900, 800, 800), Sample{
		State: Established, Inode: 1, Info: Info{Size: 280, LastSent: 30, LastReceived: 30, LastAck: 30},
	}
	listener := Sample{State: Listening, Inode: 2, Info: Info{Size: 280}}
	sum := Summarise([]Sample{idle, idle, listener})
	if got := sum.QuietFor(Quiet); got != 800*time.Millisecond {
		t.Errorf("idle ones alone: quiet for %v", got)
	}
	if got := sum.QuietFor(Connections); got != 0 || sum.Holds(Connections) != 2 {
		t.Errorf("idle ones alone: no connection for %v, %d hold", got, sum.Holds(Connections))
	}
	sum.Add(&young)
	if got := sum.QuietFor(Quiet); got != 30*time.Millisecond {
		t.Errorf("with a young preconnect: quiet for %v", got)
	}
	for _, s := range []Sample{
		served(4, 8, 8),
		{State: SynRecv},
		{State: Established, Unread: 3, Info: Info{Size: 280}},
		{State: Established, Info: Info{Size: 280}},
	} {
		sum.Add(&s)
	}
	got := []int{
		sum.Busy(), sum.Idle(), sum.Queued(), sum.HalfOpen(), sum.Preconnects(), sum.Holds(Quiet), sum.Holds(Exit),
	}
	if diff := cmp.Diff([]int{1, 2, 2, 1, 1, 3, 5}, got); diff != "" {
		t.Error(diff)
	}
	if got := sum.QuietFor(Quiet); got != 0 {
		t.Errorf("with a busy one: quiet for %v", got)
	}
}

func TestConnection(t *testing.T) {
	s := served(20, 8, 8)
	s.State, s.Unread, s.Unsent = LastAck, 3, 5
	c := s.Connection()
	if c.In != 99 || c.Out != 1000 || c.Unread != 2 || c.Unsent != 4 || c.LastReceived != 20*time.Millisecond ||
		c.LastSent != 8*time.Millisecond || c.Age != -1 || c.State != "last-ack" || c.Class != "sending" {
		t.Errorf("%+v", c)
	}
	s = Sample{State: Established, Inode: 1, Info: Info{Size: 280, LastSent: 70}}
	if got := s.Connection().Age; got != 70*time.Millisecond {
		t.Errorf("the age of a preconnect is %v", got)
	}
	s = Sample{State: SynRecv, Expires: 900}
	if got := s.Connection().Age; got != 100*time.Millisecond {
		t.Errorf("the age of a handshake is %v", got)
	}
}
