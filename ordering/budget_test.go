package ordering

import (
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const ms = time.Millisecond

func everybody(ID) bool { return true }

// behindEdge is two workers in a chain behind a gateway: a leaves before b, b before edge.
const behindEdge = "b\na b\nedge gateway b"

func TestBudgetWithTimeToSpare(t *testing.T) {
	g := mustGraph(t, behindEdge)
	cost := []Cost{
		{PreStop: 100 * ms, Steps: 1000 * ms, Kill: 500 * ms, PostStop: 100 * ms},
		{Steps: 400 * ms, Kill: 100 * ms},
		{PreDrain: 150 * ms, Drain: 450 * ms, Settle: 200 * ms, Steps: 300 * ms, Kill: 500 * ms},
	}
	l := Limits{
		Timeout: 10 * time.Second, Reserve: 1200 * ms, Before: 200 * ms, Delay: 300 * ms, After: 700 * ms, Linger: 100 * ms,
	}
	b := g.Budget(l, cost, everybody)
	for _, c := range []struct {
		name      string
		got, want time.Duration
	}{
		{"announce", b.Announce(), 500 * ms},
		{"end: after and linger are less than reserve and a quarter", b.End(), 9200 * ms},
		{"hard", b.Hard(), 10000 * ms},
		{"need above the reserve", b.Need(0), 1200 * ms},
		{"need below the reserve", b.Need(1), 500 * ms},
		{"need with settle", b.Need(2), 1000 * ms},
		{"tail of the last", b.Tail(2), 0},
		{"tail of the one before", b.Tail(0), 1000 * ms},
		{"tail of the first", b.Tail(1), 2200 * ms},
		{"scale 1", b.Scaled(777 * ms), 777 * ms},
		{"leave by", b.LeaveBy(1), 7000 * ms},
		{"drain by its own bounds", b.DrainBy(2, 500*ms), 1100 * ms},
		{"drain by what is behind it", b.DrainBy(2, 6800*ms), 7000 * ms},
		{"settle", b.SettleBy(2, 3000*ms), 3200 * ms},
		{"pre_stop", b.PreStopBy(0, 2000*ms), 2100 * ms},
		{"kill at own steps", b.KillAt(0, 2000*ms, 2100*ms, 1000*ms), 3100 * ms},
		{"kill kept back from leave by", b.KillAt(0, 7500*ms, 7600*ms, 1000*ms), 7800 * ms}, // 8200 - 300 - 100
		{"lost by kill_timeout", b.LostAt(0, 3100*ms), 3600 * ms},
		{"lost by leave by", b.LostAt(0, 7800*ms), 8100 * ms},
		{"lost, killed late", b.LostAt(0, 8100*ms), 8400 * ms},
		{"post_stop", b.PostStopBy(0, 3600*ms), 3700 * ms},
		{"post_stop at the last moment", b.PostStopBy(0, 8150*ms), 8250 * ms},
		{"total", b.Total(), 500*ms + 600*ms + 1700*ms + 1000*ms + 800*ms},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, c.got, c.want)
		}
	}
	want := []PathStep{
		{Step{Drain, 2}, 500 * ms, 600 * ms}, {Step{Leave, 0}, 1100 * ms, 1700 * ms}, {Step{Leave, 2}, 2800 * ms, 1000 * ms},
	}
	if diff := cmp.Diff(want, b.Path()); diff != "" {
		t.Error(diff)
	}
}

// TestBudgetOfTwoWhoIgnore is two workers in a chain that ignore SIGTERM (10 s each) behind a gateway that needs 0.7 s,
// with 4 s for the whole: with a reserve of 1 s as with one of 2 s, the gateway gets the time it needs.
func TestBudgetOfTwoWhoIgnore(t *testing.T) {
	g := mustGraph(t, behindEdge)
	each := Cost{Steps: 10000 * ms, Kill: 5000 * ms}
	cost := []Cost{each, each, each}
	for _, c := range []struct{ reserve, a, b, edge time.Duration }{
		{1000 * ms, 1750 * ms, 2750 * ms, 3750 * ms},
		{2000 * ms, 1000 * ms, 2333333333, 3666666667},
	} {
		b := g.Budget(Limits{Timeout: 4000 * ms, Reserve: c.reserve}, cost, everybody)
		toldA := time.Duration(0)
		killA := b.KillAt(1, toldA, toldA, 10000*ms)
		killB := b.KillAt(0, killA, killA, 10000*ms)
		killEdge := b.KillAt(2, killB, killB, 10000*ms)
		got := []time.Duration{killA.Round(ms), killB.Round(ms), killEdge.Round(ms)}
		want := []time.Duration{c.a.Round(ms), c.b.Round(ms), c.edge.Round(ms)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("reserve %s: %s", c.reserve, diff)
		}
		if killEdge-killB < 700*ms {
			t.Errorf("reserve %s: the gateway is left %s", c.reserve, killEdge-killB)
		}
	}
}

