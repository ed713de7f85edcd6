package demo

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Ledger is what became of every request, by what the client saw and by what the workers wrote down.
type Ledger struct {
	Sent     int `json:"sent"`
	Answered int `json:"answered"`
	Refused  int `json:"refused"`
	Lost     int `json:"lost"`

	InHand int            `json:"in_hand"` // sent before SIGTERM and not answered by then
	After  int            `json:"after"`   // answered after SIGTERM
	Why    map[string]int `json:"why"`     // of refusals and losses

	Started    int      `json:"started"`    // by the workers
	Finished   int      `json:"finished"`   // by the workers
	Unanswered []string `json:"unanswered"` // a worker started it, and the client never got the whole answer
	Unheard    []string `json:"unheard"`    // answered, and no worker knows of it: the ledger would be wrong
	Unfinished []string `json:"unfinished"` // a worker started it, and never finished
}

// record is what the workers wrote down of a request.
type record struct{ started, finished bool }

// newLedger joins the requests with the workers' records. term is when SIGTERM was sent, since the load began.
func newLedger(requests []Request, records map[string]record, term time.Duration) *Ledger {
	l := &Ledger{Sent: len(requests), Why: map[string]int{}}
	answered := map[string]bool{}
	for _, r := range requests {
		if r.Begin <= term && r.End > term {
			l.InHand++
		}
		switch r.Fate {
		case Answered:
			l.Answered++
			answered[r.ID] = true
			if r.End > term {
				l.After++
			}
			if !records[r.ID].started {
				l.Unheard = append(l.Unheard, r.ID)
			}
		case Refused:
			l.Refused++
			l.Why["refused: "+r.Why]++
		case Lost:
			l.Lost++
			l.Why["lost: "+r.Why]++
		}
	}
	for _, id := range slices.Sorted(maps.Keys(records)) {
		rec := records[id]
		if rec.started {
			l.Started++
			if !answered[id] {
				l.Unanswered = append(l.Unanswered, id)
			}
			if !rec.finished {
				l.Unfinished = append(l.Unfinished, id)
			}
		}
		if rec.finished {
			l.Finished++
		}
	}
	return l
}

// Clean says that nothing was lost, by anybody's books, and that there was something to lose.
func (l *Ledger) Clean() bool {
	return l.Lost == 0 && len(l.Unanswered) == 0 && len(l.Unheard) == 0 && len(l.Unfinished) == 0 && l.InHand > 0
}

// Text writes the ledger for a person.
func (l *Ledger) Text(w io.Writer) {
	fmt.Fprintf(w, "ledger of %d requests; %d were in hand when SIGTERM came, %d answers came after it\n",
		l.Sent, l.InHand, l.After)
	fmt.Fprintf(w, "  answered %5d   the whole answer arrived\n", l.Answered)
	fmt.Fprintf(w, "  refused  %5d   came after the door was shut: no connection, not a byte sent\n", l.Refused)
	fmt.Fprintf(w, "  lost     %5d   a connection was had, and no whole answer came of it\n", l.Lost)
	for _, why := range slices.Sorted(maps.Keys(l.Why)) {
		fmt.Fprintf(w, "           %5d   %s\n", l.Why[why], why)
	}
	fmt.Fprintf(w, "the workers' own books: %d started, %d finished, %d of those unanswered\n",
		l.Started, l.Finished, len(l.Unanswered))
	for _, list := range []struct {
		what string
		ids  []string
	}{
		{"started by a worker, never answered", l.Unanswered},
		{"started by a worker, never finished", l.Unfinished},
		{"answered, and unknown to every worker", l.Unheard},
	} {
		if len(list.ids) > 0 {
			fmt.Fprintf(w, "  %s: %s\n", list.what, strings.Join(list.ids, " "))
		}
	}
	if l.InHand == 0 {
		fmt.Fprintln(w, "nothing was in hand when SIGTERM came: this proves nothing")
	}
}

// readRecords reads what the workers wrote down: "started ID" and "finished ID" lines.
func readRecords(r io.Reader) (map[string]record, error) {
	records := map[string]record{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		what, id, _ := strings.Cut(lines.Text(), " ")
		rec := records[id]
		switch what {
		case "started":
			rec.started = true
		case "finished":
			rec.finished = true
		default:
			return nil, fmt.Errorf("cannot read the workers' record: line %q", lines.Text())
		}
		records[id] = rec
	}
	return records, lines.Err()
}
