package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// table is a TOML table that was walked: all that is in it is known and of its type.
type table struct {
	at     *place
	vals   map[string]value
	broken bool // something else stands where a table is wanted, which is said already
}

// value is a string, int64, bool, time.Duration, syscall.Signal, bytes, []text, []int, *table or []*table, as the schema
// says; or nil where that which is written is faulty, which is said already.
type value struct {
	at *place
	is any
}

// text is a string of an array, with its place.
type text struct {
	at *place
	s  string
}

// bytes is a size.
type bytes int64

// walker checks what was decoded against the schema.
type walker struct {
	who   string // what the faults are about: `process "api": `, or nothing
	fault func(at *place, text string)
}

func (w *walker) say(at *place, format string, args ...any) {
	w.fault(at, w.who+fmt.Sprintf(format, args...))
}

var nameForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// table walks a table. name is its key as it is written in messages, relative to whom they are about.
func (w *walker) table(r *rule, m map[string]any, at *place, name string) *table {
	t := &table{at: at, vals: map[string]value{}}
	given := map[string]string{} // which key of those of which one may be given
	for _, key := range slices.SortedFunc(maps.Keys(m), byLine(at)) {
		below, place := r.find(key), at.key(key)
		full := join(name, key)
		if below == nil {
			near := w.unknown(r, place, full, key)
			if _, ok := m[near]; near != "" && !ok {
				t.vals[near] = value{at: place} // it was meant: do not say that it is missing
			}
			continue
		}
		if first, ok := given[below.OneOf]; ok && below.OneOf != "" {
			w.say(place, "%s: %s is given already (give one of %s)", full, join(name, first), below.OneOf)
			continue
		}
		given[below.OneOf] = key
		v, ok := w.enter(below, m[key], place, full, key)
		if !ok {
			v = nil
		}
		t.vals[key] = value{at: place, is: v}
	}
	return t
}

// enter walks the value of a key. Below a name of the user's choice, messages are about that name.
func (w *walker) enter(r *rule, v any, at *place, full, key string) (any, bool) {
	switch r.Path {
	case "process.*", "socket.*":
		kind, _, _ := strings.Cut(r.Path, ".")
		w = &walker{who: fmt.Sprintf("%s %q: ", kind, key), fault: w.fault}
		full = ""
		if !nameForm.MatchString(key) {
			w.say(at, "a name is a letter, and then letters, digits, _ and -%s", nearName(key))
		}
	case "defaults":
		w = &walker{who: "defaults: ", fault: w.fault}
		full = ""
	}
	return w.value(r, v, at, full)
}