func TestBudgetTooShort(t *testing.T) {
	g := mustGraph(t, behindEdge)
	cost := []Cost{
		{PreStop: 1000 * ms, Steps: 3000 * ms, Kill: 100 * ms, PostStop: 100 * ms}, {Steps: 400 * ms}, {Steps: 600 * ms},
	}
	l := Limits{Timeout: 2000 * ms, Reserve: 2000 * ms, Delay: 5000 * ms, After: 5000 * ms}
	b := g.Budget(l, cost, everybody) // end 1500, span 3000
	for _, c := range []struct {
		name      string
		got, want time.Duration
	}{
		{"announce is cut first", b.Announce(), 0},
		{"after_shutdown gets a quarter", b.End(), 1500 * ms},
		{"all alike", b.Scaled(b.Need(0)), 1000 * ms},
		{"the first", b.LeaveBy(1), 200 * ms},
		{"the second", b.LeaveBy(0), 1200 * ms},
		{"pre_stop gets its share of 1000 - 100 - 100", b.PreStopBy(0, 200*ms), 400 * ms},
		{"and the steps the rest", b.KillAt(0, 200*ms, 400*ms, 3000*ms), 1000 * ms},
		{"killed at once when late", b.KillAt(0, 1400*ms, 1400*ms, 3000*ms), 1400 * ms},
		{"no pre_stop when late", b.PreStopBy(0, 1400*ms), 1400 * ms},
		{"no drain when late", b.DrainBy(2, 700*ms), 700 * ms},
		{"total is the timeout", b.Total(), 2000 * ms},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, c.got, c.want)
		}
	}
	settling := g.Budget(l, []Cost{{}, {}, {Settle: 400 * ms, PreStop: 800 * ms, Steps: 1200 * ms}}, everybody)
	if by := settling.SettleBy(2, 300*ms); by != 500*ms { // a sixth of 1200
		t.Errorf("settling ends at %s", by)
	}
	inviting := g.Budget(l, []Cost{{}, {}, {PreStop: 400 * ms, Invite: 800 * ms, Steps: 1200 * ms}}, everybody)
	if by := inviting.PreStopBy(2, 300*ms); by != 500*ms { // a sixth of 1200
		t.Errorf("the pre_stop hook ends at %s", by)
	}
	if by := inviting.InviteBy(2, 500*ms); by != 900*ms { // two fifths of the 1000 that are left
		t.Errorf("the invitation ends at %s", by)
	}
	if part := g.Budget(Limits{Timeout: 4000 * ms, Reserve: 2000 * ms, Before: 500 * ms, Delay: 1000 * ms}, cost,
		everybody).Announce(); part != 1000*ms {
		t.Errorf("announce is cut to %s", part)
	}
}

func TestBudgetWithoutEnd(t *testing.T) {
	g := mustGraph(t, behindEdge)
	cost := []Cost{{PreStop: 100 * ms, Steps: 3000 * ms, Kill: 100 * ms, PostStop: 50 * ms}, {}, {Drain: 500 * ms}}
	b := g.Budget(Limits{Reserve: 10 * ms, Delay: 60000 * ms, After: 40 * ms}, cost, everybody)
	got := []time.Duration{
		b.Announce(), b.End(), b.Hard(), b.LeaveBy(0), b.DrainBy(2, 7), b.PreStopBy(0, 7), b.KillAt(0, 0, 7, 3000*ms),
		b.LostAt(0, 7), b.PostStopBy(0, 7), b.Total(),
	}
	want := []time.Duration{
		60000 * ms, Forever, Forever, Forever, 7 + 500*ms, 7 + 100*ms, 7 + 3000*ms, 7 + 100*ms, 7 + 50*ms,
		60000*ms + 500*ms + 3250*ms + 40*ms,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestBudgetCountsWhatIsBehind holds that a client, its gateway and the gateway's worker count as one chain, though the
// worker and the client are no pair of the stop order, and that the dead need nothing and join the living all the same.
func TestBudgetCountsWhatIsBehind(t *testing.T) {
	g := mustGraph(t, "w\nedge gateway w\nc edge\ndb service\nmid db\ntop mid")
	cost := make([]Cost, g.Len())
	for i := range cost {
		cost[i] = Cost{Steps: time.Second}
	}
	mid, _ := g.Lookup("mid")
	b := g.Budget(Limits{Timeout: time.Minute, Reserve: time.Second}, cost, func(id ID) bool { return id != mid })
	for name, want := range map[string]time.Duration{
		"c": 2 * time.Second, "w": time.Second, "edge": 0, "top": time.Second, "mid": time.Second, "db": 0,
	} {
		id, _ := g.Lookup(name)
		if got := b.Tail(id); got != want {
			t.Errorf("behind %s: got %s, want %s", name, got, want)
		}
	}
	if b.Need(mid) != 0 {
		t.Errorf("the dead need %s", b.Need(mid))
	}
	b = mustGraph(t, "a").Budget(Limits{Delay: 5, After: 7}, []Cost{{}}, everybody)
	if b.Total() != 12 || len(b.Path()) != 0 {
		t.Errorf("nobody takes time: total %s, path %v", b.Total(), b.Path())
	}
	empty, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if total := empty.Budget(Limits{Delay: 5, After: 7}, nil, everybody).Total(); total != 12 {
		t.Errorf("nobody at all: total %s", total)
	}
}

func TestPlusAndPortion(t *testing.T) {
	if plus(Forever, Forever) != Forever || plus(Forever-1, 1) != Forever || plus(1, 2) != 3 {
		t.Error("plus")
	}
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.Int64Range(1, 1<<62).Draw(t, "whole")
		part := rapid.Int64Range(0, whole).Draw(t, "part")
		d := rapid.Int64Range(0, 1<<62).Draw(t, "d")
		want := new(big.Int).Mul(big.NewInt(d), big.NewInt(part))
		want.Quo(want, big.NewInt(whole))
		got := portion(time.Duration(d), time.Duration(part), time.Duration(whole))
		if want.Int64() != int64(got) {
			t.Errorf("%d*%d/%d: got %d, want %s", d, part, whole, got, want)
		}
	})
}
