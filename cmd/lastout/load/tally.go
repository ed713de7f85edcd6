package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Tally counts what became of requests. The names of its JSON are stable.
type Tally struct {
	Sent     int `json:"sent"`
	Answered int `json:"answered"`
	Refused  int `json:"refused"` // after the stop began: no connection was had, not a byte sent
	Lost     int `json:"lost"`    // after the stop began: a connection was had, and no whole answer came of it
	Failed   int `json:"failed"`  // refused or lost before the stop began: not the stop's doing

	Retried int `json:"retried"` // of them all, sent a second time as its kept connection had ended before it arrived
	InHand  int `json:"in_hand"` // sent before the stop began, and not answered by then
	After   int `json:"after"`   // answered after the stop began
	Endless int `json:"endless"` // answers that told no length, and are assumed to be whole
	Skipped int `json:"skipped"` // not sent, as too many were in hand

	PreconnectsOpened int `json:"preconnects_opened"`
	PreconnectsEnded  int `json:"preconnects_ended"` // by the server

	Why map[string]int `json:"why"` // of what was not answered
}

// NewTally counts requests. from is when the warm-up was over and term when the stop began, both from the load's begin.
func NewTally(requests []Request, from, term time.Duration) Tally {
	t := Tally{Why: map[string]int{}}
	for _, r := range requests {
		if r.Counts(from, term) {
			t.add(r, term)
		}
	}
	return t
}

// Counts says whether a request is counted: one of the warm-up is, if it was still in hand when the stop began.
func (r *Request) Counts(from, term time.Duration) bool { return r.Begin >= from || r.End > term }

func (t *Tally) add(r Request, term time.Duration) {
	t.Sent++
	if r.Begin <= term && r.End > term {
		t.InHand++
	}
	if r.Retried {
		t.Retried++
	}
	switch fate := r.Fate; {
	case fate == Answered:
		t.Answered++
		if r.End > term {
			t.After++
		}
		if r.Endless {
			t.Endless++
		}
	case r.End <= term:
		t.Failed++
		t.Why["failed before the stop: "+r.Why]++
	case fate == Refused:
		t.Refused++
		t.Why["refused: "+r.Why]++
	default:
		t.Lost++
		t.Why["lost: "+r.Why]++
	}
}

// Add adds another tally's counts.
func (t *Tally) Add(o Tally) {
	t.Sent, t.Answered, t.Refused = t.Sent+o.Sent, t.Answered+o.Answered, t.Refused+o.Refused
	t.Lost, t.Failed, t.Retried = t.Lost+o.Lost, t.Failed+o.Failed, t.Retried+o.Retried
	t.InHand, t.After, t.Endless = t.InHand+o.InHand, t.After+o.After, t.Endless+o.Endless
	t.Skipped += o.Skipped
	t.PreconnectsOpened += o.PreconnectsOpened
	t.PreconnectsEnded += o.PreconnectsEnded
	if t.Why == nil {
		t.Why = map[string]int{}
	}
	for why, n := range o.Why {
		t.Why[why] += n
	}
}

// Clean says that nothing was lost or failed, and that there was something to lose.
func (t *Tally) Clean() bool { return t.Lost == 0 && t.Failed == 0 && t.InHand > 0 }

// Text writes the tally for a person.
func (t *Tally) Text(w io.Writer) {
	fmt.Fprintf(w, "%d requests; %d were in hand when the stop began, %d answers came after it\n",
		t.Sent, t.InHand, t.After)
	line := func(n int, what, says string) { fmt.Fprintf(w, "  %-9s %6d   %s\n", what, n, says) }
	line(t.Answered, "answered", "the whole answer arrived")
	line(t.Refused, "refused", "came after the door was shut: no connection, not a byte sent")
	line(t.Lost, "lost", "a connection was had, and no whole answer came of it")
	if t.Failed > 0 {
		line(t.Failed, "failed", "before the stop began: that is not the stop's doing")
	}
	for _, why := range slices.Sorted(maps.Keys(t.Why)) {
		line(t.Why[why], "", why)
	}
	for _, note := range []struct {
		n    int
		says string
	}{
		{t.Retried, "sent a second time, as clients do: the kept connection had ended before they arrived"},
		{t.Endless, "answers told no length: that they are whole is assumed"},
		{t.Skipped, "not sent, as too many were in hand already"},
	} {
		if note.n > 0 {
			line(note.n, "", note.says)
		}
	}
	if t.PreconnectsOpened > 0 {
		fmt.Fprintf(w, "  %d connections never carried a byte; the server ended %d of them\n",
			t.PreconnectsOpened, t.PreconnectsEnded)
	}
	if t.InHand == 0 {
		fmt.Fprintln(w, "nothing was in hand when the stop began: this proves nothing")
	}
}