// nearName suggests a name.
func nearName(name string) string {
	near := regexp.MustCompile(`[^A-Za-z0-9_-]+`).ReplaceAllString(name, "-")
	if nameForm.MatchString(near) {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}

// unknown says that there is no such key here, and gives the key of this table that was meant, if one was.
func (w *walker) unknown(r *rule, at *place, full, key string) (near string) {
	if r.Path == "defaults" {
		if _, ok := rules().keys["process"].any.keys[key]; ok {
			w.say(at, "%s is of one process and cannot stand in [defaults] (write it in [process.NAME])", full)
			return ""
		}
	}
	near, hint := didYouMean(key, r.names())
	w.say(at, "unknown key %q%s", full, hint)
	return near
}

// value walks one value; false: it is not what the schema says.
func (w *walker) value(r *rule, v any, at *place, name string) (any, bool) {
	if r.Type == Any {
		return nil, false
	}
	return w.convert(r, v, at, name)
}

// convert turns a decoded value into what the schema says.
func (w *walker) convert(r *rule, v any, at *place, name string) (any, bool) {
	switch v := v.(type) {
	case string:
		if r.Type&(String|Word|Duration|Signal|Size) != 0 {
			return w.text(r, v, at, name)
		}
	case int64:
		if r.Type&Integer != 0 {
			return w.integer(r, v, at, name)
		}
	case bool:
		if r.Type&Bool != 0 {
			return v, true
		}
	case map[string]any:
		if r.Type&Table != 0 {
			return w.table(r, v, at, name), true
		}
	case []map[string]any:
		if r.Type&Tables != 0 {
			return w.tables(r, widen(v), at, name)
		}
	case []any:
		switch {
		case r.Type&Strings != 0:
			return w.strings(v, at, name)
		case r.Type&Tables != 0:
			return w.tables(r, v, at, name)
		case r.Type&Integers != 0:
			return w.integers(r, v, at, name)
		}
	}
	if name != "" {
		name += ": "
	}
	w.say(at, "%s%s is wanted, not %s%s", name, wanted(r), described(v), meant(r, v))
	return nil, false
}

// text walks a string, which may stand for something else.
func (w *walker) text(r *rule, s string, at *place, name string) (any, bool) {
	if strings.IndexByte(s, 0) >= 0 {
		w.say(at, "%s: there is a zero byte in it, which no program can be given", name)
		return nil, false
	}
	if slices.Contains(r.Words, s) {
		return s, true
	}
	var got any
	var err error
	switch {
	case r.Type&Duration != 0:
		got, err = parseDuration(s, r.Zero)
	case r.Type&Signal != 0:
		got, err = telling(r, s)
	case r.Type&Size != 0:
		var n int64
		n, err = parseSize(s)
		got = bytes(n)
	case r.Type&Word != 0:
		err = fmt.Errorf("%q is none of %s%s", s, strings.Join(r.Words, ", "), nearWord(s, r.Words))
	case r.Type&String != 0:
		got = s
	}
	if err != nil {
		w.say(at, "%s: %v", name, err)
		return nil, false
	}
	return got, true
}

// telling reads a signal that shall make a process do something.
func telling(r *rule, s string) (syscall.Signal, error) {
	sig, err := parseSignal(s)
	switch {
	case err != nil:
		return 0, err
	case r.Path == "process.*.drain.signal" && sig == syscall.SIGKILL:
		return 0, errors.New(`SIGKILL lets nobody finish (did you mean "SIGTERM"?)`)
	}
	return sig, checkStopSignal(sig)
}

func (w *walker) integer(r *rule, n int64, at *place, name string) (any, bool) {
	if limits := r.Range; limits != [2]int64{} && (n < limits[0] || n > limits[1]) {
		w.say(at, "%s: %d is not between %d and %d", name, n, limits[0], limits[1])
		return nil, false
	}
	return n, true
}

func (w *walker) strings(items []any, at *place, name string) (any, bool) {
	texts := make([]text, 0, len(items))
	for i, item := range items {
		s, ok := item.(string)
		switch {
		case !ok:
			w.say(at.item(i), "%s: item %d: a string is wanted, not %s%s", name, i+1, described(item), quoted(item))
		case strings.IndexByte(s, 0) >= 0:
			w.say(at.item(i), "%s: item %d: there is a zero byte in it, which no program can be given", name, i+1)
		default:
			texts = append(texts, text{at: at.item(i), s: s})
		}
	}
	return texts, len(texts) == len(items)
}

func (w *walker) integers(r *rule, items []any, at *place, name string) (any, bool) {
	numbers := make([]int, 0, len(items))
	for i, item := range items {
		full := fmt.Sprintf("%s: item %d", name, i+1)
		n, is := item.(int64)
		if !is {
			w.say(at.item(i), "%s: an integer is wanted, not %s", full, described(item))
		} else if _, ok := w.integer(r, n, at.item(i), full); ok {
			numbers = append(numbers, int(n))
		}
	}
	return numbers, len(numbers) == len(items)
}

func (w *walker) tables(r *rule, items []any, at *place, name string) (any, bool) {
	tables := make([]*table, 0, len(items))
	for i, item := range items {
		if m, ok := item.(map[string]any); ok {
			tables = append(tables, w.table(r, m, at.item(i), name))
		} else {
			w.say(at.item(i), "%s: item %d: a table is wanted, not %s", name, i+1, described(item))
		}
	}
	return tables, len(tables) == len(items)
}

func widen(tables []map[string]any) []any {
	wide := make([]any, len(tables))
	for i, t := range tables {
		wide[i] = t
	}
	return wide
}

func join(name, key string) string {
	if name == "" {
		return key
	}
	return name + "." + key
}

// byLine orders the keys of a table as they are written.
func byLine(at *place) func(a, b string) int {
	return func(a, b string) int {
		if d := at.key(a).line - at.key(b).line; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	}
}
