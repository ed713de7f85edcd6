package rehearse

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"lastout/cmd/lastout/load"
	"lastout/supervisor/report"
)

// Text writes the rehearsal for a person: the shutdown to look at, the counts, each loss of it, and the verdict.
func (r *Result) Text(w io.Writer, width int, color bool) {
	c := r.Shown
	if len(r.Cycles) > 1 {
		fmt.Fprintf(w, "%s of %d", c.Name(), len(r.Cycles))
		if !c.Clean() {
			fmt.Fprint(w, ", the first that lost something")
		}
		fmt.Fprintln(w)
	}
	if r.Stop == Lastout {
		c.Shutdown.Text(w, width, color)
	} else {
		c.handText(w, r.Stop)
	}
	c.lossesText(w)
	fmt.Fprintln(w)
	if n := len(r.Cycles); n > 1 {
		fmt.Fprintf(w, "%s in all, %d of which lost something\n", plural(n, "cycle"), r.lossy())
	}
	r.Total.Text(w)
	fmt.Fprintf(w, "\n%s\n", r.verdict())
	if r.Kept != "" {
		fmt.Fprintf(w, "kept of %s in %s: %s\n", c.Name(), r.Kept, strings.Join(c.Files(), ", "))
	}
}

// lossy is how many cycles lost something.
func (r *Result) lossy() int {
	n := 0
	for _, c := range r.Cycles {
		if !c.Clean() {
			n++
		}
	}
	return n
}

// verdict is the last word.
func (r *Result) verdict() string {
	text := fmt.Sprintf("nothing was lost (seed %d)", r.Seed)
	switch {
	case r.Total.Lost > 0:
		text = fmt.Sprintf("%s lost (seed %d)", plural(r.Total.Lost, "request"), r.Seed)
	case r.Total.Failed > 0:
		text = fmt.Sprintf("%s failed before the stop: the tree did not serve well (seed %d)",
			plural(r.Total.Failed, "request"), r.Seed)
	}
	for _, c := range r.Cycles {
		if c.Code != 0 && r.Stop == Lastout {
			return fmt.Sprintf("%s; lastout ended with %d in %s (lastout help exit-codes)", text, c.Code, c.Name())
		}
	}
	return text
}

// handText is the shutdown that a naive hand made: lastout's own report of it would only say that everybody left
// unasked.
func (c *Cycle) handText(w io.Writer, way Way) {
	fmt.Fprintf(w, "shutdown by hand (%s) took %s; who left when:\n", way.Says(), report.Duration(c.Took))
	for _, x := range c.Shutdown.Instances {
		left, how := "-", ""
		if x.Left != nil {
			left = report.Duration(*x.Left - c.TermAt)
		}
		if x.Killed != nil {
			how = "  killed"
		}
		fmt.Fprintf(w, "  %-20s %8s%s\n", x.Name, left, how)
	}
}

// lossesText lists each loss of the cycle with its moments, counted from the stop.
func (c *Cycle) lossesText(w io.Writer) {
	const most = 8
	var lost []load.Request
	for _, r := range c.Requests {
		if r.Counts(c.From, c.Term) && (r.Fate == load.Lost || r.Fate == load.Refused && r.End <= c.Term) {
			lost = append(lost, r)
		}
	}
	slices.SortFunc(lost, func(a, b load.Request) int { return int(a.Begin - b.Begin) })
	for i, r := range lost {
		if i == 0 {
			fmt.Fprintln(w, "\nlost, with the times from the stop on:")
		}
		if i == most {
			fmt.Fprintf(w, "  and %d more\n", len(lost)-most)
			break
		}
		kept := ""
		if r.Kept {
			kept = ", on a kept connection"
		}
		fmt.Fprintf(w, "  %-8s sent at %s, over at %s: %s%s\n", r.ID, at(r.Begin-c.Term), at(r.End-c.Term), r.Why, kept)
	}
}

// at is a moment before or after the stop.
func at(d time.Duration) string {
	if d > -time.Millisecond {
		return "+" + report.Duration(max(0, d))
	}
	return report.Duration(d)
}

// plural is a count and its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
