package control

import (
	"fmt"
	"strconv"
	"strings"
)

// exposition writes metrics, as Prometheus text (0.0.4) or as OpenMetrics (1.0.0).
type exposition struct {
	b    strings.Builder
	open bool // OpenMetrics
	name string
	kind string
}

// family begins a metric. The name of a counter is given without _total, which both formats want behind each sample, and
// Prometheus text behind the family's name too.
func (e *exposition) family(name, kind, help string) {
	e.name, e.kind = name, kind
	if kind == "counter" && !e.open {
		name += "_total"
	}
	fmt.Fprintf(&e.b, "# HELP %s %s\n# TYPE %s %s\n", name, escapeHelp.Replace(help), name, kind)
}

// sample writes a value of the family, with labels in pairs of name and value.
func (e *exposition) sample(value float64, labels ...string) {
	suffix := ""
	if e.kind == "counter" {
		suffix = "_total"
	}
	e.line(suffix, value, labels...)
}

func (e *exposition) line(suffix string, value float64, labels ...string) {
	e.b.WriteString(e.name + suffix)
	for i := 0; i+1 < len(labels); i += 2 {
		separator := ","
		if i == 0 {
			separator = "{"
		}
		fmt.Fprintf(&e.b, `%s%s="%s"`, separator, labels[i], escapeLabel.Replace(labels[i+1]))
	}
	if len(labels) > 0 {
		e.b.WriteByte('}')
	}
	e.b.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

// histogram writes one, its buckets added up as both formats want them.
func (e *exposition) histogram(h *histogram, labels ...string) {
	var sum uint64
	for i, bound := range stopBuckets {
		sum += h.buckets[i]
		e.line("_bucket", float64(sum), append(labels[:len(labels):len(labels)], "le", bucketText(bound))...)
	}
	e.line("_bucket", float64(h.count), append(labels[:len(labels):len(labels)], "le", "+Inf")...)
	e.line("_sum", h.sum, labels...)
	e.line("_count", float64(h.count), labels...)
}

// bucketText is a bound as OpenMetrics wants it: a whole number has a point too.
func bucketText(bound float64) string {
	text := strconv.FormatFloat(bound, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return text
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// text ends it.
func (e *exposition) text() string {
	if e.open {
		e.b.WriteString("# EOF\n")
	}
	return e.b.String()
}

// contentType is that of the format.
func (e *exposition) contentType() string {
	if e.open {
		return "application/openmetrics-text; version=1.0.0; charset=utf-8"
	}
	return "text/plain; version=0.0.4; charset=utf-8"
}
