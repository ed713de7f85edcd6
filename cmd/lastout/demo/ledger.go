package demo

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"lastout/cmd/lastout/load"
	"lastout/supervisor/report"
)

// Ledger is what became of every request, by what the client saw and by what the workers wrote down. The names of its
// JSON are stable.
type Ledger struct {
	load.Tally

	Started    int      `json:"started"`    // by the workers
	Finished   int      `json:"finished"`   // by the workers
	Unanswered []string `json:"unanswered"` // a worker started it, and the client never got the whole answer
	Unheard    []string `json:"unheard"`    // answered, and no worker knows of it: the ledger would be wrong
	Unfinished []string `json:"unfinished"` // a worker started it, and never finished
}

// record is what the workers wrote down of a request.
type record struct{ started, finished bool }

// newLedger joins the requests, which were counted already, with the workers' records.
func newLedger(requests []load.Request, t load.Tally, records map[string]record) *Ledger {
	l := &Ledger{Tally: t}
	answered := map[string]bool{}
	for _, r := range requests {
		if r.Fate != load.Answered {
			continue
		}
		answered[r.ID] = true
		if !records[r.ID].started {
			l.Unheard = append(l.Unheard, r.ID)
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
	return l.Tally.Clean() && len(l.Unanswered) == 0 && len(l.Unheard) == 0 && len(l.Unfinished) == 0
}

// Text writes the ledger for a person.
func (l *Ledger) Text(w io.Writer) {
	l.Tally.Text(w)
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
}

// Table sets the ways side by side.
func (r *Result) Table(w io.Writer) {
	fmt.Fprintf(w, "%-20s %7s %7s %9s %8s %6s\n", "the same tree, told", "took", "sent", "answered", "refused", "lost")
	for _, x := range r.Ways {
		t := &x.Ledger.Tally
		fmt.Fprintf(w, "  %-18s %7s %7d %9d %8d %6d", way(x), report.Duration(x.Took), t.Sent, t.Answered, t.Refused, t.Lost)
		if why := x.Ledger.worst(); why != "" {
			fmt.Fprintf(w, "   %s", why)
		}
		fmt.Fprintln(w)
	}
	for _, x := range r.Ways[:len(r.Ways)-1] {
		if x.Ledger.Lost == 0 {
			fmt.Fprintf(w, "%s: nothing was lost this time either; try it again, or with --load 3s --every 5ms\n", x.Stop.Says())
		}
	}
}

func way(x *Shown) string {
	if x.Stop == "lastout" {
		return "by lastout"
	}
	return x.Stop.Says()
}

// worst is why the most were lost.
func (l *Ledger) worst() string {
	most, text := 0, ""
	for _, key := range slices.Sorted(maps.Keys(l.Why)) {
		if why, lost := strings.CutPrefix(key, "lost: "); lost && l.Why[key] > most {
			most, text = l.Why[key], fmt.Sprintf("%s: %d", why, l.Why[key])
		}
	}
	return text
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
